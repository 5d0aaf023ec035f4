import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { trailTokenOf } from '../../dist/model/trail-token.js';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { cpuMsOf } from './core-share.mjs';
import { median, quantile, times } from './figures.mjs';
import { sendAll } from './otlp.mjs';
import { createBodies, RECORDS_A_BODY } from './otlp-bodies.mjs';

/** More for a long look: `BENCH_TASKS=1000000 npm run bench -- warehouse`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 20_000);
const BODIES = 120;
const WARM_UP_BODIES = 40;
const TASKS_A_BODY = 500;
const LINES = 10_000;
const ROUNDS = 40;
const TAIL_LINES = 100;
const SERVICES = [1, 2, 4];

const GROWTH_MIN = 1.6;
const LIST_MS_MAX = 200;
const READ_MS_MAX = 300;
const TAIL_MS_MAX = 1_000;
/** Of the trail: what others send is looked up before it is stored. */
const KEY = randomBytes(32).toString('hex');

const READY_MS_MAX = 15_000;
const INDEX_MS_MAX = 1_800_000;

const QUERIES = [
  ['a list', '?limit=50'],
  ['a list by status', '?status=failed&limit=50'],
  ['a list by cost', '?sort=cost&limit=50'],
  ['a rare word', '?q=word7&limit=50'],
  ['two words and a status', '?q=summary%20word3%20status:failed&limit=50'],
];

/** Records into VictoriaLogs beside files, and what is read from many tasks and from a long one. */
export async function benchWarehouse() {
  const program = await findVictoriaLogs();
  if (program === undefined) return [{ what: 'VictoriaLogs cannot be built here', ratio: '', absolute: '-' }];
  const files = await withTempDir((dir) => writeIntoFiles(dir));
  const stores = [];
  for (const count of SERVICES)
    stores.push(await withTempDir((dir) => withStore(dir, program, count, writeIntoStore)));
  const rows = [writeRow(files, stores[0]), ...growthRows(stores)];
  rows.push(...(await withTempDir((dir) => withStore(dir, program, 1, readRows))));
  return rows;
}

