import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { quantile, times } from './figures.mjs';
import { HOSTILE } from './hostile-bodies.mjs';

const GAP_MS = 20;
const WARM_UP = 100;
const ALONE = 150;
/** At least as many as alone, and until the hostile request is answered or this many are sent. */
const BESIDE_MAX = 1_500;
const RATIO_MAX = 3;
const HEALTH_MS_MAX = 200;
const SECRET = 'a secret of the bench';
const AGENT = `"${process.execPath}" -e setTimeout(()=>{},120000)`;

/** A webhook answered beside each hostile request to the receiver, against the same webhook alone. */
export async function benchHostile() {
  const rows = [];
  for (const [name, make] of Object.entries(HOSTILE)) rows.push(...(await measure(name, [make()])));
  const [empty] = Object.values(HOSTILE);
  rows.push(...(await measure('40 at once of 8 million empty records', Array(40).fill(empty()))));
  return rows;
}

async function measure(name, hostile) {
  return withTempDir(async (dir) => {
    const env = settings(dir, {
      GITHUB_WEBHOOK_SECRET: SECRET,
      TASK_LOGS_CONCURRENCY: '1',
      TASK_LOGS_AGENT_COMMAND: AGENT,
    });
    const started = startChild('../../dist/cli/main.js', { dir, env, args: ['start'] });
    const agent = new Agent({ keepAlive: true });
    try {
      const ready = await nextLine(started, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
      const url = ready.replace(/\/readyz$/, '');
      const { otlp_url: otlp } = JSON.parse(await readFile(join(dir, 'logs', '_lock.json'), 'utf8'));
      const numbers = counter();
      const webhooks = (count, isOver) => sendWebhooks({ url, agent, numbers, count, isOver });
      await webhooks(WARM_UP);
      const alone = await webhooks(ALONE);
      let answered = 0;
      let statuses = '';
      const start = performance.now();
      for (const { path, headers, body } of hostile) {
        void send(`${otlp}${path}`, { headers, body }).then((status) => {
          answered += 1;
          if (!statuses.includes(status)) statuses += ` ${status}`;
        });
      }
      const isOver = () => answered === hostile.length;
      const health = watchHealth(url, isOver);
      const beside = await webhooks(ALONE, isOver);
      const tookMs = performance.now() - start;
      const healthMs = Math.max(...(await health));
      const ratio = quantile(beside, 0.99) / quantile(alone, 0.99);
      const ms = (value) => `${value.toFixed(0)} ms`;
      return [
        {
          what: `webhook beside ${name}, p99 / alone`,
          ratio: times(ratio),
          absolute: `${ms(quantile(beside, 0.99))} / ${ms(quantile(alone, 0.99))}; /healthz max ${ms(healthMs)}; answer${statuses} within ${ms(tookMs)}`,
          aim: `at most ${RATIO_MAX}x, /healthz below ${HEALTH_MS_MAX} ms`,
          met: ratio <= RATIO_MAX && healthMs < HEALTH_MS_MAX,
        },
      ];
    } finally {
      agent.destroy();
      await endChild(started);
    }
  });
}

/** Waits in milliseconds. On schedule: a pause of the server delays all that fall into it. */
async function sendWebhooks({ url, agent, numbers, count, isOver = () => true }) {
  const waits = [];
  const sent = [];
  const start = performance.now();
  for (let next = 0; next < count || (!isOver() && next < BESIDE_MAX); next += 1) {
    const due = start + next * GAP_MS;
    await delay(Math.max(0, due - performance.now()));
    const { headers, body } = delivery(numbers());
    sent.push(
      send(`${url}/webhooks/github`, { headers, body, agent }).then((status) => {
        if (status !== '202' && status !== '200') throw new Error(`the webhook was answered ${status}`);
        waits.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(sent);
  return waits;
}

async function watchHealth(url, isOver) {
  const waits = [];
  do {
    const start = performance.now();
    await send(`${url}/healthz`, { method: 'GET' });
    waits.push(performance.now() - start);
    await delay(5);
  } while (!isOver());
  return waits;
}

function delivery(number) {
  const body = Buffer.from(
    JSON.stringify({
      action: 'created',
      issue: { number, title: 't', body: 'b', user: { login: 'u' }, html_url: 'http://h/i' },
      comment: {
        id: number,
        body: `@agent review delivery ${number}`,
        user: { login: 'u', type: 'User' },
        html_url: 'http://h/c',
      },
      repository: { full_name: 'o/r', name: 'r', owner: { login: 'o' } },
      sender: { login: 'u', type: 'User' },
    }),
  );
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issue_comment',
      'x-github-delivery': `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
      'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
    },
  };
}

function counter() {
  let number = 0;
  return () => {
    number += 1;
    return number;
  };
}

/** Resolves with the status, or the error of a connection. */
function send(url, { method = 'POST', headers = {}, body = '', agent }) {
  return new Promise((resolve) => {
    const length = method === 'GET' ? {} : { 'content-length': Buffer.byteLength(body) };
    const req = request(url, { method, agent, headers: { ...headers, ...length } }, (res) => {
      res.resume();
      res.on('end', () => resolve(String(res.statusCode)));
    });
    // A connection that was kept alive may end just when it is used again.
    req.on('error', (error) => resolve(req.reusedSocket ? send(url, { method, headers, body }) : error.code));
    req.end(body);
  });
}
