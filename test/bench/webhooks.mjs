import { createHmac } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { cpuMsOf } from './core-share.mjs';
import { median, quantile, times } from './figures.mjs';

const RATE = 500;
const SECONDS = 10;
/** Until the JIT has compiled the code. Sent at the same rate and not counted. */
const WARM_UP_SECONDS = 2;
/**
 * Keep-alive connections, like the connection pool of a vendor. Without a limit each pause of the server would open hundreds,
 * and Node accepts one per turn of its event loop, so the bench would measure TCP.
 */
const CONNECTIONS = 50;
const P99_MS_MAX = 50;
const STORED_SHARE_MAX = 1.2;
/** User and system time of all threads. On another machine the ratio says more. */
const CPU_MS_MAX = 2.5;
const STORED_MS_MAX = 60_000;
const POLL_MS = 100;
const SECRET = 'a secret of the bench';

/** The agent sleeps, so that all tasks but the first stay in the queue and only their intake is measured. */
const AGENT = `"${process.execPath}" -e setTimeout(()=>{},120000)`;

/**
 * Response time at 500 signed deliveries per second, each of which starts a task. The service verifies, records, enqueues
 * and stores in one process. The baseline is an Express handler that reads the same bytes, verifies the same HMAC,
 * appends a line to a file and responds.
 *
 * Requests are sent on schedule, independent of responses, and each wait counts from the scheduled time. So a pause of the
 * server for one second delays 500 requests.
 */
export async function benchWebhooks() {
  const env = (dir) =>
    settings(dir, {
      GITHUB_WEBHOOK_SECRET: SECRET,
      TASK_LOGS_CONCURRENCY: '1',
      TASK_LOGS_AGENT_COMMAND: AGENT,
    });
  const bare = await withTempDir((dir) =>
    measure(dir, { script: 'bare-webhook-process.mjs', env: env(dir) }),
  );
  const service = await withTempDir((dir) =>
    measure(dir, { script: '../../dist/cli/main.js', args: ['start'], env: env(dir), after: stored }),
  );
  const p99 = quantile(service.waits, 0.99);
  const ms = (value) => `${value.toFixed(1)} ms`;
  const at = `${RATE}/s`;
  return [
    {
      what: `webhook to response at ${at}, p50 / bare Express with the same HMAC`,
      ratio: times(median(service.waits) / median(bare.waits)),
      absolute: `${ms(median(service.waits))} / ${ms(median(bare.waits))}`,
    },
    {
      what: `webhook to response at ${at}, p99 / bare Express with the same HMAC`,
      ratio: times(p99 / quantile(bare.waits, 0.99)),
      absolute: `${ms(p99)} / ${ms(quantile(bare.waits, 0.99))}`,
      aim: `below ${P99_MS_MAX} ms`,
      met: p99 < P99_MS_MAX,
    },
    storedRow(service.tookMs / (SECONDS * 1000), service.tookMs),
    {
      what: 'CPU of a webhook, from the socket to the files / bare Express with the same HMAC and a line',
      ratio: times(service.cpuMs / bare.cpuMs),
      absolute: `${ms(service.cpuMs)} / ${ms(bare.cpuMs)}`,
      aim: `at most ${CPU_MS_MAX} ms`,
      met: service.cpuMs <= CPU_MS_MAX,
    },
  ];
}

function storedRow(share, tookMs) {
  return {
    what: `time until the directories of all tasks of ${SECONDS} s exist / that time`,
    ratio: times(share),
    absolute: `${(tookMs / 1000).toFixed(1)} s`,
    aim: `at most ${STORED_SHARE_MAX}x`,
    met: share <= STORED_SHARE_MAX,
  };
}

async function measure(dir, { script, args = [], env, after }) {
  const started = startChild(script, { dir, env, args });
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  try {
    const ready = await nextLine(started, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
    const url = `${ready.replace(/\/readyz$/, '')}/webhooks/github`;
    const deliveries = createDeliveries((WARM_UP_SECONDS + SECONDS) * RATE);
    await sendOnSchedule(deliveries.slice(0, WARM_UP_SECONDS * RATE), { url, agent });
    await after?.(dir, WARM_UP_SECONDS * RATE);
    const start = performance.now();
    const cpuBefore = await cpuMsOf(started.child.pid);
    const waits = await sendOnSchedule(deliveries.slice(WARM_UP_SECONDS * RATE), { url, agent });
    await after?.(dir, deliveries.length);
    const tookMs = performance.now() - start;
    const cpuMs = ((await cpuMsOf(started.child.pid)) - cpuBefore) / (SECONDS * RATE);
    return { waits, tookMs, cpuMs };
  } finally {
    agent.destroy();
    await endChild(started);
  }
}

/** Signs all deliveries in advance, so that signing does not delay the schedule. */
function createDeliveries(count) {
  const payload = exampleComment();
  return Array.from({ length: count }, (_, number) => {
    // A second command of the same comment would be a repeat.
    payload.comment.id = number + 1;
    payload.comment.body = `@agent review delivery ${number}`;
    const body = Buffer.from(JSON.stringify(payload));
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'x-github-event': 'issue_comment',
      'x-github-delivery': `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
      'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
    };
    return { body, headers };
  });
}

/** GitHub's example of a new comment, about 13 kB. */
function exampleComment() {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples');
  const { examples: comments } = examples.find(({ name }) => name === 'issue_comment');
  return structuredClone(comments.find(({ action }) => action === 'created'));
}

/** Resolves with the wait of each delivery in milliseconds. */
async function sendOnSchedule(deliveries, to) {
  const waits = [];
  const start = performance.now();
  const gapMs = 1000 / RATE;
  for (let next = 0; next < deliveries.length; ) {
    const due = Math.floor((performance.now() - start) / gapMs) + 1;
    for (; next < Math.min(due, deliveries.length); next += 1) {
      const wait = send(deliveries[next], { ...to, dueAtMs: start + next * gapMs });
      // Promise.all below reports a failure. Until then it must not be an unhandled rejection.
      wait.catch(() => undefined);
      waits.push(wait);
    }
    await delay(1);
  }
  return Promise.all(waits);
}

function send({ body, headers }, { url, agent, dueAtMs }) {
  return new Promise((resolve, reject) => {
    const req = request(url, { method: 'POST', agent, headers }, (res) => {
      const waitedMs = performance.now() - dueAtMs;
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode === 202) resolve(waitedMs);
        else reject(new Error(`a delivery failed with status ${res.statusCode}`));
      });
      res.resume();
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** Resolves when every accepted task has a directory. */
async function stored(dir, count) {
  const until = performance.now() + STORED_MS_MAX;
  for (;;) {
    const names = await readdir(join(dir, 'logs'));
    const tasks = names.filter((name) => name.startsWith('task-')).length;
    if (tasks === count) return;
    if (performance.now() > until) throw new Error(`${tasks} of ${count} tasks were stored`);
    await delay(POLL_MS);
  }
}
