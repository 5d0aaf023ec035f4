import { expect, test } from 'vitest';
import { TRAIL } from '../../../src/model/sender.ts';
import { push, sortBatch } from '../../../src/store/write/batch/sorted-batch.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const WORKFLOW = { 'tasktrail.workflow.id': 'w-1' };
const TASKS = { 'tasktrail.task.ids': ['task-1', 'task-2'] };

test('each record goes to its destinations, with its index in the batch', async () => {
  const services: string[] = [];
  const delivery = { 'tasktrail.webhook.provider': 'github' };
  const sorted = await sortBatch(
    {
      sender: TRAIL,
      batch: {
        logs: [
          outputLog(1),
          log({ event: 'tasktrail.step_start', id: eventId(2), body: {}, attributes: WORKFLOW }),
          log({
            event: 'tasktrail.webhook.delivery',
            id: eventId(3),
            body: { outcome: 'x' },
            attributes: delivery,
          }),
          log({ event: 'tasktrail.task.heartbeat' }),
          log({ attributes: {}, resource: { 'service.name': 'stray' } }),
          log({ attributes: { 'tasktrail.task.id': '../x' } }),
        ],
        spans: [
          span({ id: spanId(1), attributes: TASKS }),
          span({ id: spanId(2), attributes: WORKFLOW }),
          span({ id: spanId(3), attributes: delivery }),
        ],
      },
    },
    (service) => services.push(service),
  );
  const recordsOf = (entries: readonly { record: number }[] | undefined): number[] | undefined =>
    entries?.map(({ record }) => record);
  expect(recordsOf(sorted.byTask.get('task-1'))).toEqual([0, 6]);
  expect(recordsOf(sorted.byTask.get('task-2'))).toEqual([6]);
  expect(recordsOf(sorted.byWorkflow.get('w-1'))).toEqual([1, 7]);
  expect(recordsOf(sorted.deliveries)).toEqual([2]);
  expect(sorted.heartbeats).toMatchObject([{ record: 3, taskId: 'task-1' }]);
  expect(services).toEqual(['stray']);
  expect([...sorted.refused]).toEqual([[5, 'tasktrail.task.id is not a valid id']]);
});

test('push starts a list or extends it', () => {
  const lists = new Map<string, number[]>();
  push(lists, 'a', 1);
  push(lists, 'b', 2);
  push(lists, 'a', 3);
  expect([...lists]).toEqual([
    ['a', [1, 3]],
    ['b', [2]],
  ]);
});