async function findVictoriaLogs() {
  const script = fileURLToPath(new URL('../tools/build.sh', import.meta.url));
  const build = spawn(script, ['victoria-logs'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(build, 'exit');
  let path = '';
  for await (const chunk of build.stdout.setEncoding('utf8')) path += chunk;
  return (await exit)[0] === 0 ? path.trim() : undefined;
}

async function writeIntoFiles(dir) {
  const service = await startService(dir, ['start']);
  try {
    const written = await measureWrite([service], [service.started.child.pid]);
    return { ...written, bytes: (await sizeOf(join(dir, 'logs'))) / written.records };
  } finally {
    await endChild(service.started);
  }
}

async function writeIntoStore({ services, logs, data }) {
  const pids = [logs.pid, ...services.map(({ started }) => started.child.pid)];
  const written = await measureWrite(services, pids);
  // It writes to its disk every five seconds.
  await delay(7_000);
  return { ...written, bytes: (await sizeOf(data)) / written.records };
}

/** `records` and `bytes` count the warm-up too: it is stored with the rest. */
async function measureWrite(services, pids) {
  const agent = new Agent({ keepAlive: true });
  try {
    await sendShared(services, createBodies(0, WARM_UP_BODIES, 'protobuf'), agent);
    const bodies = createBodies(1, BODIES, 'protobuf');
    const [start, cpuBefore] = [performance.now(), await cpuOf(pids)];
    await sendShared(services, bodies, agent);
    const seconds = (performance.now() - start) / 1_000;
    const cpuSeconds = ((await cpuOf(pids)) - cpuBefore) / 1_000;
    const records = BODIES * RECORDS_A_BODY;
    return {
      rate: records / seconds,
      cpuRate: records / cpuSeconds,
      records: (BODIES + WARM_UP_BODIES) * RECORDS_A_BODY,
    };
  } finally {
    agent.destroy();
  }
}

async function sendShared(services, bodies, agent) {
  const shares = services.map((_, index) => bodies.filter((_body, at) => at % services.length === index));
  await Promise.all(
    services.map(({ otlpUrl }, index) =>
      sendAll(shares[index], {
        url: `${otlpUrl}/v1/logs`,
        type: 'application/x-protobuf',
        agent,
        authorization: `Bearer ${trailTokenOf(KEY)}`,
      }),
    ),
  );
}

async function cpuOf(pids) {
  return (await Promise.all(pids.map(cpuMsOf))).reduce((sum, ms) => sum + ms, 0);
}

function writeRow(files, store) {
  return {
    what: 'records per CPU second into VictoriaLogs (both programs) / into files',
    ratio: times(store.cpuRate / files.cpuRate),
    absolute: `${k(store.cpuRate)}/s, ${store.bytes.toFixed(0)} bytes a record / ${k(files.cpuRate)}/s, ${files.bytes.toFixed(0)} bytes`,
  };
}

function growthRows(stores) {
  return stores.slice(1).map((store, index) => {
    const growth = store.rate / stores[index].rate;
    const [before, after] = [SERVICES[index], SERVICES[index + 1]];
    return {
      what: `records per second with ${after} services on one storage / with ${before}`,
      ratio: times(growth),
      absolute: `${k(store.rate)}/s / ${k(stores[index].rate)}/s, sender and storage on the same cores`,
      aim: `at least ${GROWTH_MIN}x until the cores are full`,
      met: growth >= GROWTH_MIN,
    };
  });
}

function k(value) {
  return `${(value / 1_000).toFixed(1)}k`;
}

async function readRows({ services, logs }) {
  const [service] = services;
  const rows = [await tailRow(service), await longTaskRow(service, logs)];
  await writeTasks(service);
  await flush(logs);
  return [...rows, ...(await listRows(service))];
}

/** From the moment at which a line is sent to its event in a stream. */
async function tailRow(service) {
  await sendRecords(service, [outputOf('task-tail', 0)]);
  await waitFor(async () => (await fetch(`${service.url}/api/tasks/task-tail`)).ok);
  const request = get(`${service.url}/api/tasks/task-tail/stream`, { agent: false });
  request.on('error', () => {});
  const [response] = await once(request, 'response');
  const what = 'a record to its event in a stream, p99 / p50';
  if (response.statusCode !== 200) {
    request.destroy();
    return { what, ratio: '', absolute: `answered ${response.statusCode}` };
  }
  response.on('error', () => {});
  let text = '';
  response.setEncoding('utf8').on('data', (piece) => {
    text = (text + piece).slice(-100_000);
  });
  const took = [];
  for (let line = 1; line <= TAIL_LINES; line += 1) {
    await delay(Math.random() * 200);
    const start = performance.now();
    await sendRecords(service, [outputOf('task-tail', line)]);
    await waitFor(async () => text.includes(`line ${line} of task-tail.`), 5);
    took.push(performance.now() - start);
  }
  request.destroy();
  const [p50, p99] = [median(took), quantile(took, 0.99)];
  return {
    what,
    ratio: times(p99 / p50),
    absolute: `p99 ${p99.toFixed(0)} ms / p50 ${p50.toFixed(0)} ms`,
    aim: `p99 below ${TAIL_MS_MAX} ms`,
    met: p99 < TAIL_MS_MAX,
  };
}

async function longTaskRow(service, logs) {
  for (let from = 0; from < LINES; from += TASKS_A_BODY)
    await sendRecords(
      service,
      Array.from({ length: TASKS_A_BODY }, (_, index) => outputOf('task-long', from + index)),
    );
  await flush(logs);
  const [all, ends] = [[], []];
  for (let round = 0; round < ROUNDS / 2; round += 1) {
    all.push(await timed(`${service.url}/api/tasks/task-long/logs/agent-output`));
    ends.push(await timed(`${service.url}/api/tasks/task-long/logs/agent-output?tail=100`));
  }
  const p95 = quantile(all, 0.95);
  return {
    what: `all of a task of ${LINES} lines / its last 100 lines, p95`,
    ratio: times(p95 / quantile(ends, 0.95)),
    absolute: `${p95.toFixed(0)} ms / ${quantile(ends, 0.95).toFixed(0)} ms`,
    aim: `below ${READ_MS_MAX} ms`,
    met: p95 < READ_MS_MAX,
  };
}

async function listRows(service) {
  const startMs = performance.now();
  await fetch(`${service.url}/api/tasks?sort=cost&limit=1`).then((answer) => answer.text());
  await waitFor(
    async () => !(await (await fetch(`${service.url}/readyz`)).text()).includes('being made'),
    250,
    INDEX_MS_MAX,
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const memory = await residentMbOf(service.started.child.pid);
  const rows = [
    {
      what: `tasks per second into the index of a service, of ${TASKS}`,
      ratio: '',
      absolute: `${(TASKS / seconds).toFixed(0)}/s, ${seconds.toFixed(0)} s, ${memory.toFixed(0)} MB with the index`,
    },
  ];
  const bare = [];
  for (let round = 0; round < ROUNDS; round += 1) bare.push(await timed(`${service.url}/healthz`));
  for (const [what, query] of QUERIES) {
    const took = [];
    for (let round = 0; round < ROUNDS; round += 1)
      took.push(await timed(`${service.url}/api/tasks${query}`));
    const p95 = quantile(took, 0.95);
    rows.push({
      what: `${what} of ${TASKS} tasks in VictoriaLogs, p95 / a request that reads nothing`,
      ratio: times(p95 / quantile(bare, 0.95)),
      absolute: `p50 ${median(took).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms / ${quantile(bare, 0.95).toFixed(1)} ms`,
      aim: `below ${LIST_MS_MAX} ms`,
      met: p95 < LIST_MS_MAX,
    });
  }
  return rows;
}

async function writeTasks(service) {
  for (let from = 0; from < TASKS; from += TASKS_A_BODY) {
    const count = Math.min(TASKS_A_BODY, TASKS - from);
    await sendRecords(service, Array.from({ length: count }, (_, index) => taskOf(from + index)).flat());
  }
}

function taskOf(number) {
  const status = number % 20 === 0 ? 'failed' : 'completed';
  const created = FIRST_MS + number * 1_000;
  const task = (step, eventName, body) => ({
    ...record(`task-${number}`, `${number}${step}`.padStart(22, '0'), created + step),
    eventName,
    body,
  });
  return [
    task(0, 'tasktrail.task.metadata', {
      ...{ source: 'bench', assigned_agent: number % 3 === 0 ? 'codex' : 'claude', status: 'running' },
      created_at: new Date(created).toISOString(),
    }),
    task(1, 'tasktrail.task.input', {
      message: `word${number % 5_000} of a summary ${number}`,
      source_metadata: {},
    }),
    task(2, 'tasktrail.task.result', {
      ...{ success: status === 'completed', status, result: 'done', error: null },
      metrics: { cost_usd: (number % 1_000) / 100 },
    }),
  ];
}

const FIRST_MS = 1_750_000_000_000;

function outputOf(taskId, number) {
  return {
    ...record(taskId, `9${String(number).padStart(21, '0')}`, FIRST_MS + number),
    eventName: 'tasktrail.agent.output',
    body: `line ${number} of ${taskId}. ${'the quick brown fox goes on; '.repeat(5)}`,
  };
}

function record(taskId, number, ms) {
  return {
    timeUnixNano: `${ms}000000`,
    attributes: [
      { key: 'tasktrail.event.id', value: { stringValue: `01JY${number}` } },
      { key: 'tasktrail.task.id', value: { stringValue: taskId } },
    ],
  };
}

async function sendRecords({ otlpUrl }, records) {
  const logRecords = records.map((one) => ({ ...one, body: anyValue(one.body) }));
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${trailTokenOf(KEY)}` };
  const answer = await fetch(`${otlpUrl}/v1/logs`, { method: 'POST', headers, body });
  const text = await answer.text();
  if (answer.status !== 200 || text.length > 2) throw new Error(`answered ${answer.status}: ${text}`);
}

function anyValue(value) {
  if (value === null) return {};
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return { doubleValue: value };
  if (typeof value === 'string') return { stringValue: value };
  const values = Object.entries(value).map(([key, one]) => ({ key, value: anyValue(one) }));
  return { kvlistValue: { values } };
}

/** A VictoriaLogs and this number of services over it. */
async function withStore(dir, program, count, use) {
  const data = join(dir, 'data');
  const port = await freePort();
  const args = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=100y'];
  const child = spawn(program, args, { stdio: 'ignore' });
  const logs = { pid: child.pid, url: `http://127.0.0.1:${port}` };
  const services = [];
  try {
    await waitFor(async () => (await fetch(`${logs.url}/health`)).ok);
    for (let number = 0; number < count; number += 1)
      services.push(await startService(dir, ['serve', '--store', `victorialogs://127.0.0.1:${port}`]));
    return await use({ services, logs, data });
  } finally {
    await Promise.all(services.map(({ started }) => endChild(started)));
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  }
}

async function startService(dir, args) {
  const started = startChild('../../dist/cli/main.js', {
    ...{ dir, args, env: settings(dir, { TASK_LOGS_KEY: KEY }), msMax: 2 * INDEX_MS_MAX },
  });
  const seen = {};
  await nextLine(started, (line) => {
    const [, name, url] = /^\s+(health|OTLP)\s+(http:\S+)/.exec(line) ?? [];
    if (name !== undefined) seen[name] = url;
    return seen.health !== undefined && seen.OTLP !== undefined ? seen : undefined;
  });
  return { started, url: seen.health.replace(/\/readyz$/, ''), otlpUrl: seen.OTLP };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Makes visible, and writes to the disk. */
async function flush({ url }) {
  await fetch(`${url}/internal/force_flush`);
}

async function sizeOf(path) {
  let bytes = 0;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  return bytes;
}

async function residentMbOf(pid) {
  return Number(/VmRSS:\s*(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

async function timed(url) {
  const start = performance.now();
  const answer = await fetch(url);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 300)}`);
  return performance.now() - start;
}

async function waitFor(check, everyMs = 20, withinMs = READY_MS_MAX) {
  const until = performance.now() + withinMs;
  while (!(await check().catch(() => false))) {
    if (performance.now() > until) throw new Error('it did not happen in time');
    await delay(everyMs);
  }
}
