import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { DeliveryPage, DeliveryQuery } from '../../../src/model/delivery.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import {
  createLedger,
  type DeliveryLedger,
  type KnownDelivery,
  type KnownTask,
  type LedgerOptions,
} from '../../../src/webhooks/repeats/ledger.ts';
import { createProofs } from '../../../src/webhooks/repeats/proofs.ts';
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

const KEY = 'f'.repeat(64);

/** The line of a delivery that this trail has accepted. */
function proven(more: object = {}, key: string = KEY): JsonObject {
  const facts = {
    provider: 'github',
    deliveryId: 'a',
    subject: 'comment 7',
    tasks: [['review', 'task-1']],
  } as const;
  return {
    timestamp: '2026-01-02T03:04:05.000Z',
    provider: 'github',
    delivery_id: 'a',
    subject: 'comment 7',
    subject_macs: { review: 'm1', fix: 'm2' },
    outcome: 'accepted',
    task_ids: ['task-1'],
    stages: [{ stage: 'received' }, { stage: 'task_created', command: 'review', task_id: 'task-1' }],
    mac: createProofs(key).ofDelivery(facts),
    ...more,
  };
}

function provenTask(more: object = {}, key: string = KEY): JsonObject {
  const facts = {
    taskId: 'task-1',
    provider: 'github',
    command: 'review',
    deliveryId: 'a',
    subject: 'comment 7',
  };
  return {
    task_id: 'task-1',
    provider: 'github',
    command: 'review',
    webhook_id: 'a',
    webhook_subject: 'comment 7',
    webhook_subject_mac: 'm1',
    status: 'running',
    webhook_mac: createProofs(key).ofTask(facts),
    ...more,
  };
}

interface Remembered {
  readonly delivery: KnownDelivery | undefined;
  readonly task: KnownTask | undefined;
}

async function remember(
  given: { readonly lines?: readonly JsonObject[]; readonly tasks?: readonly JsonObject[] },
  options: Partial<LedgerOptions> = {},
): Promise<Remembered> {
  const ledger = createLedger({
    listDeliveries: listing([(given.lines ?? []) as DeliveryPage['items']]).listDeliveries,
    listTasks: async () => ({ items: given.tasks ?? [], nextCursor: null }),
    proofs: async () => createProofs(KEY),
    ...options,
  });
  const delivery = await ledger.find('github', 'a');
  const about = { subject: 'comment 7', command: 'review' };
  return { delivery, task: await ledger.findTask?.('github', ['other'], about) };
}

const CREATED_FIX = { stage: 'task_created', command: 'fix', task_id: 'task-1' };

test('a proven delivery is known by its id and its comment, whatever secret the webhook has now', async () => {
  const { delivery, task } = await remember({ lines: [proven()] });
  expect(delivery).toEqual({ isAnswered: true, tasks: new Map([['task-1', 'task-1']]) });
  expect(task).toEqual({ taskId: 'task-1', isAnswered: true });
  const unanswered = await remember({ tasks: [provenTask()] });
  expect(unanswered.delivery).toEqual({ isAnswered: false, tasks: new Map([['review', 'task-1']]) });
  expect(unanswered.task).toEqual({ taskId: 'task-1', isAnswered: false });
});

test.each<[string, JsonObject]>([
  ['without a code', proven({ mac: undefined })],
  ['with a code of another key', proven({}, 'e'.repeat(64))],
  ['with the code of another delivery', proven({ mac: proven().mac, delivery_id: 'b' })],
  ['with the code of another provider', proven({ provider: 'jira' })],
  ['with the code of another comment', proven({ subject: 'comment 8' })],
  ['with a further command', proven({ stages: [...(proven().stages as JsonObject[]), CREATED_FIX] })],
  ['with a code that is no text', proven({ mac: 7 })],
])('a line %s makes nothing known', async (_which, line) => {
  const key = { delivery_id: 'a', provider: 'github', subject: 'comment 7' };
  const { delivery, task } = await remember({
    lines: [line.mac === proven().mac ? line : { ...line, ...key }],
  });
  expect([delivery, task]).toEqual([undefined, undefined]);
});

test('the codes of a proven line hold for the commands that it has started', async () => {
  const copy = proven({ subject_macs: { review: 'stolen', fix: 'stolen' } });
  const ledger = createLedger({
    listDeliveries: listing([[copy] as DeliveryPage['items']]).listDeliveries,
    proofs: async () => createProofs(KEY),
  });
  expect(
    await ledger.findTask?.('github', ['stolen'], { subject: 'comment 8', command: 'review' }),
  ).toBeUndefined();
  expect(
    await ledger.findTask?.('github', ['stolen'], { subject: 'comment 7', command: 'fix' }),
  ).toBeUndefined();
});

test.each<[string, JsonObject]>([
  ['without a code', provenTask({ webhook_mac: undefined })],
  ['with a code of another key', provenTask({}, 'e'.repeat(64))],
  ['with the code of another task', provenTask({ task_id: 'task-2' })],
  ['with the code of another command', provenTask({ command: 'fix' })],
])('a task %s makes nothing known', async (_which, task) => {
  const found = await remember({ tasks: [task] });
  expect([found.delivery, found.task]).toEqual([undefined, undefined]);
});

test('a proven task that waits in no queue was not accepted, and its delivery starts it', async () => {
  const tasks = [provenTask({ status: 'queued' })];
  const kept = { readKept: async () => (id: string) => id === 'task-1' };
  expect((await remember({ tasks }, kept)).delivery?.isAnswered).toBe(false);
  expect((await remember({ tasks }, { readKept: async () => () => false })).delivery).toBeUndefined();
  const begun = [provenTask({ status: 'queued', started_at: '2026-01-02T03:04:05.000Z' })];
  expect((await remember({ tasks: begun }, { readKept: async () => () => false })).delivery).toBeDefined();
});

test('records of a version without proofs count until the first start of this one, foreign ones never', async () => {
  const former = { unprovenBefore: async () => '2026-01-02T03:04:06.000Z', readKept: async () => () => true };
  const unproven = proven({ mac: undefined });
  expect((await remember({ lines: [unproven] }, former)).delivery).toBeDefined();
  for (const line of [
    { ...unproven, timestamp: '2026-01-02T03:04:07.000Z' },
    { ...unproven, sender: 'anonymous' },
    { ...unproven, sender: 'agent' },
  ]) {
    expect((await remember({ lines: [line] }, former)).delivery).toBeUndefined();
  }
  const task = provenTask({ webhook_mac: undefined });
  expect((await remember({ tasks: [task] }, former)).delivery).toBeDefined();
  expect(
    (await remember({ tasks: [task] }, { ...former, readKept: async () => () => false })).delivery,
  ).toBeUndefined();
  // Without a key nothing has a proof.
  expect((await remember({ lines: [proven()] }, { proofs: async () => undefined })).delivery).toBeUndefined();
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
