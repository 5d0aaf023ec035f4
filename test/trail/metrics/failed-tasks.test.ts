import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { type FailedReader, FailedTasks } from '../../../src/trail/metrics/failed-tasks.ts';
import { MetricLabels } from '../../../src/trail/metrics/labels.ts';

const labels = new MetricLabels();

function ended(n: number, status = 'failed'): Parameters<FailedTasks['ended']>[0] {
  const completed_at = new Date(n * 1_000).toISOString();
  return { metadata: { task_id: `task-${n}`, status, completed_at }, result: { error_type: 'Error' } };
}

function idsOf(failed: FailedTasks): unknown[] {
  return failed.reading().points.map(({ attributes }) => attributes['tasktrail.task.id']);
}

test('failed and abandoned tasks are listed, others are not', () => {
  const failed = new FailedTasks();
  const statuses = ['failed', 'abandoned', 'cancelled', 'completed'];
  for (const [n, status] of statuses.entries()) failed.ended(ended(n, status), labels);
  expect(idsOf(failed)).toEqual(['task-0', 'task-1']);
  expect(failed.reading().points[0]).toMatchObject({ value: 0, attributes: { 'error.type': 'Error' } });
});

test('a later attempt that succeeds removes its task', () => {
  const failed = new FailedTasks();
  failed.ended(ended(1), labels);
  failed.ended(ended(1, 'completed'), labels);
  expect(idsOf(failed)).toEqual([]);
});

test('only the 20 most recent failures are kept', () => {
  const failed = new FailedTasks();
  for (let n = 30; n >= 0; n -= 1) failed.ended(ended(n), labels);
  expect(idsOf(failed)).toHaveLength(20);
  expect(idsOf(failed)).not.toContain('task-10');
  expect(idsOf(failed)).toContain('task-11');
});

test('failures of earlier processes are loaded, without replacing newer ones', async () => {
  const failed = new FailedTasks();
  failed.ended(ended(1), labels);
  const read: string[] = [];
  const reader: FailedReader = {
    listTasks: async ({ status }) =>
      ({
        items: status === 'failed' ? [ended(1).metadata, ended(2).metadata] : [],
        nextCursor: null,
      }) as never,
    readDocument: async (id) => {
      read.push(id);
      return { error_type: 'Timeout' };
    },
  };
  await failed.load(reader, labels);
  expect(idsOf(failed).sort()).toEqual(['task-1', 'task-2']);
  expect(read).toEqual(['task-2']);
});

test('a store that cannot be read leaves the list empty', async () => {
  const failed = new FailedTasks();
  const refuse = async (): Promise<never> => {
    throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'disk');
  };
  await failed.load({ listTasks: refuse, readDocument: refuse }, labels);
  expect(idsOf(failed)).toEqual([]);
});
