import { once } from 'node:events';
import { get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { residentMbOf } from './child.mjs';
import { median, quantile, times } from './figures.mjs';
import { fillLines, fillTasks, lineId } from './warehouse-rows.mjs';
import { AUTHORIZATION, addressOf, flush, INDEX_MS_MAX, waitFor } from './warehouse-store.mjs';

/** More for a long look: `BENCH_PART=read BENCH_TASKS=1000000 BENCH_LINES=1000000 npm run bench -- warehouse`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 20_000);
const HUGE_LINES = Number(process.env.BENCH_LINES ?? 100_000);
const LINES = 10_000;
const ROUNDS = 40;
const TAIL_LINES = 100;

const LIST_MS_MAX = 200;
const READ_MS_MAX = 300;
const TAIL_MS_MAX = 1_000;

const QUERIES = [
  ['a list', '?limit=50'],
  ['a list by status', '?status=failed&limit=50'],
  ['a list by cost', '?sort=cost&limit=50'],
  ['a rare word', '?q=word7&limit=50'],
  ['a word of outputs', '?q=name7&limit=50'],
  ['two words and a status', '?q=summary%20word3%20status:failed&limit=50'],
];

export async function readRows({ services, logs }) {
  const [service] = services;
  const rows = [await tailRow(service), await longTaskRow(service, logs)];
  rows.push(...(await hugeTaskRows(service, logs)));
  await fillTasks(addressOf(logs), TASKS);
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
  await fillLines(addressOf(logs), 'task-long', LINES);
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

/** Windows of one task, which is never in memory as a whole. */
async function hugeTaskRows(service, logs) {
  await fillLines(addressOf(logs), 'task-huge', HUGE_LINES);
  await flush(logs);
  const before = await residentMbOf(service.started.child.pid);
  const url = `${service.url}/api/tasks/task-huge/logs/agent-output`;
  const middle = lineId('task-huge', Math.floor(HUGE_LINES / 2));
  const windows = [
    ['first', '?limit=100'],
    ['last', '?tail=100'],
    ['behind an id', `?after=${middle}&limit=100`],
  ];
  const rows = [];
  for (const [what, query] of windows) {
    const took = [];
    for (let round = 0; round < ROUNDS / 2; round += 1) took.push(await timed(url + query));
    rows.push({
      what: `100 lines of a task of ${HUGE_LINES}: ${what}`,
      ratio: '',
      absolute: `p50 ${median(took).toFixed(0)} ms, p95 ${quantile(took, 0.95).toFixed(0)} ms`,
    });
  }
  const { lines, seconds, most } = await readAll(url, service.started.child.pid);
  if (lines !== HUGE_LINES) throw new Error(`${lines} lines of ${HUGE_LINES}`);
  rows.push({
    what: `all of a task of ${HUGE_LINES} lines`,
    ratio: '',
    absolute: `${seconds.toFixed(1)} s, the service has ${most.toFixed(0)} MB at the most, ${before.toFixed(0)} MB before`,
  });
  return rows;
}

async function readAll(url, pid) {
  const startMs = performance.now();
  const answer = await fetch(url);
  const mark = '"event_id":';
  let [lines, most, rest] = [0, 0, ''];
  for await (const piece of answer.body) {
    const parts = (rest + Buffer.from(piece).toString('latin1')).split(mark);
    lines += parts.length - 1;
    // It may end within the next one.
    rest = parts.at(-1).slice(1 - mark.length);
    most = Math.max(most, await residentMbOf(pid));
  }
  return { lines, most, seconds: (performance.now() - startMs) / 1_000 };
}

async function listRows(service) {
  const isBeingMade = async () =>
    (await (await fetch(`${service.url}/readyz`)).text()).includes('being made');
  const startMs = performance.now();
  const first = fetch(`${service.url}/api/tasks?sort=cost&limit=1`).then((answer) => answer.text());
  await waitFor(isBeingMade).catch(() => {});
  await waitFor(async () => !(await isBeingMade()), 250, INDEX_MS_MAX);
  const seconds = (performance.now() - startMs) / 1_000;
  await first.catch(() => {});
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

function outputOf(taskId, number) {
  return {
    timeUnixNano: `${FIRST_MS + number}000000`,
    attributes: [
      { key: 'tasktrail.event.id', value: { stringValue: lineId(taskId, number) } },
      { key: 'tasktrail.task.id', value: { stringValue: taskId } },
    ],
    eventName: 'tasktrail.agent.output',
    body: { stringValue: `line ${number} of ${taskId}.` },
  };
}

const FIRST_MS = 1_750_000_000_000;

async function sendRecords({ otlpUrl }, logRecords) {
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  const headers = { 'content-type': 'application/json', authorization: AUTHORIZATION };
  const answer = await fetch(`${otlpUrl}/v1/logs`, { method: 'POST', headers, body });
  const text = await answer.text();
  if (answer.status !== 200 || text.length > 2) throw new Error(`answered ${answer.status}: ${text}`);
}

async function timed(url) {
  const start = performance.now();
  const answer = await fetch(url);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 300)}`);
  return performance.now() - start;
}
