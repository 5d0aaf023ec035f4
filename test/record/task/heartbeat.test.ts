import { spawnSync } from 'node:child_process';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Fact } from '../../../src/model/fact.ts';
import { setRecorder } from '../../../src/record/recorder.ts';
import { recordAttempt, recordTask, startTask } from '../../../src/record/task/attempt.ts';
import { builtUrl } from '../../support/built.ts';
import { installMemory, MemoryRecorder } from '../../support/memory-recorder.ts';

const INPUT = { source: 'test', message: 'do it' };
const BEAT = 'tasktrail.task.heartbeat';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(async () => {
    // Without a recorder the timer finds no open attempt and stops.
    setRecorder(undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

function beatsOf({ facts }: MemoryRecorder): Fact[] {
  return facts.filter(({ eventName }) => eventName === BEAT);
}

test('an open attempt sends a heartbeat every ten seconds, with its ids and no body, until it ends', async () => {
  const memory = installMemory();
  const task = startTask({ ...INPUT, taskId: 'task-1' });
  expect(beatsOf(memory)).toEqual([]);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(beatsOf(memory)).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  const [beat] = beatsOf(memory);
  expect(beat?.attributes).toEqual({ 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 1 });
  expect(beat?.body).toBeUndefined();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(beatsOf(memory)).toHaveLength(3);
  expect(new Set(beatsOf(memory).map(({ eventId }) => eventId)).size).toBe(3);
  task.end();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(beatsOf(memory)).toHaveLength(3);
  expect(vi.getTimerCount()).toBe(0);
});

test('the start of an attempt announces its heartbeat interval', () => {
  const memory = installMemory();
  startTask(INPUT).end();
  expect(memory.bodies('tasktrail.task.metadata')).toContainEqual(
    expect.objectContaining({ status: 'running', heartbeat_seconds: 10 }),
  );
});

test('every way to start an attempt sends heartbeats with its attempt number, from one timer', async () => {
  const memory = installMemory();
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15_000));
  const work = [
    recordTask({ ...INPUT, taskId: 'task-1' }, pause),
    recordAttempt(
      { ...INPUT, taskId: 'task-2', attempt: 3, willRetry: () => true, queue: 'q', system: 's', carrier: {} },
      async () => {
        await pause();
        throw new Error('again');
      },
    ).catch(() => undefined),
  ];
  // The two pauses, and the timer of all heartbeats.
  expect(vi.getTimerCount()).toBe(3);
  await vi.advanceTimersByTimeAsync(40_000);
  await Promise.all(work);
  expect(beatsOf(memory).map(({ attributes }) => Object.values(attributes))).toEqual([
    ['task-1', 1],
    ['task-2', 3],
  ]);
});

test('there are no heartbeats while nothing is recorded', async () => {
  setRecorder(undefined);
  startTask(INPUT);
  expect(vi.getTimerCount()).toBe(0);
});

test('an attempt sends no heartbeats to a trail that was opened after its own', async () => {
  const first = installMemory();
  startTask({ ...INPUT, taskId: 'task-old' });
  const second = new MemoryRecorder();
  setRecorder(second);
  const task = startTask({ ...INPUT, taskId: 'task-new' });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(beatsOf(first)).toEqual([]);
  expect(beatsOf(second).map(({ attributes }) => attributes['tasktrail.task.id'])).toEqual(['task-new']);
  task.end();
});

test('a recorder that throws affects neither the program nor other attempts', async () => {
  const memory = installMemory();
  const task = startTask({ ...INPUT, taskId: 'task-1' });
  memory.emit = () => {
    throw new Error('full');
  };
  await vi.advanceTimersByTimeAsync(20_000);
  task.end();
});

const CHILD = (): string => `
  import { setTimeout as delay } from 'node:timers/promises';
  const { startTask } = await import('${builtUrl('record/task/attempt.ts')}');
  const { setRecorder } = await import('${builtUrl('record/recorder.ts')}');
  const beats = [];
  // Fires the timer of ten seconds by hand.
  const fire = [];
  globalThis.setInterval = (fn) => { fire.push(fn); return { unref() { return this; } }; };
  setRecorder({
    emit: (fact) => { if (fact.eventName.endsWith('heartbeat')) beats.push(fact.attributes['tasktrail.task.id']); },
    startSpan: () => ({ spanContext: () => undefined, end() {} }),
    flush() {},
    async synced() {},
  });
  const kept = startTask({ source: 'test', message: 'm', taskId: 'kept' });
  (() => void startTask({ source: 'test', message: 'm', taskId: 'forgotten' }))();
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    await delay(5);
    globalThis.gc();
    beats.length = 0;
    for (const beat of fire) beat();
    if (!beats.includes('forgotten')) break;
  }
  process.stdout.write(JSON.stringify(beats));
  kept.end();
`;

test('the heartbeats of a dropped handle stop, those of a held handle continue', () => {
  const args = ['--expose-gc', '--input-type=module'];
  const child = spawnSync(process.execPath, [...args, '-e', CHILD()], { encoding: 'utf8' });
  expect(child.stderr).toBe('');
  expect(child.stdout).toBe('["kept"]');
});

test('an attempt without an end does not keep the program running', () => {
  const script = `
    const { startTask } = await import('${builtUrl('record/task/attempt.ts')}');
    const { setRecorder } = await import('${builtUrl('record/recorder.ts')}');
    setRecorder({ emit() {}, startSpan: () => ({ spanContext: () => undefined, end() {} }), flush() {}, async synced() {} });
    globalThis.task = startTask({ source: 'test', message: 'm' });
  `;
  const args = ['--input-type=module', '-e', script];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 8_000 });
  expect({ status: child.status, stderr: child.stderr }).toEqual({ status: 0, stderr: '' });
});
