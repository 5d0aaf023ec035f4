import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ReceivedSpan } from '../../../src/model/otlp.ts';
import { startReceiver } from '../../../src/receive/server.ts';
import { documentOf, linesOf, newStore, openStore, type TestStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, span, spanId } from '../../support/records.ts';

/** Limit of foreign spans in a task. */
const MAX = 20_000;

function foreign(from: number, count: number, taskId = 'task-1'): ReceivedSpan[] {
  const attributes = { 'tasktrail.task.id': taskId };
  return Array.from({ length: count }, (_, index) => span({ id: spanId(from + index), attributes }));
}

function own(id: number): ReceivedSpan {
  return { ...span({ id: spanId(id) }), scope: { name: 'tasktrail' } };
}

/** A task at the limit of foreign spans. */
async function fullTask(): Promise<TestStore> {
  const store = await newStore();
  await store.sendSpans(...foreign(1, MAX));
  return store;
}

const metadataOf = ({ dir }: TestStore) => documentOf(dir, 'task-1', 'metadata.json');

test('spans over the limit are refused with a reason, counted, and reported in the metadata', async () => {
  const store = await newStore();
  expect(await store.sendSpans(...foreign(1, MAX - 1))).toEqual({ rejected: 0, reasons: [] });
  expect(metadataOf(store).dropped_spans).toBeUndefined();
  const answer = await store.sendSpans(...foreign(MAX, 3), own(900_000));
  expect(answer).toEqual({
    rejected: 2,
    reasons: [`task task-1 has ${MAX} foreign spans, the most that are kept`],
  });
  expect(metadataOf(store).dropped_spans).toBe(2);
  expect(store.books.snapshot()).toMatchObject({
    accepted: MAX + 1,
    duplicates: 0,
    dropped: { 'foreign spans over the limit': 2 },
  });
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toHaveLength(MAX + 1);
});

test('own spans, and foreign spans of another task, are kept beyond the limit', async () => {
  const store = await fullTask();
  const ours = Array.from({ length: 50 }, (_, index) => own(1_000_000 + index));
  expect(await store.sendSpans(...ours, ...foreign(2_000_000, 5, 'task-2'))).toEqual({
    rejected: 0,
    reasons: [],
  });
  expect(linesOf(store.dir, 'task-2', 'trace.jsonl')).toHaveLength(5);
});

test('spans of an agent in the scope of tasktrail count as foreign ones, also after a restart', async () => {
  const agent = { kind: 'agent', taskId: 'task-1' } as const;
  const store = await newStore();
  await store.logs(log({ event: 'tasktrail.task.metadata', id: eventId(1), body: { status: 'running' } }));
  const flood = Array.from({ length: MAX + 3 }, (_, index) => own(index + 1));
  expect((await store.spansFrom(agent, ...flood)).rejected).toBe(3);
  const again = openStore(store.dir);
  expect((await again.spansFrom(agent, own(MAX + 9))).rejected).toBe(1);
  expect((await again.sendSpans(own(MAX + 10))).rejected).toBe(0);
});

test('a foreign span that is stored already counts as a duplicate at the limit', async () => {
  const store = await fullTask();
  expect(await store.sendSpans(...foreign(1, 100))).toEqual({ rejected: 0, reasons: [] });
  expect(store.books.snapshot()).toMatchObject({ duplicates: 100, dropped: {} });
});

test('a repeat within one request counts once towards the limit', async () => {
  const store = await newStore();
  await store.sendSpans(...foreign(1, MAX - 1));
  const [last] = foreign(MAX, 1);
  if (last === undefined) throw new TypeError('no span');
  expect(await store.sendSpans(last, last, last)).toEqual({ rejected: 0, reasons: [] });
});

test('the limit and the count hold when the task is read back by another process', async () => {
  const first = await fullTask();
  await first.sendSpans(...foreign(MAX + 1, 7));
  await first.sendSpans(...foreign(MAX + 8, 2));
  await first.pass(1_000);
  expect(metadataOf(first).dropped_spans).toBe(9);
  const second = openStore(first.dir);
  expect((await second.sendSpans(...foreign(MAX + 100, 1))).rejected).toBe(1);
  await second.pass(1_000);
  expect(metadataOf(second).dropped_spans).toBe(10);
  expect((await second.sendSpans(own(1_000_000))).rejected).toBe(0);
});

test('a flood rewrites the metadata once a second, not with every request', async () => {
  const store = await fullTask();
  await store.sendSpans(...foreign(MAX + 1, 10));
  await store.sendSpans(...foreign(MAX + 11, 10));
  await store.sendSpans(...foreign(MAX + 21, 10));
  expect(metadataOf(store).dropped_spans).toBe(10);
  await store.pass(1_000);
  expect(metadataOf(store).dropped_spans).toBe(30);
});

test('the count stays with the task after its end', async () => {
  const store = await fullTask();
  await store.sendSpans(...foreign(MAX + 1, 4));
  const body = { success: true, status: 'completed' };
  await store.logs(log({ event: 'tasktrail.task.result', id: eventId(1), body }));
  await store.pass(20_000);
  expect(metadataOf(store)).toMatchObject({ status: 'completed', dropped_spans: 4, settled: true });
});

test('a damaged count does not stop the task', async () => {
  const store = await newStore();
  await store.sendSpans(...foreign(1, 1));
  const path = join(store.dir, 'task-1', 'metadata.json');
  rmSync(path);
  appendFileSync(path, '{"dropped_spans":"many"}\n');
  const again = openStore(store.dir);
  await again.sendSpans(...foreign(2, 1));
  expect(metadataOf(again).dropped_spans).toBeUndefined();
});

test('over the receiver, a session of 23,000 spans is stored up to the limit, and the answers count the rest', async () => {
  const store = openStore(await tempDir());
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink: store.store });
  onTestFinished(() => receiver.close(0));
  const resources = recordedResources();
  let cut = 0;
  for (let request = 0; request < 23; request += 1) {
    const body = JSON.stringify({ resourceSpans: thousandSpans(resources, request) });
    const response = await fetch(`${receiver.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer = (await response.json()) as {
      partialSuccess?: { rejectedSpans: string; errorMessage: string };
    };
    expect(response.status).toBe(200);
    cut += Number(answer.partialSuccess?.rejectedSpans ?? 0);
    if (request > 20) expect(answer.partialSuccess?.errorMessage).toContain('20000 foreign spans');
  }
  expect(cut).toBe(3_000);
  expect(linesOf(store.dir, 'task-demo', 'trace.jsonl')).toHaveLength(MAX);
}, 60_000);

/** A recorded request of Codex. */
interface RecordedResource {
  readonly resource: unknown;
  readonly scopeSpans: readonly { readonly scope: unknown; readonly spans: readonly object[] }[];
}

function recordedResources(): readonly RecordedResource[] {
  const path = new URL('../../samples/codex/otlp-traces-1.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { resourceSpans: readonly RecordedResource[] })
    .resourceSpans;
}

/** Repeats its spans, each with a unique id. */
function thousandSpans(resources: readonly RecordedResource[], request: number): readonly unknown[] {
  const { resource, scopeSpans } = resources[0] ?? { resource: {}, scopeSpans: [] };
  const { scope, spans } = scopeSpans[0] ?? { scope: {}, spans: [] };
  const many = Array.from({ length: 1_000 }, (_, index) => ({
    ...spans[index % spans.length],
    spanId: spanId(1 + request * 1_000 + index),
  }));
  expect(JSON.stringify(resource)).toContain('task-demo');
  return [{ resource, scopeSpans: [{ scope, spans: many }] }];
}
