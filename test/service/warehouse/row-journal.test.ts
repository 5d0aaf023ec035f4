import { resourceFromAttributes } from '@opentelemetry/resources';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { TasktrailError } from '../../../src/errors.ts';
import { OtelRecorder } from '../../../src/export/otel-recorder.ts';
import type { TelemetryBatch } from '../../../src/model/otlp.ts';
import type { Sender } from '../../../src/model/sender.ts';
import { startDelivery } from '../../../src/record/delivery.ts';
import { setRecorder } from '../../../src/record/recorder.ts';
import { prepareTask } from '../../../src/record/task/queued-task.ts';
import { RowJournal, STORE } from '../../../src/service/warehouse/row-journal.ts';
import { until } from '../../support/until.ts';

/** A store that can be away, with the names of the events that it has, and their tasks. */
function open() {
  const stored: { readonly name: string; readonly text: string; readonly sender: Sender['kind'] }[] = [];
  const state = { isAway: false, calls: 0 };
  const books = new Books();
  const sink = {
    ingest: async ({ logs }: TelemetryBatch, { kind }: Sender) => {
      state.calls += 1;
      if (state.isAway) throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'it is away', { retryable: true });
      for (const { record } of logs)
        stored.push({ name: String(record.eventName), text: JSON.stringify(record), sender: kind });
      return { rejected: 0, reasons: [] };
    },
  };
  const forwarded: string[] = [];
  books.setDestinations([STORE]);
  const forwarding = {
    destinations: [],
    add: (entries: readonly { readonly json: string }[]) =>
      void forwarded.push(...entries.map(({ json }) => json)),
  };
  const journal = new RowJournal({ sink, books, forwarding });
  const recorder = new OtelRecorder({ resource: resourceFromAttributes({}), journal });
  recorder.install();
  setRecorder(recorder);
  onTestFinished(async () => {
    setRecorder(undefined);
    recorder.uninstall();
    await journal.close(0);
  });
  const names = (): readonly string[] => stored.map(({ name }) => name.replace('tasktrail.', ''));
  return { stored, state, books, journal, recorder, names, forwarded };
}

const INPUT = { source: 'webhook', message: 'review this' };
const QUEUE = { queue: 'agent', system: 'bullmq' };
const FACTS = ['task.metadata', 'task.input', 'task.metadata'];

test('a task is stored before it is queued, and nothing of it is left when the store does not take it', async () => {
  const { state, names, recorder, books, forwarded } = open();
  state.isAway = true;
  const pushed: string[] = [];
  const start = async (): Promise<void> => {
    const task = prepareTask(INPUT, { isHeld: true });
    await task.enqueue(QUEUE, async () => {
      await task.keep();
      pushed.push(...names());
    });
  };
  await expect(start()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retryable: true });
  expect([pushed, names(), forwarded]).toEqual([[], [], []]);
  state.isAway = false;
  await start();
  expect(pushed).toEqual(FACTS);
  // Each once, and only what is stored.
  expect(forwarded.length).toBeGreaterThanOrEqual(FACTS.length);
  expect(new Set(forwarded).size).toBe(forwarded.length);
  await recorder.synced();
  // Not a second time when it is announced.
  expect(names()).toEqual(FACTS);
  expect(books.snapshot()).toMatchObject({ dropped: {}, pending: { store: 0 } });
});

test('a task of a delivery that was stored and could not be queued is no task of the delivery, nor a failed one', async () => {
  const { names, recorder, stored } = open();
  const delivery = startDelivery(
    { method: 'POST', url: '/webhooks/github', headers: {} },
    { provider: 'github' },
  );
  delivery.stage('received', {});
  const task = delivery.task({ ...INPUT, taskId: 'task-1' }, { isHeld: true });
  await expect(
    task.enqueue(QUEUE, async () => {
      await task.keep();
      throw new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'Redis is away', { retryable: true });
    }),
  ).rejects.toThrow('Redis is away');
  delivery.outcome('rejected', 'Redis is away');
  delivery.end(503);
  await recorder.synced();
  const kept = ['webhook.received', 'task.metadata', 'task.input', 'webhook.task_created', 'task.metadata'];
  expect(names()).toEqual([...kept, 'webhook.delivery']);
  expect(stored.at(-1)?.text).not.toContain('task_created');
  // Sent again: only what is missing.
  const again = startDelivery(
    { method: 'POST', url: '/webhooks/github', headers: {} },
    { provider: 'github' },
  );
  again.stage('received', {});
  const before = names().length;
  const recorded = new Set(['received', 'task_created']);
  const same = again.task({ ...INPUT, taskId: 'task-1' }, { isHeld: true, recorded });
  await same.enqueue(QUEUE, () => same.keep());
  again.end(202);
  await recorder.synced();
  expect(names().slice(before)).toEqual([...FACTS, 'webhook.queue_push', 'webhook.delivery']);
  expect(again.taskIds).toEqual(['task-1']);
});

test('records wait while the store is away, in their order, and nothing is stored twice', async () => {
  const { state, names, recorder, stored, books } = open();
  state.isAway = true;
  for (const id of ['one', 'two']) {
    startDelivery({ method: 'POST', url: '/webhooks/x', headers: {} }, { deliveryId: id }).end(200);
  }
  await expect(recorder.synced()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  startDelivery({ method: 'POST', url: '/webhooks/x', headers: {} }, { deliveryId: 'three' }).end(200);
  await expect(recorder.synced()).rejects.toThrow('it is away');
  expect(books.snapshot().pending).toEqual({ store: 6 });
  state.isAway = false;
  await until(() => names().length === 3, 'the deliveries');
  await recorder.synced();
  expect(stored.map(({ text }) => /one|two|three/.exec(text)?.[0])).toEqual(['one', 'two', 'three']);
  expect(stored.map(({ sender }) => sender)).toEqual(['trail', 'trail', 'trail']);
  expect(books.snapshot()).toMatchObject({ recorded: 6, delivered: { store: 6 }, pending: { store: 0 } });
});

test('what the store has not taken when the service ends is counted as dropped', async () => {
  const { state, journal, books } = open();
  state.isAway = true;
  startDelivery({ method: 'POST', url: '/webhooks/x', headers: {} }).end(200);
  await journal.close(50);
  startDelivery({ method: 'POST', url: '/webhooks/x', headers: {} }).end(200);
  const { recorded, dropped, pending } = books.snapshot();
  expect({ recorded, dropped, pending }).toEqual({
    ...{ recorded: 4, dropped: { journal_closed: 4 } },
    pending: { store: 0 },
  });
});
