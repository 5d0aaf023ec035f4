import { statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { loadDriver } from '../../dist/search/index/driver/load-driver.js';
import { IndexKeeper } from '../../dist/search/index/index-keeper.js';
import { listByIndex } from '../../dist/search/list/index-list.js';
import { createTaskLists } from '../../dist/search/list/task-lists.js';
import { countByIndex, createTaskStats } from '../../dist/search/stats/task-stats.js';
import { createBlockingSource } from '../../dist/store/read/blocking-source.js';
import { withTempDir } from './child.mjs';
import { quantile, times } from './figures.mjs';
import { writeTasks } from './indexed-tasks.mjs';

/** Fewer for a quick look: `BENCH_TASKS=10000 npm run bench -- search`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 100_000);
const ROUNDS = 40;

const ANSWER_MS_MAX = 50;
const SHARE_MAX = 0.05;
const TASKS_A_SECOND_MIN = 1_500;

/** Queries, and how many of 100 tasks match them. */
const QUERIES = [
  ['a list', {}],
  ['a list by status', { status: 'failed' }],
  ['a list by repo and cost', { repo: 'acme/shop3', cost_min: 0.5 }],
  ['a list by cost', { sort: 'cost' }],
  ['a rare word', { q: 'word40000' }],
  ['a common word', { q: 'word3' }],
  ['two words and a status', { q: 'word30 word200 status:failed' }],
  ['a phrase', { q: '"word3 word3"' }],
];

export async function benchSearch() {
  const rows = [];
  for (const name of ['node:sqlite', 'node-sqlite3-wasm']) {
    const driver = await loadDriver(name);
    if (driver === undefined) continue;
    rows.push(...(await withTempDir((dir) => benchDriver(dir, driver))));
  }
  return rows;
}

async function benchDriver(dir, driver) {
  const bytes = writeTasks(dir, TASKS);
  const files = createBlockingSource(dir, join(dir, '_workflow'));
  const keeper = new IndexKeeper({ logDir: dir, files, driver });
  const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
  keeper.start();
  while (!keeper.state.isComplete) await keeper.settle(1_000);
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(startCpu);
  // Its words are put together in steps, between which it answers.
  while (!keeper.state.isMerged) await delay(50);
  const cpuMs = (user + system) / 1_000 / TASKS;
  const size = statSync(join(dir, '_index.sqlite')).size;
  const lists = createTaskLists({
    files,
    askIndex: (request) => listByIndex((read) => keeper.use(read), files, request),
  });
  const stats = createTaskStats({
    files,
    askIndex: (request) => countByIndex((read) => keeper.use(read), files, request),
  });
  const rows = [
    {
      what: `${driver.name}: ${TASKS} tasks indexed / ${TASKS_A_SECOND_MIN} a second`,
      ratio: times(TASKS / seconds / TASKS_A_SECOND_MIN),
      absolute: `${(TASKS / seconds).toFixed(0)}/s, ${cpuMs.toFixed(2)} ms of CPU each`,
      aim: '>= 1x',
      met: TASKS / seconds >= TASKS_A_SECOND_MIN,
    },
    {
      what: `${driver.name}: size of the index / the files (${(bytes / TASKS / 1_000).toFixed(1)} KB a task)`,
      ratio: `${((100 * size) / bytes).toFixed(1)} %`,
      absolute: `${(size / 1_000_000).toFixed(0)} MB`,
      aim: `<= ${100 * SHARE_MAX} %`,
      met: size / bytes <= SHARE_MAX,
    },
  ];
  for (const [what, query] of QUERIES)
    rows.push(await timeRow(`${driver.name}: ${what}`, () => lists({ limit: 50, ...query }), ANSWER_MS_MAX));
  rows.push(
    await timeRow(
      `${driver.name}: numbers by day and agent`,
      () => stats({ groupBy: ['day', 'agent'] }),
      1_000,
    ),
  );
  await keeper.close();
  return rows;
}

async function timeRow(what, ask, max) {
  await ask();
  const took = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = performance.now();
    await ask();
    took.push(performance.now() - from);
  }
  const p95 = quantile(took, 0.95);
  return {
    what: `${what}, p95 / ${max} ms`,
    ratio: times(p95 / max),
    absolute: `p50 ${quantile(took, 0.5).toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`,
    aim: '<= 1x',
    met: p95 <= max,
  };
}
