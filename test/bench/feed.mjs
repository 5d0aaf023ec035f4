import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startTasktrail, startWorkflow } from '../../dist/index.js';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { median, quantile, times } from './figures.mjs';

const EVENTS = 150;
const EMITS = 40;
const MANY = 3_000;
/** Random gaps, so that events do not synchronize with the poll interval of the sender. */
const GAP_MS_MAX = 80;
const POLL_MS = 2;
const WAIT_MS_MAX = 30_000;
const LATENCY_MS_MAX = 250;

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Delay from an event to its appearance in `GET /api/events`, and events per second. */
export async function benchFeed() {
  return withTempDir(async (dir) => {
    const service = startChild('../../dist/cli/main.js', { dir, args: ['start'] });
    try {
      const ready = await nextLine(service, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
      const feed = new Feed(`${ready.replace(/\/readyz$/, '')}/api/events`);
      const trail = await startTasktrail({ env: settings(dir), cwd: dir });
      try {
        return [...(await latencies(feed, dir)), await throughput(feed, dir)];
      } finally {
        await trail.shutdown();
      }
    } finally {
      await endChild(service);
    }
  });
}

async function latencies(feed, dir) {
  const asked = [];
  for (let index = 0; index < 20; index += 1) asked.push(await timed(() => feed.poll()));
  const workflow = startWorkflow('bench');
  const recorded = [];
  for (let index = 0; index < EVENTS; index += 1) {
    await delay(Math.random() * GAP_MS_MAX);
    recorded.push(await timed(() => decide(workflow, feed, `decision ${index} `)));
  }
  const emitted = [];
  for (let index = 0; index < EMITS; index += 1) {
    const text = `emitted ${index} `;
    await emit(dir, workflow.id, text);
    emitted.push(await timed(() => feed.waitFor(text)));
  }
  workflow.end();
  const row = (what, values) => {
    const p99 = quantile(values, 0.99);
    return {
      what,
      ratio: times(p99 / quantile(asked, 0.99)),
      absolute: `p50 ${median(values).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms / ${quantile(asked, 0.99).toFixed(0)} ms`,
      aim: `p99 below ${LATENCY_MS_MAX} ms`,
      met: p99 < LATENCY_MS_MAX,
    };
  };
  return [
    row('an event recorded to the feed over REST, p99 / one GET, p99', recorded),
    row('the end of an emit to the feed over REST, p99 / one GET, p99', emitted),
  ];
}

/** Events through journal, socket, fold and files, compared to appending the same number of lines to a file. */
async function throughput(feed, dir) {
  const workflow = startWorkflow('bench-many');
  const tookMs = await timed(async () => {
    for (let index = 0; index < MANY; index += 1) {
      workflow.decision({ decision: `many ${index} ` });
      // An orchestrator is not a tight loop, and all events of one tick become a single write.
      if (index % 10 === 9) await delay(0);
    }
    await feed.waitFor(`many ${MANY - 1} `);
  });
  workflow.end();
  const plainMs = await timed(async () => {
    const path = join(dir, 'plain.jsonl');
    for (let index = 0; index < MANY; index += 1) {
      appendFileSync(path, `${JSON.stringify({ index, payload: { decision: `many ${index} ` } })}\n`);
    }
  });
  const rate = (ms) => `${((MANY * 1000) / ms).toFixed(0)}/s`;
  return {
    what: `${MANY} events of one process, recorded to the feed / appended as lines`,
    ratio: times(tookMs / plainMs),
    absolute: `${rate(tookMs)} / ${rate(plainMs)}`,
  };
}

async function decide(workflow, feed, text) {
  workflow.decision({ decision: text });
  await feed.waitFor(text);
}

async function emit(dir, workflowId, text) {
  const args = [MAIN, 'emit', 'decision_point', workflowId, JSON.stringify({ decision: text })];
  const child = spawn(process.execPath, args, { cwd: dir, env: settings(dir), stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`emit ended with ${code}`);
}

async function timed(fn) {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

/** A consumer that polls the feed. */
class Feed {
  #url;
  #cursor;

  constructor(url) {
    this.#url = url;
  }

  async poll() {
    const query = this.#cursor === undefined ? '' : `&after=${this.#cursor}`;
    const response = await fetch(`${this.#url}?limit=1000${query}`);
    const { items, next_cursor: next } = await response.json();
    this.#cursor = next;
    return items;
  }

  async waitFor(text) {
    const until = performance.now() + WAIT_MS_MAX;
    while (performance.now() < until) {
      const items = await this.poll();
      if (items.some(({ payload }) => payload.decision === text)) return;
      await delay(POLL_MS);
    }
    throw new Error(`${text} was not in the feed after ${WAIT_MS_MAX} ms`);
  }
}
