import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../../src/model/json.ts';
import { keyValuesFromPlain, type OtlpSpan, type ReceivedLog } from '../../../src/model/otlp.ts';
import { documentOf, filesIn, linesOf, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId, T0 } from '../../support/records.ts';

function announce(number: number, id: number): ReceivedLog {
  return workflowEvent('tasktrail.step_start', number, id, {
    'tasktrail.span.name': `step ${id}`,
    'tasktrail.span.kind': 1,
    'tasktrail.span.parent_id': spanId(1),
  });
}

function derive(number: number, id: number): ReceivedLog {
  return workflowEvent('tasktrail.step_complete', number, id, { 'tasktrail.span.derive': true });
}

function workflowEvent(
  event: string,
  number: number,
  id: number,
  more: Record<string, JsonValue>,
): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.workflow.id': 'workflow-1', ...more };
  return log({ event, id: eventId(number), atMs: number, body: {}, spanId: spanId(id), attributes });
}

function end(number: number): ReceivedLog {
  const body = { success: true, status: 'completed' };
  return log({ event: 'tasktrail.task.result', id: eventId(number), atMs: number, body });
}

/** Sends a built span back to the store, as the holder does. */
async function sendBack({ sendSpans }: TestStore, spans: readonly OtlpSpan[]): Promise<void> {
  await sendSpans(...spans.map((built) => ({ ...span({ id: built.spanId }), span: built })));
}

test('an announced span that never arrives is closed 10 s after the end, as lost, once', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), outputLog(30));
  await store.pass(600_001);
  await store.logs(end(40));
  await store.pass(9_999);
  expect(store.spans).toEqual([]);
  await store.pass(1);
  expect(store.spans).toMatchObject([
    {
      spanId: spanId(7),
      parentSpanId: spanId(1),
      name: 'step 7',
      startTimeUnixNano: `${T0 + 1}000000`,
      endTimeUnixNano: `${T0 + 40}000000`,
      status: { code: 2 },
    },
  ]);
  expect(store.spans[0]?.attributes).toContainEqual({
    key: 'error.type',
    value: { stringValue: 'process_lost' },
  });
  await store.pass(1_000);
  expect(store.spans).toHaveLength(1);
  // Not settled before the span is stored.
  expect(documentOf(store.dir, 'task-1', 'metadata.json').settled).toBeUndefined();
  await sendBack(store, store.spans);
  await store.pass(5_000);
  expect(documentOf(store.dir, 'task-1', 'metadata.json').settled).toBe(true);
});

test('a start and an end with derive build the span at once, in either order', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), derive(20, 8));
  await store.pass(1_000);
  expect(store.spans).toEqual([]);
  await store.logs(derive(25, 7), announce(2, 8));
  await store.pass(1_000);
  await store.pass(1_000);
  expect(store.spans.map((built) => [built.spanId, built.endTimeUnixNano, built.status]).sort()).toEqual([
    [spanId(7), `${T0 + 25}000000`, undefined],
    [spanId(8), `${T0 + 20}000000`, undefined],
  ]);
});

test('a span that is in the trace is not built again after a restart', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), derive(25, 7), announce(2, 8));
  await store.pass(1_000);
  await sendBack(store, store.spans);
  const again = openStore(store.dir);
  await again.store.recover();
  await again.logs(end(40));
  await again.pass(1_000);
  expect(again.spans).toEqual([]);
  await again.pass(10_000);
  expect(again.spans).toMatchObject([{ spanId: spanId(8) }]);
});

test('a span that arrives after it was given up is not stored twice', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), end(40));
  await store.pass(10_000);
  await sendBack(store, store.spans);
  await store.sendSpans(span({ id: spanId(7) }));
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
});

test('a span that arrives in time is not built', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), end(40));
  await store.sendSpans(span({ id: spanId(7) }));
  await store.pass(20_000);
  expect(store.spans).toEqual([]);
  expect(documentOf(store.dir, 'task-1', 'metadata.json').settled).toBe(true);
});

test('a start that arrives after the task was settled gets its span too', async () => {
  const store = await newStore();
  await store.logs(end(40));
  await store.pass(20_000);
  await store.logs(announce(1, 7));
  expect(documentOf(store.dir, 'task-1', 'metadata.json').settled).toBeUndefined();
  await store.pass(10_000);
  expect(store.spans).toMatchObject([{ spanId: spanId(7) }]);
});

test('spans of a delivery are stored in the trace of each of its tasks', async () => {
  const store = await newStore();
  await store.sendSpans(span({ id: spanId(7), attributes: { 'tasktrail.task.ids': ['task-1', 'task-2'] } }));
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toEqual(linesOf(store.dir, 'task-2', 'trace.jsonl'));
});

