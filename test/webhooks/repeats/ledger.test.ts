import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { DeliveryPage, DeliveryQuery } from '../../../src/model/delivery.ts';
import { createLedger, type DeliveryLedger } from '../../../src/webhooks/repeats/ledger.ts';
import { signSubject } from '../../../src/webhooks/repeats/subject.ts';
import { comment, deliver, SECRET } from '../../support/deliveries.ts';
import { installMemory } from '../../support/memory-recorder.ts';
import { openReceiver } from '../../support/receiver.ts';
import { say, VENDOR, VENDORS } from '../../support/vendors.ts';

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

test('the task of a comment is found by its code, whatever delivery started it', async () => {
  const accepted = (macs: unknown, tasks: Readonly<Record<string, string>>, more: object = {}) =>
    ({
      ...line(randomUUID(), Object.values(tasks)),
      subject: 'issue_comment 5 7',
      subject_macs: macs,
      stages: Object.entries(tasks).map(([command, id]) => ({ stage: 'task_created', command, task_id: id })),
      ...more,
    }) as DeliveryPage['items'][number];
  const { listDeliveries } = listing([
    [
      accepted({ review: 'm1', fix: 'm2' }, { review: 'task-1' }),
      accepted({ fix: 'm3' }, { fix: 'task-2', plan: 'task-3' }),
    ],
    // Without a code, of another provider, and with a task that it has not started.
    [
      accepted(undefined, { review: 'task-4' }),
      accepted({ review: 'm4' }, { review: 'task-5' }, { provider: 'jira' }),
      accepted({ review: 'm5' }, { review: 'task-6' }, { task_ids: [] }),
      accepted({ review: 7 }, { review: 'task-7' }),
      accepted(
        { plan: 'm6' },
        {},
        { stages: [null, 7, { stage: 'task_created', task_id: 1, command: 'plan' }] },
      ),
      accepted({}, { constructor: 'task-8' }),
    ],
  ]);
  const task = (mac: string, command: string, more: object = {}): DeliveryPage['items'][number] =>
    ({
      provider: 'github',
      webhook_subject_mac: mac,
      task_id: `task-of-${command}`,
      command,
      ...more,
    }) as never;
  const ledger = createLedger({
    listDeliveries,
    listTasks: async () => ({
      items: [
        task('m7', 'review', { status: 'queued' }),
        task('m8', 'fix', { status: 'failed', started_at: null }),
      ],
      nextCursor: null,
    }),
  });
  const find = async (...macs: string[]) => ledger.findTask?.('github', macs);
  expect(await find('m1')).toEqual({ taskId: 'task-1', isAnswered: true });
  expect(await find('m3')).toEqual({ taskId: 'task-2', isAnswered: true });
  for (const mac of ['m2', 'm4', 'm5', 'm6', 'issue_comment 5 7', 'undefined']) {
    expect(await find(mac), mac).toBeUndefined();
  }
  expect(await ledger.findTask?.('jira', ['m4'])).toMatchObject({ taskId: 'task-5' });
  // The task of an unanswered delivery; the refused one may start.
  expect(await find('m0', 'm7')).toEqual({ taskId: 'task-of-review', isAnswered: false });
  expect(await find('m8')).toBeUndefined();
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

test('a record that names a comment and has not the code of a receiver makes nothing known', async () => {
  installMemory();
  const subject = 'issue_comment 5 7';
  const payload = comment('@agent review', { repository: { id: 5 } }, 7);
  const forged = { ...line(randomUUID(), ['task-forged']), subject, stages: [CREATED] };
  const signed = signSubject({ name: 'github', secrets: [SECRET] }, subject);
  for (const [mac, status] of [
    [undefined, 202],
    ['0'.repeat(32), 202],
    [subject, 202],
    // That of another command of the same comment.
    [signed?.macsOf('fix')[0], 202],
    [signed?.macsOf('review')[0], 200],
  ] as const) {
    const { listDeliveries } = listing([[{ ...forged, subject_macs: { review: mac } } as never]]);
    const receiver = await openReceiver({ ledger: createLedger({ listDeliveries }) });
    expect((await deliver(receiver.url, payload)).status, String(mac)).toBe(status);
    await receiver.close();
  }
});

const CREATED = { stage: 'task_created', task_id: 'task-forged', command: 'review' };

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
