import { performance } from 'node:perf_hooks';
import { Books } from '../../dist/books.js';
import { TRAIL } from '../../dist/model/sender.js';
import { createReader } from '../../dist/store/read/reader.js';
import { Store } from '../../dist/store/write/store.js';
import { withTempDir } from './child.mjs';
import { cpuMsFor } from './core-share.mjs';
import { times } from './figures.mjs';

const BATCH = 500;
const LINES = 100_000;
const SPANS = 5_000;
const STEPS = 10_000;
const TASKS = 100_000;
const OPEN_TASKS = 3_000;
const T0 = Date.parse('2026-01-02T03:04:05.000Z');
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

/** The limit of foreign spans per task. */
const FOREIGN_SPANS_MAX = 20_000;
/** A request that takes this long delays other senders, although exporters wait for 10 s by default. */
const ANSWER_MS_MAX = 1_000;

/** The cost per record must not grow with the size of a task, a workflow or a day. */
export async function benchStore() {
  return [
    await withTempDir(longTask),
    await withTempDir(manySpans),
    ...(await withTempDir(spansOverTheLimit)),
    await withTempDir(manyTasks),
    await withTempDir(openTasks),
    await withTempDir(unstampedWorkflow),
    await withTempDir(longWorkflow),
    await withTempDir(deliveryPages),
  ];
}

async function longTask(dir) {
  const { store, pass } = openStore(dir);
  const logs = Array.from({ length: LINES }, (_, index) => outputLog(index));
  const firstMs = await timed(() => send({ store, pass }, logs.slice(0, LINES / 5)));
  await send({ store, pass }, logs.slice(LINES / 5, (LINES / 5) * 4));
  const lastMs = await timed(() => send({ store, pass }, logs.slice((LINES / 5) * 4)));
  return ratioRow(`the last 20,000 of ${LINES} lines of a task / the first 20,000`, lastMs, firstMs, 4);
}

async function manySpans(dir) {
  const { store, pass } = openStore(dir);
  const common = { 'tasktrail.task.id': 'task-1', 'tasktrail.workflow.id': 'workflow-1' };
  const logs = Array.from({ length: SPANS }, (_, index) => [
    log({
      event: 'tasktrail.step_start',
      number: index * 2,
      span: index + 1,
      attributes: { ...common, 'tasktrail.span.name': `step ${index}` },
    }),
    log({
      event: 'tasktrail.step_complete',
      number: index * 2 + 1,
      span: index + 1,
      attributes: { ...common, 'tasktrail.span.derive': true },
    }),
  ]).flat();
  await send({ store, pass }, logs);
  const tickMs = (await timed(() => repeat(100, () => pass(1_000)))) / 100;
  return limitRow(`a tick of a task with ${SPANS} announced spans`, tickMs, 100);
}

async function spansOverTheLimit(dir) {
  const { store } = openStore(dir);
  let worstMs = 0;
  const costs = [];
  for (let request = 0; request < 23; request += 1) {
    const spans = Array.from({ length: 1_000 }, (_, index) => foreignSpan(1 + request * 1_000 + index));
    costs.push(
      await cpuMsFor(async () => {
        worstMs = Math.max(worstMs, await timed(() => store.ingest({ logs: [], spans }, TRAIL)));
      }),
    );
  }
  const what = `the slowest request of 1,000 spans, across the limit of ${FOREIGN_SPANS_MAX}`;
  // The very first request compiles the code.
  const first = costs[1] + costs[2];
  const last = costs[FOREIGN_SPANS_MAX / 1_000 - 2] + costs[FOREIGN_SPANS_MAX / 1_000 - 1];
  const name = `CPU of the last 2,000 of ${FOREIGN_SPANS_MAX} spans of a task / of an early 2,000`;
  return [limitRow(what, worstMs, ANSWER_MS_MAX), ratioRow(name, last, first, 2)];
}

/** The tasks stay on the disk; only the last ones are open. */
async function manyTasks(dir) {
  const { store, pass } = openStore(dir, { fsync: 'never' });
  const part = TASKS / 10;
  const take = (from) => cpuMsFor(() => send({ store, pass }, tasksFrom(from, part)));
  // The first part compiles the code and fills the list of open tasks.
  await take(0);
  const firstMs = await take(part);
  for (let from = 2 * part; from < TASKS - part; from += part) await take(from);
  const lastMs = await take(TASKS - part);
  return ratioRow(
    `CPU of the last ${part} of ${TASKS} tasks of a directory / of the second`,
    lastMs,
    firstMs,
    1.3,
  );
}

/** A start reads the tasks that are open. */
async function openTasks(dir) {
  const { store, pass } = openStore(dir, { fsync: 'never' });
  const few = OPEN_TASKS / 10;
  const recovered = async () => {
    const { store: next } = openStore(dir, { fsync: 'never' });
    const cpuMs = await cpuMsFor(() => next.recover());
    await next.close('the bench has ended');
    return cpuMs;
  };
  await send({ store, pass }, tasksFrom(0, few));
  await recovered();
  const fewMs = (await recovered()) / few;
  await send({ store, pass }, tasksFrom(few, OPEN_TASKS - few));
  const manyMs = (await recovered()) / OPEN_TASKS;
  const ratio = manyMs / fewMs;
  return {
    what: `CPU of a start for each of ${OPEN_TASKS} open tasks / for each of ${few}`,
    ratio: times(ratio),
    absolute: `${manyMs.toFixed(2)} ms / ${fewMs.toFixed(2)} ms`,
    aim: 'below 1.5x',
    met: ratio < 1.5,
  };
}

