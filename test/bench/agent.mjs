import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { quantile, times } from './figures.mjs';

const LINES = 300;
/** Random gaps, so that lines do not synchronize with the poll intervals of the worker and the sender. */
const GAPS_MS = '5-80';
const POLL_MS = 2;
const RUN_MS_MAX = 60_000;
const DELAY_MS_MAX = 300;

const AGENTS = 20;
const LINES_A_SECOND = 100;
const IDLE_MS = 5_000;
/** Until the JIT has compiled the code and all agents have started. */
const WARM_UP_MS = 3_000;
const BUSY_MS = 10_000;
/** Additional run time, because agents start one after another and the first must outlast the measurement. */
const SPREAD_MS = 7_000;
const SHARE_MAX = 0.1;

const AGENT = fileURLToPath(new URL('paced-agent.mjs', import.meta.url));

/** Following agents: delay until a line is readable, and CPU time of the worker. */
export async function benchAgent() {
  return [...(await withTempDir(benchDelay)), await withTempDir(benchOverhead)];
}

/**
 * Delay from the agent's timestamp, taken just before it writes a line, to the REST response that contains the line. The
 * path is file, worker, journal, receiver, store. The service with its defaults runs the agent, and a reader polls
 * continuously. The baseline is the duration of one GET.
 */
async function benchDelay(dir) {
  const env = settings(dir, {
    TASK_LOGS_AGENT_COMMAND: `"${process.execPath}" "${AGENT}" ${LINES} ${GAPS_MS}`,
    TASK_LOGS_AGENT_DIALECT: 'claude',
  });
  const service = startChild('../../dist/cli/main.js', { dir, env, args: ['start'] });
  try {
    const ready = await nextLine(service, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
    const { delays, asked } = await watchRun(ready.replace(/\/readyz$/, ''));
    const row = (share, aim) => {
      const [late, one] = [quantile(delays, share), quantile(asked, share)];
      return {
        what: `line of an agent to readable over REST, p${share * 100} / one GET, p${share * 100}`,
        ratio: times(late / one),
        absolute: `${late.toFixed(0)} ms / ${one.toFixed(1)} ms`,
        ...(aim !== undefined && { aim: `below ${aim} ms`, met: late < aim }),
      };
    };
    return [row(0.5), row(0.99, DELAY_MS_MAX)];
  } finally {
    await endChild(service);
  }
}

async function watchRun(url) {
  const body = JSON.stringify({ message: 'print' });
  const headers = { 'content-type': 'application/json' };
  const created = await fetch(`${url}/api/tasks`, { method: 'POST', headers, body });
  const {
    task_ids: [taskId],
  } = await created.json();
  const delays = new Map();
  const asked = [];
  const until = performance.now() + RUN_MS_MAX;
  while (delays.size < LINES) {
    if (performance.now() > until) throw new Error(`${delays.size} of ${LINES} lines were readable`);
    const start = performance.now();
    const response = await fetch(`${url}/api/tasks/${taskId}/logs/agent-output`);
    const text = await response.text();
    const now = Date.now();
    asked.push(performance.now() - start);
    for (const [, number, writtenMs] of text.matchAll(/line (\d+) at (\d+);/g)) {
      if (!delays.has(number)) delays.set(number, now - Number(writtenMs));
    }
    await delay(POLL_MS);
  }
  return { delays: [...delays.values()], asked };
}

/**
 * CPU time of a worker while its agents print, minus its idle CPU time: reading, parsing, recording and sending. It does not
 * include starting and ending agents, or the work of the holder, which is another process. The baseline is a process that
 * reads the files of the same agents and parses each line.
 */
async function benchOverhead(dir) {
  const lines = (LINES_A_SECOND * (WARM_UP_MS + BUSY_MS + SPREAD_MS)) / 1000;
  const command = [process.execPath, AGENT, String(lines), String(1000 / LINES_A_SECOND)];
  const request = { command, agents: AGENTS, idleMs: IDLE_MS, warmUpMs: WARM_UP_MS, busyMs: BUSY_MS };
  const tail = await measure('agent-tail-process.mjs', dir, request);
  const holder = startChild('otlp-holder-process.mjs', { dir });
  let worker;
  try {
    await nextLine(holder, (line) => line);
    worker = await measure('agent-worker-process.mjs', dir, request);
  } finally {
    await endChild(holder);
  }
  // Each agent also prints an init line and a result line.
  await checkStored(join(dir, 'logs'), AGENTS * (lines + 2));
  const [share, least] = [worker, tail].map(({ busy, idle }) => busy - idle);
  const percent = (value) => `${(value * 100).toFixed(1)} %`;
  return {
    what: `worker of ${AGENTS} agents at ${LINES_A_SECOND} lines/s / reading and parsing their files`,
    ratio: times(share / least),
    absolute: `${percent(share)} of a core / ${percent(least)}`,
    aim: `below ${percent(SHARE_MAX)}`,
    met: share < SHARE_MAX,
  };
}

async function measure(script, dir, request) {
  const process = startChild(script, { dir });
  try {
    return await ask(process, request);
  } finally {
    await endChild(process);
  }
}

/** Throws if lines are missing: the figure would measure less work. */
async function checkStored(logDir, expected) {
  let lines = 0;
  for (const name of await readdir(logDir)) {
    if (!name.startsWith('task-')) continue;
    lines += (await readFile(join(logDir, name, '03-agent-output.jsonl'), 'utf8')).split('\n').length - 1;
  }
  if (lines !== expected) throw new Error(`${lines} of ${expected} lines of agents were stored`);
}
