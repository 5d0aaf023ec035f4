import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { InProcessQueue } from '../../../src/queue/in-process-queue.ts';
import type { TaskLiveness } from '../../../src/store/write/liveness.ts';
import { queueJobs, runningTasks, unreadyParts } from '../../../src/trail/metrics/gauges.ts';
import { MetricLabels } from '../../../src/trail/metrics/labels.ts';
import { openTasksOf, secondsOf } from '../../../src/trail/metrics/open-tasks.ts';

function taskAt(n: number, more: Partial<TaskLiveness> = {}): TaskLiveness {
  return {
    taskId: `task-${n}`,
    status: 'running',
    attempt: 1,
    heartbeatSeconds: 10,
    about: {
      startedAt: new Date(n * 1_000).toISOString(),
      agent: 'claude',
      source: 'api',
      model: null,
    } as never,
    workerSeenAtMs: 60_000,
    seenAtMs: 60_000,
    ...more,
  };
}

test('running tasks have their start time as value, newest first, at most 50', () => {
  const tasks = Array.from({ length: 60 }, (_, n) => taskAt(n));
  const { points } = runningTasks(openTasksOf(tasks).newest, new MetricLabels());
  expect(points).toHaveLength(50);
  expect(points[0]).toMatchObject({
    value: 59,
    attributes: { 'tasktrail.task.id': 'task-59', 'gen_ai.agent.name': 'claude' },
  });
});

test('a task that waits is not running, and one without a start counts from its last record', () => {
  const about = { startedAt: null, agent: null, source: null } as never;
  const unknown = taskAt(2, { about, workerSeenAtMs: 5_000 });
  const { points } = runningTasks(
    openTasksOf([taskAt(1, { status: 'waiting_input' }), unknown]).newest,
    new MetricLabels(),
  );
  expect(points.map(({ value }) => value)).toEqual([5]);
});

test('a start in the future counts from the last record', () => {
  const about = { startedAt: '9999-01-01T00:00:00.000Z', agent: null, source: null } as never;
  const { points } = runningTasks(openTasksOf([taskAt(1, { about })]).newest, new MetricLabels());
  expect(points.map(({ value }) => value)).toEqual([60]);
});

test('each part that is not ready is one series', () => {
  const books = new Books();
  books.setReason('store', 'disk full');
  books.setReason('queue', 'Redis is away');
  expect(unreadyParts(books, new MetricLabels()).points).toEqual([
    { value: 1, attributes: { 'tasktrail.part': 'store' } },
    { value: 1, attributes: { 'tasktrail.part': 'queue' } },
  ]);
});

test('the depth of the queue is a point for each state, and none while the queue is unreachable', async () => {
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  const { points } = await queueJobs(queue);
  expect(points.length).toBeGreaterThan(0);
  expect(points[0]).toMatchObject({ value: 0, attributes: { 'messaging.destination.name': 'agent' } });
  queue.depth = async () => undefined as never;
  expect((await queueJobs(queue)).points).toEqual([]);
});

test.each([
  ['2026-01-02T03:04:05.500Z', 1_767_323_045.5],
  ['yesterday', undefined],
  [null, undefined],
  [5, undefined],
])('the seconds of %j are %s', (iso, expected) => {
  expect(secondsOf(iso)).toBe(expected);
});