function tasksFrom(from, count) {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    const attributes = { 'tasktrail.task.id': `task-${number}` };
    return log({ event: 'tasktrail.task.metadata', number, body: { status: 'queued' }, attributes });
  });
}

async function unstampedWorkflow(dir) {
  const { store, pass } = openStore(dir);
  const attributes = { 'tasktrail.workflow.id': 'review' };
  const logs = Array.from({ length: 5_000 }, (_, index) =>
    log({ event: 'tasktrail.decision_point', number: index, body: {}, attributes }),
  );
  const tookMs = await timed(() => send({ store, pass }, logs));
  return limitRow('5,000 events of a workflow without a stamp in its id', tookMs, 2_000);
}

/** Small batches, as an orchestrator sends them: what a batch costs besides its events must not grow. */
async function longWorkflow(dir) {
  const { store, pass } = openStore(dir);
  const attributes = { 'tasktrail.workflow.id': 'workflow-1' };
  const logs = Array.from({ length: STEPS }, (_, index) => {
    const payload = { phase: 'build', step: { name: `step ${index}` } };
    return ['step_start', 'step_complete'].map((type, at) =>
      log({ event: `tasktrail.${type}`, number: index * 2 + at, body: payload, attributes }),
    );
  }).flat();
  const part = logs.length / 10;
  const take = (from) =>
    timed(async () => {
      for (let at = from; at < from + part; at += 10) {
        await store.ingest({ logs: logs.slice(at, at + 10), spans: [] }, TRAIL);
        await pass(1);
      }
    });
  const firstMs = await take(0);
  for (let from = part; from < logs.length - part; from += part) await take(from);
  const lastMs = await take(logs.length - part);
  const rate = firstMs / lastMs;
  return {
    what: `events per second at the end of a workflow of ${STEPS} steps / at its start`,
    ratio: times(rate),
    absolute: `${((part / lastMs) * 1_000).toFixed(0)}/s / ${((part / firstMs) * 1_000).toFixed(0)}/s`,
    aim: 'at least 0.8x',
    met: rate >= 0.8,
  };
}

async function deliveryPages(dir) {
  const { store } = openStore(dir);
  const stages = Array.from({ length: 5 }, (_, index) => ({
    stage: `stage ${index}`,
    note: 'x'.repeat(100),
  }));
  for (let from = 0; from < LINES; from += BATCH) {
    const logs = Array.from({ length: BATCH }, (_, index) => delivery(from + index, stages));
    await store.ingest({ logs, spans: [] }, TRAIL);
  }
  const reader = createReader(dir);
  let cursor;
  const page = async () => {
    const { nextCursor } = await reader.listDeliveries({
      limit: 50,
      ...(cursor !== undefined && { cursor }),
    });
    cursor = nextCursor;
  };
  const firstMs = await timed(page);
  const nextMs = (await timed(() => repeat(39, page))) / 39;
  return ratioRow(`a later page of ${LINES} deliveries / the first one`, nextMs, firstMs, 0.5);
}

function openStore(dir, more = {}) {
  let now = T0 + 3_600_000;
  const store = new Store({
    logDir: dir,
    books: new Books(),
    now: () => now,
    onSpan: () => {},
    log: () => {},
    ...more,
  });
  const pass = async (ms) => {
    now += ms;
    await store.tick();
  };
  return { store, pass };
}

async function send({ store, pass }, logs) {
  for (let from = 0; from < logs.length; from += BATCH) {
    await store.ingest({ logs: logs.slice(from, from + BATCH), spans: [] }, TRAIL);
    await pass(1);
  }
}

function outputLog(number) {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.agent.output.type': 'output' };
  return log({ event: 'tasktrail.agent.output', number, body: 'x\n', attributes });
}

function delivery(number, stages) {
  const attributes = { 'tasktrail.webhook.provider': 'github' };
  const body = { outcome: 'accepted', task_ids: [], stages };
  return log({ event: 'tasktrail.webhook.delivery', number, body, attributes });
}

function log({ event, number, body, attributes, span }) {
  return {
    resource: { 'service.name': 'bench' },
    scope: { name: 'bench' },
    record: {
      timeUnixNano: `${T0 + number}000000`,
      eventName: event,
      ...(body !== undefined && { body }),
      attributes: { 'tasktrail.event.id': `01KDY${String(number).padStart(21, '0')}`, ...attributes },
      ...(span !== undefined && { traceId: TRACE_ID, spanId: spanId(span) }),
    },
  };
}

function foreignSpan(number) {
  return {
    resource: { attributes: [] },
    scope: { name: 'foreign' },
    span: {
      traceId: TRACE_ID,
      spanId: spanId(number),
      name: 'work',
      kind: 1,
      startTimeUnixNano: `${T0}000000`,
      endTimeUnixNano: `${T0 + 5}000000`,
      attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'task-1' } }],
    },
  };
}

function spanId(number) {
  return number.toString(16).padStart(16, '0');
}

async function repeat(count, work) {
  for (let round = 0; round < count; round += 1) await work();
}

async function timed(work) {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function ratioRow(what, largeMs, smallMs, ratioMax) {
  const ratio = largeMs / smallMs;
  return {
    what,
    ratio: times(ratio),
    absolute: `${largeMs.toFixed(0)} ms / ${smallMs.toFixed(0)} ms`,
    aim: `below ${ratioMax}x`,
    met: ratio < ratioMax,
  };
}

function limitRow(what, tookMs, msMax) {
  return {
    what,
    ratio: times(tookMs / msMax),
    absolute: `${tookMs.toFixed(0)} ms`,
    aim: `below ${msMax} ms`,
    met: tookMs < msMax,
  };
}
