import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Notification } from '../../src/notify/notification.ts';
import { outboxFile } from '../../src/notify/outbox/file-storage.ts';
import { Outbox } from '../../src/notify/outbox/receiver-outbox.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { createNotificationList, outboxFiles } from '../../src/trail/notify/notification-list.ts';
import { ask, listen, tempDir } from './log-server.ts';

const AT = '2026-01-02T03:04:0';

function notificationOf(index: number, more: Partial<Notification> = {}): Notification {
  const queuedAt = `${AT}${index}.000Z`;
  return {
    ...{ webhookId: `msg_${index}`, type: 'task.failed', subject: `task task-${index}`, queuedAt },
    ...{ state: 'pending', attempts: 0, lastAt: null, lastStatus: null, lastFailure: null },
    ...{ refusedSince: null, nextAt: queuedAt, reason: null, payload: '{"secret":"body"}' },
    ...more,
  };
}

async function serve(): Promise<number> {
  const logDir = await tempDir();
  mkdirSync(join(logDir, '_notify'));
  const now = (): number => Date.parse(`${AT}9.000Z`);
  const chat = await Outbox.open({ lines: outboxFile(logDir, 'chat'), now });
  for (const index of [1, 2, 3]) await chat.set(notificationOf(index));
  const tried = { attempts: 2, lastAt: `${AT}5.000Z`, lastStatus: 503, lastFailure: 'answered 503' };
  await chat.set(notificationOf(2, tried));
  await chat.set(
    notificationOf(3, { ...tried, lastStatus: 204, lastFailure: null, state: 'delivered', nextAt: null }),
  );
  const pager = await Outbox.open({ lines: outboxFile(logDir, 'pager'), now });
  await pager.set(notificationOf(4, { type: 'workflow.failed', subject: 'workflow workflow-1' }));
  const url = 'https://hooks.example.com/a-secret-path';
  const receiver = { ...{ name: 'chat', url, secret: [], on: [], allowAddresses: [] }, filter: undefined };
  const list = createNotificationList(outboxFiles(logDir), [{ ...receiver, link: undefined }]);
  return listen(serveLogs({ reader: { ...createReader(logDir), ...list } }));
}

const idsOf = (items: unknown): unknown[] =>
  (items as { webhook_id: string }[]).map(({ webhook_id: id }) => id);

test('notifications are listed newest first, filtered and in pages', async () => {
  const port = await serve();
  const first = (await ask(port, '/notifications?limit=3')).json();
  expect(idsOf(first.items)).toEqual(['msg_4', 'msg_3', 'msg_2']);
  const next = (await ask(port, `/notifications?limit=3&cursor=${String(first.next_cursor)}`)).json();
  expect([idsOf(next.items), next.next_cursor]).toEqual([['msg_1'], null]);
  for (const [query, ids] of [
    ['receiver=pager', ['msg_4']],
    ['state=delivered', ['msg_3']],
    ['state=pending&receiver=chat', ['msg_2', 'msg_1']],
    ['type=workflow.failed', ['msg_4']],
    ['receiver=none', []],
  ] as const)
    expect(idsOf((await ask(port, `/notifications?${query}`)).json().items)).toEqual(ids);
});

test('an item has its tries, last answer and next try, and not its body', async () => {
  const { text, json } = await ask(await serve(), '/notifications?state=pending&receiver=chat&limit=1');
  expect(json().items).toEqual([
    {
      ...{ receiver: 'chat', webhook_id: 'msg_2', type: 'task.failed', task_id: 'task-2', workflow_id: null },
      ...{
        state: 'pending',
        queued_at: `${AT}2.000Z`,
        attempts: 2,
        last_at: `${AT}5.000Z`,
        last_status: 503,
      },
      ...{ last_failure: 'answered 503', next_at: `${AT}2.000Z`, reason: null },
      links: { task: '/tasks/task-2' },
    },
  ]);
  expect(text).not.toContain('secret');
});

test('a receiver has its counts and its trouble, and of its URL only the origin', async () => {
  const { text, json } = await ask(await serve(), '/notifications/receivers');
  expect(json().items).toMatchObject([
    {
      ...{ receiver: 'chat', origin: 'https://hooks.example.com', is_configured: true },
      ...{ due: 3, delivered: 1, pending: 2, dropped: {}, gone_at: null },
      trouble: expect.stringMatching(/2 waiting; 2 tries of msg_2 failed.*answered 503/),
    },
    { receiver: 'pager', origin: null, is_configured: false, due: 1, pending: 1, trouble: null },
  ]);
  expect(text).not.toContain('secret');
});

test.each([
  'state=lost',
  'type=task.done',
  'limit=0',
  'limit=x',
  'cursor=x',
  'colour=red',
  'state=pending&state=x',
])('%s is refused', async (query) => {
  const { status, json } = await ask(await serve(), `/notifications?${query}`);
  expect([status, json().code]).toEqual([400, 'ERR_INPUT_INVALID']);
});
