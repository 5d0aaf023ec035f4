import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { recordTask, startTasktrail } from '../../dist/index.js';
import { settings } from './child.mjs';
import { quantile, times } from './figures.mjs';
import { writeLongRun } from './long-run.mjs';
import { openedMs, pageMemoryMb, withTab } from './page-chromium.mjs';
import { readJson, until, untilIdle, withService } from './page-service.mjs';

/** Fewer for a quick look: `BENCH_LINES=100000 npm run bench -- page`. */
const LINES = Number(process.env.BENCH_LINES ?? 1_000_000);
/** So that the lines are 200 MB in all: an agent that works for some hours. */
const LINE_BYTES = 200;
const ID = 'task-long';
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
  // What an agent of some hours has left so far: the store goes on behind it.
  writeLongRun(join(dir, 'logs'), {
    id: ID,
    lines: LINES,
    lineBytes: LINE_BYTES,
    metadata: { status: 'queued' },
  });
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
