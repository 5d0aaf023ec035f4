import { readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS } from '../../../src/model/sender.ts';
import { filesIn, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

function metadata(number: number, body: JsonObject, attempt = 1): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt };
  const event = 'tasktrail.task.metadata';
  return log({ event, id: eventId(number), atMs: number, body, attributes });
}

function beat(number: number, taskId = 'task-1'): ReceivedLog {
  const attributes = { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 };
  return log({ event: 'tasktrail.task.heartbeat', id: eventId(number), atMs: number, attributes });
}

function end(number: number): ReceivedLog {
  const body = { success: true, status: 'completed' };
  return log({ event: 'tasktrail.task.result', id: eventId(number), atMs: number, body });
}

const RUNNING = { status: 'running', heartbeat_seconds: 10 };

/** Milliseconds since the last sign of life and since the last record. */
function silenceOf({ store, now }: TestStore): readonly [number, number] | undefined {
  const vital = store.liveness.get('task-1');
  return vital && [now() - vital.workerSeenAtMs, now() - vital.seenAtMs];
}

test('a heartbeat stores nothing, makes no directory, and counts neither as dropped nor as unattributed', async () => {
  const { dir, logs, books, logged } = await newStore();
  expect(await logs(beat(1), beat(2, 'task-unknown'))).toEqual({ rejected: 0, reasons: [] });
  expect(readdirSync(dir)).toEqual([]);
  expect(books.snapshot()).toMatchObject({ accepted: 0, duplicates: 0, dropped: {}, unattributed: {} });
  expect(logged).toEqual([]);
});

test('a heartbeat changes no file of its task', async () => {
  const { dir, logs } = await newStore();
  await logs(metadata(1, RUNNING));
  const before = filesIn(dir);
  await logs(beat(2));
  expect(filesIn(dir)).toEqual(before);
});

test('a heartbeat leaves its time on the file of the facts, for readers; a refused one does not', async () => {
  const { dir, logs, from } = await newStore();
  await logs(metadata(1, RUNNING));
  const facts = join(dir, 'task-1', 'facts.jsonl');
  const long = new Date('2020-01-01T00:00:00Z');
  utimesSync(facts, long, long);
  await from(ANONYMOUS, beat(2));
  await logs(beat(3, 'task-unknown'));
  expect(statSync(facts).mtime).toEqual(long);
  await logs(beat(4));
  await expect.poll(() => statSync(facts).mtimeMs).toBeGreaterThan(long.getTime());
});

test('a heartbeat without a task is counted by its service', async () => {
  const { logs, books } = await newStore();
  await logs(log({ event: 'tasktrail.task.heartbeat', attributes: {} }));
  expect(books.snapshot().unattributed).toEqual({ test: 1 });
});

test('records and heartbeats are signs of life, spans alone are only activity', async () => {
  const store = await newStore();
  await store.logs(metadata(1, RUNNING));
  for (const sign of [outputLog(2), beat(3), metadata(4, { model: 'm' }), outputLog(2)]) {
    await store.pass(7_000);
    expect(silenceOf(store)).toEqual([7_000, 7_000]);
    await store.logs(sign);
    expect(silenceOf(store)).toEqual([0, 0]);
  }
  await store.pass(7_000);
  await store.sendSpans(span({ id: spanId(1) }));
  expect(silenceOf(store)).toEqual([7_000, 0]);
});

test('a task is tracked while it is running or waits for input', async () => {
  const store = await newStore();
  const steps: readonly [ReceivedLog, string | undefined][] = [
    [metadata(1, { status: 'queued' }), undefined],
    [metadata(2, RUNNING), 'running'],
    [metadata(3, { status: 'waiting_input' }), 'waiting_input'],
    [metadata(4, { status: 'running' }), 'running'],
    [metadata(5, { status: 'queued' }, 2), undefined],
    [metadata(6, { status: 'running' }, 2), 'running'],
  ];
  for (const [record, status] of steps) {
    await store.logs(record);
    expect(store.store.liveness.get('task-1')?.status).toBe(status);
  }
  expect(store.store.liveness.get('task-1')?.attempt).toBe(2);
  await store.logs(
    log({
      ...end(7),
      event: 'tasktrail.task.result',
      id: eventId(7),
      body: {},
      attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 },
    }),
  );
  expect([...store.store.liveness.all()]).toEqual([]);
});

test('heartbeats are expected of an attempt that announced or sent one', async () => {
  const store = await newStore();
  const pace = (): number | undefined => store.store.liveness.get('task-1')?.heartbeatSeconds;
  await store.logs(metadata(1, { status: 'running' }));
  expect(pace()).toBeUndefined();
  await store.logs(beat(2));
  expect(pace()).toBe(10);
  await store.logs(outputLog(3));
  expect(pace()).toBe(10);
  await store.logs(metadata(4, { status: 'running' }, 2));
  expect(pace()).toBeUndefined();
  await store.logs(metadata(5, { heartbeat_seconds: 30 }, 2));
  expect(pace()).toBe(30);
  await store.logs(beat(6));
  expect(pace()).toBe(30);
});

test.each([0, -10, 'often', null, [10]])('an announced interval of %j seconds is ignored', async (value) => {
  const { logs, store } = await newStore();
  await logs(metadata(1, { status: 'running', heartbeat_seconds: value }));
  expect(store.liveness.get('task-1')?.heartbeatSeconds).toBeUndefined();
});

test('a task with only foreign records is tracked and announces no heartbeat', async () => {
  const { logs, store } = await newStore();
  await logs(log({ body: 'hello', event: 'codex.x' }));
  expect(store.liveness.get('task-1')).toMatchObject({
    status: 'running',
    heartbeatSeconds: undefined,
    attempt: 1,
  });
});

test('a new store tracks the running tasks, and their silence starts at zero', async () => {
  const { dir, logs } = await newStore();
  await logs(metadata(1, RUNNING), outputLog(2, 'x', 'task-done'));
  await logs(
    log({
      ...end(3),
      event: 'tasktrail.task.result',
      body: {},
      attributes: { 'tasktrail.task.id': 'task-done' },
    }),
  );
  const second = openStore(dir);
  await second.pass(100_000);
  await second.store.recover();
  expect([...second.store.liveness.all()].map(({ taskId }) => taskId)).toEqual(['task-1']);
  expect(silenceOf(second)).toEqual([0, 0]);
  expect(second.store.liveness.get('task-1')?.heartbeatSeconds).toBe(10);
});

test('reading a task back into memory is no sign of life', async () => {
  const store = await newStore();
  await store.logs(metadata(1, RUNNING));
  // After ten idle minutes it is closed; a span opens it again.
  await store.pass(600_001);
  await store.sendSpans(span({ id: spanId(1) }));
  expect(silenceOf(store)).toEqual([600_001, 0]);
});

test('no silence is measured while the store fails', async () => {
  const { dir } = await newStore();
  let isHeld = true;
  const store = openStore(dir, { isHeld: () => isHeld });
  await store.logs(metadata(1, RUNNING));
  isHeld = false;
  await store.pass(40_000);
  await expect(store.logs(outputLog(2))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  expect(silenceOf(store)).toEqual([0, 0]);
  expect(filesIn(join(dir, 'task-1'))['03-agent-output.jsonl']).toBeUndefined();
});
