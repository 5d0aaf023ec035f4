import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { startTask, startTasktrail } from '../../dist/index.js';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { median, quantile, times } from './figures.mjs';

const STARTS = 5;
const IDLE_MS = 10_000;
const LINES = 150;
/** Random gaps, so that lines do not synchronize with the poll interval of the sender. */
const GAP_MS_MAX = 80;
const POLL_MS = 2;
const READABLE_MS_MAX = 5_000;

/** The service with its defaults: time until it is ready, idle memory, delay until a record is readable. */
export async function benchService() {
  const starts = { service: [], bare: [] };
  for (let round = 0; round < STARTS; round += 1) {
    starts.bare.push(await withTempDir((dir) => measureStart(dir, 'bare-process.mjs', [])));
    starts.service.push(await withTempDir((dir) => measureStart(dir, '../../dist/cli/main.js', ['start'])));
  }
  const [idle, bareIdle] = await Promise.all([
    withTempDir((dir) => measureIdle(dir, '../../dist/cli/main.js', ['start'])),
    withTempDir((dir) => measureIdle(dir, 'bare-process.mjs', [])),
  ]);
  const { readable, plain } = await withTempDir(measureReadable);
  const p99 = quantile(readable, 0.99);
  const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return [
    {
      what: 'record to readable over REST, p50 / one GET',
      ratio: times(median(readable) / median(plain)),
      absolute: `${ms(median(readable))} / ${ms(median(plain))}`,
    },
    {
      what: 'record to readable over REST, p99 / one GET, p99',
      ratio: times(p99 / quantile(plain, 0.99)),
      absolute: `${ms(p99)} / ${ms(quantile(plain, 0.99))}`,
      aim: 'below 250 ms',
      met: p99 < 250,
    },
    {
      what: 'start to ready, service / bare node server',
      ratio: times(median(starts.service) / median(starts.bare)),
      absolute: `${ms(median(starts.service))} / ${ms(median(starts.bare))}`,
      aim: 'below 1500 ms',
      met: median(starts.service) < 1500,
    },
    {
      what: 'memory after 10 s idle, service / bare node server',
      ratio: times(idle / bareIdle),
      absolute: `${idle.toFixed(0)} MB / ${bareIdle.toFixed(0)} MB`,
      aim: 'below 150 MB',
      met: idle < 150,
    },
  ];
}

async function measureStart(dir, script, args) {
  const start = performance.now();
  return withProcess(dir, { script, args }, () => performance.now() - start);
}

async function measureIdle(dir, script, args) {
  return withProcess(dir, { script, args }, async (_url, child) => {
    await delay(IDLE_MS);
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024;
  });
}

/** Starts a process, waits until /readyz returns 200, and ends it after `use`. */
async function withProcess(dir, { script, args }, use) {
  const started = startChild(script, { dir, args });
  try {
    const ready = await nextLine(started, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
    while ((await read(ready)).status !== 200) await delay(POLL_MS);
    return await use(ready.replace(/\/readyz$/, ''), started.child);
  } finally {
    await endChild(started);
  }
}

/** Recorded here, stored and served by the service: what a program beside it sees. */
async function measureReadable(dir) {
  return withProcess(dir, { script: '../../dist/cli/main.js', args: ['start'] }, async (url) => {
    const trail = await startTasktrail({ env: settings(dir), cwd: dir });
    const agent = new Agent({ keepAlive: true });
    try {
      const task = startTask({ source: 'bench', message: 'readable' });
      const path = `${url}/api/tasks/${task.id}/logs/agent-output`;
      const readable = [];
      const plain = [];
      for (let line = 0; line < LINES; line += 1) {
        await delay(Math.random() * GAP_MS_MAX);
        const text = `line ${line} `;
        const start = performance.now();
        task.output(text);
        const lastReadMs = await waitFor(path, text, agent);
        readable.push(performance.now() - start);
        plain.push(lastReadMs);
      }
      task.end();
      return { readable, plain };
    } finally {
      agent.destroy();
      await trail.shutdown();
    }
  });
}

/** Polls until the response contains the text. Resolves with the duration of the last request in milliseconds. */
async function waitFor(path, text, agent) {
  const until = performance.now() + READABLE_MS_MAX;
  while (performance.now() < until) {
    const start = performance.now();
    const { body } = await read(path, agent);
    if (body.includes(text)) return performance.now() - start;
    await delay(POLL_MS);
  }
  throw new Error(`a record was not readable after ${READABLE_MS_MAX} ms`);
}

function read(url, agent) {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, body: Buffer.concat(chunks).toString('utf8') }));
    }).on('error', reject);
  });
}
