import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { recordTask, startTasktrail } from '../../dist/index.js';
import { compressTask } from '../../dist/store/compress.js';
import { refreshOffsets } from '../../dist/store/places/offsets-file.js';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { median, quantile, times } from './figures.mjs';

const LINES = 1_000_000;
const LINE_BYTES = 200;
const WINDOWS = 60;
const WINDOW_MS_MAX = 100;
const MEMORY_MB_MAX = 50;
const READERS = 500;
const SENT = 100;
/** Random gaps, so that lines do not synchronize with a timer. */
const GAP_MS_MAX = 100;
const LATENCY_MS_MAX = 200;
const WAIT_MS_MAX = 60_000;

/** Windows of a large flow, plain and gzipped, and the delay of a line to many readers of its task. */
export async function benchStream() {
  return withTempDir(async (dir) => {
    const path = writeLargeTask(dir);
    await refreshOffsets(path);
    const rows = await windows(dir, 'plain');
    await compressTask(join(dir, 'logs', 'task-large'));
    await refreshOffsets(path);
    rows.push(...(await windows(dir, 'gzipped')));
    rmSync(join(dir, 'logs', 'task-large'), { recursive: true });
    rows.push(...(await latencies(dir)));
    return rows;
  });
}

function writeLargeTask(dir) {
  const folder = join(dir, 'logs', 'task-large');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, '03-agent-output.jsonl');
  const fd = openSync(path, 'w');
  for (let from = 0; from < LINES; from += 10_000) {
    let text = '';
    for (let n = from; n < from + 10_000; n += 1) {
      const id = idOf(n);
      const line = { timestamp: '2026-01-02T03:04:05.000Z', type: 'output', content: `${n} `, event_id: id };
      const room = LINE_BYTES - 1 - JSON.stringify(line).length;
      text += `${JSON.stringify({ ...line, content: `${n} `.padEnd(room, `word${n % 977} `) })}\n`;
    }
    writeSync(fd, text);
  }
  closeSync(fd);
  // A task whose lines are not older than its metadata is recovered at each start, and its files are rewritten meanwhile.
  utimesSync(path, ...Array(2).fill(new Date(Date.now() - 60_000)));
  writeFileSync(
    join(folder, 'metadata.json'),
    `${JSON.stringify({ task_id: 'task-large', status: 'completed', settled: true, created_at: '2026-01-02T03:04:05.000Z' })}\n`,
  );
  return path;
}

function idOf(n) {
  return `01KDY${String(n).padStart(21, '0')}`;
}

async function windows(dir, form) {
  const service = await start(dir);
  try {
    const base = `${service.url}/api/tasks/task-large/logs/agent-output`;
    // A request that reads nothing of the file.
    const bare = [];
    for (let index = 0; index < 20; index += 1) bare.push(await timed(() => text(`${service.url}/healthz`)));
    const before = memoryOf(service.pid);
    const first = await timed(() => text(`${base}?after=${idOf(LINES / 2)}&limit=100`));
    const took = [];
    for (let index = 0; index < WINDOWS; index += 1) {
      const at = idOf(Math.floor(Math.random() * LINES));
      const query = ['tail=100', `after=${at}&limit=100`, `before=${at}&limit=100`][index % 3];
      took.push(await timed(() => text(`${base}?${query}`)));
    }
    const grown = memoryOf(service.pid) - before;
    const most = Math.max(...took);
    return [
      {
        what: `first window of ${(LINES * LINE_BYTES) / 1e6} MB (${form}) / a request without a file`,
        ratio: times(first / median(bare)),
        absolute: `${first.toFixed(0)} ms / ${median(bare).toFixed(1)} ms`,
        aim: `below ${WINDOW_MS_MAX} ms`,
        met: first < WINDOW_MS_MAX,
      },
      {
        what: `any window of it (${form}), slowest / a request without a file`,
        ratio: times(most / median(bare)),
        absolute: `p50 ${median(took).toFixed(0)} ms, most ${most.toFixed(0)} ms, ${grown.toFixed(0)} MB more`,
        aim: `below ${WINDOW_MS_MAX} ms and ${MEMORY_MB_MAX} MB`,
        met: most < WINDOW_MS_MAX && grown < MEMORY_MB_MAX,
      },
    ];
  } finally {
    await endChild(service.started);
  }
}

async function latencies(dir) {
  const service = await start(dir);
  const trail = await startTasktrail({ env: settings(dir), cwd: dir });
  try {
    const alone = await followedBy(service.url, 1);
    const many = await followedBy(service.url, READERS);
    const p99 = quantile(many, 0.99);
    return [
      {
        what: `a recorded line to the last of ${READERS} readers / to one reader, p99`,
        ratio: times(p99 / quantile(alone, 0.99)),
        absolute: `p50 ${median(many).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms / ${quantile(alone, 0.99).toFixed(0)} ms`,
        aim: `p99 below ${LATENCY_MS_MAX} ms`,
        met: p99 < LATENCY_MS_MAX,
      },
    ];
  } finally {
    await trail.shutdown();
    await endChild(service.started);
  }
}

/** Milliseconds from a line to the last of its readers. */
async function followedBy(url, count) {
  return recordTask({ source: 'bench', message: 'm' }, async (task) => {
    await until(async () => (await fetch(`${url}/api/tasks/${task.id}`)).ok);
    const readers = await Promise.all(Array.from({ length: count }, () => open(url, task.id)));
    const took = [];
    for (let index = 0; index < SENT; index += 1) {
      await delay(Math.random() * GAP_MS_MAX);
      const mark = `line ${index} of ${count}.`;
      const start = performance.now();
      const got = readers.map((reader) => reader.waitFor(mark));
      task.output(`${mark}\n`);
      await Promise.all(got);
      took.push(performance.now() - start);
    }
    for (const reader of readers) reader.close();
    return took;
  });
}

async function open(url, taskId) {
  const request = get(`${url}/api/tasks/${taskId}/stream`, { agent: false });
  request.on('error', () => {});
  const [response] = await once(request, 'response');
  response.setEncoding('utf8');
  response.on('error', () => {});
  const waiting = new Map();
  response.on('data', (piece) => {
    for (const [mark, resolve] of waiting) {
      if (!piece.includes(mark)) continue;
      waiting.delete(mark);
      resolve();
    }
  });
  return {
    waitFor: (mark) => new Promise((resolve) => waiting.set(mark, resolve)),
    close: () => request.destroy(),
  };
}

async function start(dir) {
  const started = startChild('../../dist/cli/main.js', { dir, args: ['start'] });
  const ready = await nextLine(started, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
  return { started, pid: started.child.pid, url: ready.replace(/\/readyz$/, '') };
}

function memoryOf(pid) {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

async function text(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}

async function timed(fn) {
  const from = performance.now();
  await fn();
  return performance.now() - from;
}

async function until(check) {
  const end = performance.now() + WAIT_MS_MAX;
  while (!(await check())) {
    if (performance.now() > end) throw new Error('timed out');
    await delay(20);
  }
}
