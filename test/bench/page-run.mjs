import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { recordTask, startTasktrail } from '../../dist/index.js';
import { settings } from './child.mjs';
import { quantile, times } from './figures.mjs';
import { openedMs, pageMemoryMb, withTab } from './page-chromium.mjs';
import { readJson, until, untilIdle, withService } from './page-service.mjs';

/** Fewer for a quick look: `BENCH_LINES=100000 npm run bench -- page`. */
const LINES = Number(process.env.BENCH_LINES ?? 1_000_000);
/** So that the lines are 200 MB in all: an agent that works for some hours. */
const LINE_BYTES = 200;
const PART = 10_000;
const ID = 'task-long';
const RUN_MS = 7_200_000;
const ROUNDS = 5;
const MARKS = 300;
/** Random gaps, so that lines do not synchronize with a timer. */
const GAP_MS_MAX = 100;
const JUMPS = 20;

const USABLE_MS_MAX = 1_000;
const END_MS_MAX = 300;
const MEMORY_MB_MAX = 250;
const LINE_MS_MAX = 300;

/** A long run: while it goes on, and once it is over. */
export async function runRows(dir, chromium) {
  writeRun(dir);
  return withService(dir, async (service) => {
    const trail = await startTasktrail({ env: settings(dir), cwd: dir });
    try {
      const live = await recordTask({ taskId: ID, source: 'bench', message: 'A long run' }, (task) =>
        liveRow(service, chromium, task),
      );
      return [live, ...(await endedRows(service, chromium))];
    } finally {
      await trail.shutdown();
    }
  });
}

async function liveRow({ url, pid }, chromium, task) {
  task.output('the first new line\n');
  await untilStored(url, 'the first new line');
  await untilIdle(pid);
  return withTab(chromium, async (page) => {
    const openMs = await openedMs(page, `${url}/tasks/${ID}`, `[data-line~="${LINES}"]`);
    await page.evaluate(() => globalThis.bench.collectMarks());
    for (let n = 0; n < MARKS; n += 1) {
      await delay(Math.random() * GAP_MS_MAX);
      task.output(`mark ${n} at ${Date.now()}.\n`);
    }
    if (process.env.SHOT) {
      await delay(3000);
      await page.screenshot({ path: '/tmp/pb/shot.png' });
      console.log(await page.evaluate(() => [...globalThis.bench.marks.entries()].length));
    }
    await page.waitForFunction(
      (count) => [...globalThis.bench.marks.values()].filter((ms) => ms !== undefined).length === count,
      MARKS,
    );
    const took = await page.evaluate(() => [...globalThis.bench.marks.values()]);
    const p99 = quantile(took, 0.99);
    return {
      what: `page: a new line of a run of ${megabytes()} MB, p99 / ${LINE_MS_MAX} ms`,
      ratio: times(p99 / LINE_MS_MAX),
      absolute: `p50 ${quantile(took, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, most ${Math.max(...took).toFixed(0)} ms; opened at its end in ${openMs.toFixed(0)} ms`,
      aim: '<= 1x',
      met: p99 <= LINE_MS_MAX,
    };
  });
}

