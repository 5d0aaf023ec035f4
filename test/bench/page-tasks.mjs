import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { quantile, times } from './figures.mjs';
import { writeTasks } from './indexed-tasks.mjs';
import { openedMs, pageMemoryMb, withTab } from './page-chromium.mjs';
import { readJson, untilIdle, withService } from './page-service.mjs';

/** Fewer for a quick look: `BENCH_TASKS=10000 npm run bench -- page`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 100_000);
const ROUNDS = 5;
const LIST_MS_MAX = 500;
const ROW = '.task-rows .task-row';

/** The first list of many tasks, in a browser that has nothing of the page yet. */
export async function listRows(dir, chromium) {
  const logs = join(dir, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  writeTasks(logs, TASKS, { isShort: true });
  return withService(dir, (service) => measureList(service, chromium));
}

export async function measureList({ url, pid }, chromium) {
  // The first search begins the index.
  await readJson(`${url}/api/tasks?limit=1`);
  await untilIdle(pid);
  const took = [];
  const memory = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await withTab(chromium, async (page) => {
      took.push(await openedMs(page, url, ROW));
      await page.waitForSelector('.facet');
      memory.push(await pageMemoryMb(page));
    });
    await untilIdle(pid);
  }
  const p50 = quantile(took, 0.5);
  return [
    {
      what: `page: first list of ${TASKS} tasks, p50 / ${LIST_MS_MAX} ms`,
      ratio: times(p50 / LIST_MS_MAX),
      absolute: `p50 ${p50.toFixed(0)} ms, most ${Math.max(...took).toFixed(0)} ms, ${quantile(memory, 0.5).toFixed(0)} MB`,
      aim: '<= 1x',
      met: p50 <= LIST_MS_MAX,
    },
  ];
}