test('a span of several tasks that cannot be stored counts as one rejected record', async () => {
  const store = await newStore();
  writeFileSync(join(store.dir, 'task-1'), '');
  writeFileSync(join(store.dir, 'task-2'), '');
  const attributes = { 'tasktrail.task.ids': ['task-1', 'task-2'] };
  expect(await store.sendSpans(span({ id: spanId(7), attributes }))).toMatchObject({ rejected: 1 });
});

test('recovery cuts torn lines, removes temporary files and updates outdated documents', async () => {
  const store = await newStore();
  await store.logs(announce(1, 7), outputLog(2), end(40));
  await store.store.close('crash');
  const dir = join(store.dir, 'task-1');
  const expected = filesIn(dir);
  appendFileSync(join(dir, '03-agent-output.jsonl'), '{"timestamp":"2026');
  writeFileSync(join(dir, '.metadata.json.99.tmp'), '{"task');
  writeFileSync(join(dir, 'metadata.json'), '{}');
  rmSync(join(dir, '04-final-result.json'));
  const again = openStore(store.dir);
  await again.store.recover();
  expect(filesIn(dir)).toEqual(expected);
  expect(again.books.snapshot().skippedLines).toBe(1);
});

test('a task with lines and no metadata gets its metadata by recovery', async () => {
  const store = await newStore();
  await store.logs(outputLog(1));
  const path = join(store.dir, 'task-1', 'metadata.json');
  const before = readFileSync(path, 'utf8');
  rmSync(path);
  const again = openStore(store.dir);
  await again.store.recover();
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('lines that a crash left after the metadata of a settled task are read by recovery', async () => {
  const store = await newStore();
  await store.logs(end(40));
  await store.pass(20_000);
  await store.store.close('crash');
  const dir = join(store.dir, 'task-1');
  const late = {
    event: 'tasktrail.task.metadata',
    attempt: 1,
    trace_id: null,
    span_id: null,
    body: { model: 'm' },
  };
  appendFileSync(
    join(dir, 'facts.jsonl'),
    `${JSON.stringify({ timestamp: '2026-01-02T03:04:05.041Z', event_id: eventId(41), ...late })}\n`,
  );
  const future = new Date(Date.now() + 5_000);
  utimesSync(join(dir, 'facts.jsonl'), future, future);
  const again = openStore(store.dir);
  await again.store.recover();
  expect(documentOf(dir, 'metadata.json').model).toBe('m');
});

test('a damaged line of facts is skipped and counted, and the rest is folded', async () => {
  const store = await newStore();
  await store.logs(end(40));
  await store.store.close('restart');
  const fact = { timestamp: '2026-01-02T03:04:05.000Z', event: 'tasktrail.task.metadata', attempt: 1 };
  const base = { ...fact, trace_id: null, span_id: null };
  const bad = [
    { ...base, body: null },
    { ...base, body: 'text' },
    { ...base, span: { name: 5 } },
    { ...base, derive: {} },
    { ...base, timestamp: 'never' },
    { ...fact },
  ];
  const lines = bad.map((line, index) => `${JSON.stringify({ ...line, event_id: eventId(index) })}\n`);
  appendFileSync(join(store.dir, 'task-1', 'facts.jsonl'), lines.join(''));
  const again = openStore(store.dir);
  await again.logs(outputLog(1));
  expect(again.books.snapshot().skippedLines).toBe(bad.length);
  expect(documentOf(store.dir, 'task-1', 'metadata.json').status).toBe('completed');
});

test('recovery leaves directories alone that are not tasks', async () => {
  const store = await newStore();
  mkdirSync(join(store.dir, 'lost+found'));
  mkdirSync(join(store.dir, 'notes'));
  writeFileSync(join(store.dir, 'notes', '.draft.tmp'), 'mine');
  writeFileSync(join(store.dir, 'README'), 'mine');
  const before = filesIn(store.dir);
  await store.store.recover();
  expect(filesIn(store.dir)).toEqual(before);
  expect(readdirSync(join(store.dir, 'notes'))).toEqual(['.draft.tmp']);
  expect(store.books.reasons.size).toBe(0);
});

test('stored spans keep their resource and scope', async () => {
  const store = await newStore();
  const received = span({ id: spanId(7), resource: keyValuesFromPlain({ 'service.name': 'agent' }) });
  await store.sendSpans(received);
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toMatchObject([
    { resourceSpans: [{ resource: received.resource }] },
  ]);
});
