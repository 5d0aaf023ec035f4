import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { DeliveryPage, DeliveryQuery } from '../../src/model/delivery.ts';
import { createLedger, type DeliveryLedger } from '../../src/webhooks/ledger.ts';
import { installMemory } from '../support/memory-recorder.ts';
import { openReceiver } from '../support/receiver.ts';
import { say, VENDOR, VENDORS } from '../support/vendors.ts';

function line(
  id: unknown,
  taskIds: unknown = [`task-${id}`],
  provider: unknown = 'github',
): DeliveryPage['items'][number] {
  return {
    provider,
    delivery_id: id,
    task_ids: taskIds,
    outcome: 'accepted',
  } as DeliveryPage['items'][number];
}

async function tasksOf(ledger: DeliveryLedger, id: string): Promise<readonly string[] | undefined> {
  const known = await ledger.find('github', id);
  return known && [...known.tasks.values()];
}

/** Serves these lines in pages, and keeps the queries. */
function listing(pages: readonly DeliveryPage['items'][]): {
  asked: DeliveryQuery[];
  listDeliveries: (query: DeliveryQuery) => Promise<DeliveryPage>;
} {
  const asked: DeliveryQuery[] = [];
  return {
    asked,
    listDeliveries: async (query) => {
      asked.push(query);
      const at = Number(query.cursor ?? 0);
      return { items: pages[at] ?? [], nextCursor: at + 1 < pages.length ? String(at + 1) : null };
    },
  };
}

test('accepted deliveries of the last four days are read page by page, once', async () => {
  const { asked, listDeliveries } = listing([[line('a'), line('b', ['task-1', 'task-2'])], [line('c')]]);
  const ledger = createLedger({ listDeliveries });
  expect(asked).toEqual([]);
  expect(await Promise.all(['a', 'b', 'c', 'd'].map((id) => tasksOf(ledger, id)))).toEqual([
    ['task-a'],
    ['task-1', 'task-2'],
    ['task-c'],
    undefined,
  ]);
  expect(await ledger.find('jira', 'a')).toBeUndefined();
  expect(asked).toHaveLength(2);
  expect(asked[0]?.outcome).toBe('accepted');
  const days = (Date.now() - Date.parse(asked[0]?.since ?? '')) / 86_400_000;
  expect(days).toBeGreaterThan(3);
  expect(days).toBeLessThan(5);
});

test('foreign lines are skipped', async () => {
  const { listDeliveries } = listing([
    [line(null), line(7), line('a', 'x'), line('b', [1, 'task-b']), line('c', [], 3)],
  ]);
  const ledger = createLedger({ listDeliveries });
  expect(await ledger.find('github', 'a')).toBeUndefined();
  expect(await tasksOf(ledger, 'b')).toEqual(['task-b']);
});

test('an unanswered delivery is found by its tasks, without the refused ones', async () => {
  const { listDeliveries } = listing([[line('answered')]]);
  const task = (id: string, command: string, more: object = {}): DeliveryPage['items'][number] =>
    ({ provider: 'github', webhook_id: id, task_id: `task-${id}-${command}`, command, ...more }) as never;
  const asked: unknown[] = [];
  const ledger = createLedger({
    listDeliveries,
    listTasks: async (query) => {
      asked.push(query);
      const refused = task('part', 'fix', { status: 'failed', started_at: null });
      const ran = task('part', 'plan', { status: 'failed', started_at: '2026-01-01T00:00:00.000Z' });
      const items = [task('part', 'review', { status: 'queued' }), refused, ran, task('answered', 'review')];
      return { items: [...items, { task_id: 'task-of-cron', source: 'cron' } as never], nextCursor: null };
    },
  });
  expect(await ledger.find('github', 'part')).toEqual({
    isAnswered: false,
    tasks: new Map([
      ['review', 'task-part-review'],
      ['plan', 'task-part-plan'],
    ]),
  });
  expect(await ledger.find('github', 'answered')).toMatchObject({ isAnswered: true });
  expect(asked).toMatchObject([{ source: 'webhook' }]);
});

test('a delivery waits until the records of an earlier process are stored, and is never called new before', {
  tags: 'full',
}, async () => {
  let settle = (): void => {};
  const ready = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const { asked, listDeliveries } = listing([[line('a')]]);
  const ledger = createLedger({ listDeliveries, ready });
  // Slack's limit is the shortest: a delivery of another sender still waits.
  const found = tasksOf(ledger, 'a');
  await expect(ledger.find('slack', 'a')).rejects.toMatchObject({
    code: 'ERR_QUEUE_UNAVAILABLE',
    retryable: true,
  });
  expect(asked).toEqual([]);
  settle();
  expect(await found).toEqual(['task-a']);
  expect(await tasksOf(ledger, 'b')).toBeUndefined();
});

test('a failing store is reported, and deliveries count as new', async () => {
  const errors: unknown[] = [];
  const broken = createLedger({
    listDeliveries: async () => Promise.reject(new RangeError('disk')),
    onError: (error) => errors.push(error),
  });
  expect(await broken.find('github', 'a')).toBeUndefined();
  expect(errors).toMatchObject([{ message: 'disk' }]);
});

test('an endless list is read up to a limit', async () => {
  const items = Array.from({ length: 1_000 }, (_, n) => line(`x${n}`));
  let asked = 0;
  const listDeliveries = async (): Promise<DeliveryPage> => {
    asked += 1;
    return { items, nextCursor: 'on' };
  };
  await createLedger({ listDeliveries }).find('github', 'a');
  expect(asked).toBe(50);
});

test.each(VENDORS)(
  'a delivery of $name that an earlier process has handled starts no second task',
  async (vendor) => {
    installMemory();
    const id = randomUUID();
    const { listDeliveries } = listing([[line(id, ['task-before'], vendor.name)]]);
    const receiver = await openReceiver({ ...vendor.options, ledger: createLedger({ listDeliveries }) });
    const twins = await Promise.all([1, 2].map(() => say(receiver.url, vendor, '@agent review', id)));
    for (const response of twins) {
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: 'duplicate', task_ids: ['task-before'] });
    }
    expect((await say(receiver.url, vendor, '@agent review')).status).toBe(202);
    expect(receiver.tasks).toHaveLength(1);
    await receiver.close();
  },
);

test('the ledger is not read for a delivery that is not authentic', async () => {
  installMemory();
  const { asked, listDeliveries } = listing([[]]);
  const receiver = await openReceiver({ ...VENDOR.github.options, ledger: createLedger({ listDeliveries }) });
  await fetch(`${receiver.url}/webhooks/github`, {
    method: 'POST',
    headers: { 'x-github-delivery': 'a' },
    body: '{}',
  });
  expect(asked).toEqual([]);
  await receiver.close();
});
