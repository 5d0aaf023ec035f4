import { mkdirSync, statSync, writeFileSync } from 'node:fs';
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

/** Fewer for a quick look: `BENCH_TASKS=10000 npm run bench -- search`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 100_000);
const LINES = 10;
const WORDS_A_LINE = 160;
const VOCABULARY = 50_000;
/**
 * Different words of a task, out of 1,600: agents' streams of 15 to 19 KB have 520 to 550 (Claude Code, with tool calls). Each task
 * has its own ones.
 */
const WORDS_A_TASK = 700;
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
  const bytes = writeTasks(dir);
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

/** Returns the bytes of all files. */
function writeTasks(dir) {
  const next = randomNumbers(1);
  let bytes = 0;
  for (let n = 0; n < TASKS; n += 1) {
    const id = `task-${String(n).padStart(8, '0')}`;
    const folder = join(dir, id);
    mkdirSync(folder);
    const put = (name, text) => {
      writeFileSync(join(folder, name), text);
      bytes += Buffer.byteLength(text);
    };
    const at = new Date(Date.UTC(2026, 0, 1) + n * 25_000).toISOString();
    const topic = Array.from({ length: WORDS_A_TASK }, () => `word${Math.floor(VOCABULARY ** next())}`);
    const isFailed = n % 20 === 0;
    putDerived(put, id, at);
    put(
      '01-input.json',
      json({ message: words(next, topic, 12), source_metadata: { repo: `acme/shop${n % 50}` } }),
    );
    const lines = Array.from({ length: LINES }, (_, index) =>
      json({
        timestamp: at,
        type: index === 3 ? 'tool_call' : 'output',
        content: words(next, topic, WORDS_A_LINE),
        ...(index === 3 && { tool_name: 'Bash', tool_input: { command: `npm test ${n}` } }),
        event_id: `${id}-${index}`,
      }),
    );
    put('03-agent-output.jsonl', lines.join(''));
    const metrics = {
      cost_usd: next(),
      input_tokens: 1_000 + n,
      output_tokens: n % 900,
      duration_seconds: 90 * next(),
    };
    put(
      '04-final-result.json',
      json({ success: !isFailed, result: 'done', error: null, metrics, completed_at: at }),
    );
    put(
      'metadata.json',
      json({
        task_id: id,
        source: 'webhook',
        provider: 'github',
        created_at: at,
        status: isFailed ? 'failed' : 'completed',
        assigned_agent: `agent${n % 3}`,
        model: 'opus',
        attempt: 1,
        workflow_ids: [],
        settled: true,
      }),
    );
  }
  return bytes;
}

/** Few words are common and most are rare, as in texts. */
function words(next, topic, count) {
  return Array.from({ length: count }, () => topic[Math.floor(topic.length ** next()) - 1]).join(' ');
}

/** What the store keeps beside the texts: facts, spans and the manifest, of the sizes that a run of one command has. */
function putDerived(put, id, at) {
  const fact = (kind) =>
    json({ timestamp: at, event_id: `${id}-${kind}`, kind, attempt: 1, body: 'x'.repeat(500) });
  put('facts.jsonl', ['metadata', 'input', 'started', 'result'].map(fact).join(''));
  put(
    'trace.jsonl',
    json({
      resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'process', attributes: 'x'.repeat(1_500) }] }] }],
    }),
  );
  put('manifest.json', json({ files: 'x'.repeat(900) }));
}

function json(value) {
  return `${JSON.stringify(value)}\n`;
}

/** The same numbers in each run, from 0 to 1 (mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