async function endedRows({ url, pid }, chromium) {
  await until(async () => (await readJson(`${url}/api/tasks/${ID}`))?.settled === true, 'the end of the run');
  await untilIdle(pid);
  const [opened, ended, memory] = [[], [], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    await withTab(chromium, async (page) => {
      opened.push(await openedMs(page, `${url}/tasks/${ID}`, '[data-line~="1"]'));
      const last = await lastLine(url);
      await page.evaluate((number) => {
        const { isLineSeen, keyMs } = globalThis.bench;
        globalThis.ended = keyMs(() => isLineSeen(number));
      }, last);
      await page.keyboard.press('End');
      ended.push(await page.evaluate(() => globalThis.ended));
      for (let jump = 0; jump <= JUMPS; jump += 1) {
        await page.evaluate((part) => scrollTo(0, document.body.scrollHeight * part), jump / JUMPS);
        await page.waitForFunction(() => document.querySelector('.page-place') === null);
      }
      memory.push(await pageMemoryMb(page));
    });
  }
  return [
    msRow(`page: first lines of a run of ${megabytes()} MB`, opened, USABLE_MS_MAX),
    msRow('page: from there to its end', ended, END_MS_MAX),
    {
      what: `page: memory behind ${JUMPS} places of it / ${MEMORY_MB_MAX} MB`,
      ratio: times(Math.max(...memory) / MEMORY_MB_MAX),
      absolute: `most ${Math.max(...memory).toFixed(0)} MB`,
      aim: '<= 1x',
      met: Math.max(...memory) <= MEMORY_MB_MAX,
    },
  ];
}

function msRow(what, took, max) {
  const p50 = quantile(took, 0.5);
  return {
    what: `${what}, p50 / ${max} ms`,
    ratio: times(p50 / max),
    absolute: `p50 ${p50.toFixed(0)} ms, most ${Math.max(...took).toFixed(0)} ms`,
    aim: '<= 1x',
    met: p50 <= max,
  };
}

function megabytes() {
  return ((LINES * LINE_BYTES) / 1e6).toFixed(0);
}

async function untilStored(url, word) {
  const path = `${url}/api/tasks/${ID}/logs/agent-output?tail=1`;
  await until(async () => JSON.stringify(await readJson(path))?.includes(word), word);
}

async function lastLine(url) {
  const response = await fetch(`${url}/api/tasks/${ID}/logs/agent-output?before=@1&limit=1`);
  await response.body?.cancel();
  return Number(response.headers.get('task-logs-lines')) - 1;
}

/** What an agent of some hours has left so far: the store goes on behind it. */
export function writeRun(dir) {
  const folder = join(dir, 'logs', ID);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const startMs = Date.now() - RUN_MS;
  const at = (n) => new Date(startMs + (n * RUN_MS) / LINES).toISOString();
  const metadata = { task_id: ID, status: 'queued', created_at: at(0), attempt: 1, workflow_ids: [] };
  writeFileSync(join(folder, 'metadata.json'), `${JSON.stringify(metadata)}\n`);
  const fd = openSync(join(folder, '03-agent-output.jsonl'), 'w');
  for (let from = 0; from < LINES; from += PART) {
    let text = '';
    for (let n = from; n < from + PART && n < LINES; n += 1) text += `${JSON.stringify(lineOf(n, at(n)))}\n`;
    writeSync(fd, text);
  }
  closeSync(fd);
}

/** Of ten lines: a message, two calls with their results, and what a program prints. */
function lineOf(n, timestamp) {
  const common = { timestamp, event_id: `01KDY${String(n).padStart(21, '0')}` };
  const tool_use_id = `call-${n - (n % 10)}-${n % 10 > 2 ? 1 : 0}`;
  const line =
    n % 10 === 0
      ? { ...common, type: 'output', content: `**line ${n}** of \`src/app.ts\`: ` }
      : n % 10 === 1 || n % 10 === 3
        ? {
            ...common,
            type: 'tool_call',
            content: '',
            tool_name: 'Bash',
            tool_use_id,
            tool_input: { command: '' },
          }
        : n % 10 === 2 || n % 10 === 4
          ? { ...common, type: 'tool_result', content: '', tool_use_id, is_error: false }
          : { ...common, type: 'output', content: `line ${n} ` };
  const text = `word${n % 977} `
    .repeat(LINE_BYTES)
    .slice(0, Math.max(0, LINE_BYTES - 2 - JSON.stringify(line).length));
  if (line.type === 'tool_call')
    return { ...line, tool_input: { command: `npm test ${text}`.slice(0, text.length) } };
  return { ...line, content: `${line.content}${text}${n % 10 > 4 ? '\n' : ''}` };
}
