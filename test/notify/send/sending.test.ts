import { appendFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isoFromMs } from '../../../src/model/time.ts';
import type { Notification } from '../../../src/notify/notification.ts';
import type { Receiver } from '../../../src/notify/notify-receiver.ts';
import { outboxFile } from '../../../src/notify/outbox/file-storage.ts';
import { countsOf, troubleOf } from '../../../src/notify/outbox/notification-counts.ts';
import { readOutbox } from '../../../src/notify/outbox/read-outbox.ts';
import { Outbox } from '../../../src/notify/outbox/receiver-outbox.ts';
import type { SendOutcome } from '../../../src/notify/send/send-outcome.ts';
import { Sending } from '../../../src/notify/send/sending.ts';
import { tempDir } from '../../support/log-dir.ts';
import { NOTIFY_SECRET } from '../../support/notify-receiver.ts';

const RECEIVER: Receiver = {
  name: 'chat',
  url: 'https://example.com/hook',
  secrets: [NOTIFY_SECRET],
  on: ['task.*'],
  allowAddresses: [],
  link: undefined,
  matches: undefined,
};

const START = Date.parse('2026-01-02T00:00:00Z');
const HOUR = 3_600_000;

interface Rig {
  readonly logDir: string;
  readonly outbox: Outbox;
  /** Ids in the order in which they were sent, each try. */
  readonly sent: string[];
  add(id: string, subject?: string): Promise<void>;
  /** Moves the clock and lets the sending look. */
  pass(ms: number): void;
}

async function rig(answer: (id: string, tries: number) => Partial<SendOutcome>): Promise<Rig> {
  const logDir = await tempDir();
  mkdirSync(join(logDir, '_notify'));
  let now = START;
  const sent: string[] = [];
  const outbox = await Outbox.open({ lines: outboxFile(logDir, 'chat'), now: () => now });
  const sending = new Sending({
    ...{ receiver: RECEIVER, outbox, now: () => now, onChange: () => {}, log: () => {} },
    holds: async () => true,
    random: () => 0.5,
    send: async (_url, _body, { headers }) => {
      const id = headers['webhook-id'] ?? '';
      sent.push(id);
      const tries = sent.filter((one) => one === id).length;
      const { status = 200, failure, retryAfterMs } = answer(id, tries);
      return { status: status === 0 ? undefined : status, failure, retryAfterMs };
    },
  });
  sending.start();
  onTestFinished(() => sending.close());
  return {
    logDir,
    outbox,
    sent,
    add: async (id, subject = `task ${id}`) => {
      await outbox.set(notificationOf(id, subject, now));
      sending.wake();
    },
    pass: (ms) => {
      now += ms;
      sending.wake();
    },
  };
}

function notificationOf(webhookId: string, subject: string, nowMs: number): Notification {
  const at = isoFromMs(nowMs);
  return {
    ...{ webhookId, subject, type: 'task.completed', queuedAt: at, state: 'pending', attempts: 0 },
    ...{ lastAt: null, lastStatus: null, lastFailure: null, refusedSince: null, nextAt: at, reason: null },
    payload: `{"of":"${webhookId}"}`,
  };
}

test('one that fails holds back all later ones, which then come in order', async () => {
  const { add, pass, sent } = await rig((id, tries) =>
    id === 'a' && tries < 3 ? { status: 500, failure: 'answered 500' } : {},
  );
  for (const id of ['a', 'b', 'c']) await add(id);
  await expect.poll(() => sent).toEqual(['a']);
  pass(5_000);
  await expect.poll(() => sent).toEqual(['a', 'a']);
  pass(30_000);
  await expect.poll(() => sent).toEqual(['a', 'a', 'a', 'b', 'c']);
});

test('one that is refused for half an hour holds back only those of its task', async () => {
  const { add, pass, sent, outbox } = await rig((id) =>
    id === 'a' ? { status: 400, failure: 'answered 400' } : {},
  );
  await add('a', 'task 1');
  await add('b', 'task 1');
  await add('c', 'task 2');
  await expect.poll(() => sent).toEqual(['a']);
  for (let step = 0; step < 40; step += 1) {
    pass(60_000);
    await expect.poll(() => [...outbox.pending][0]?.nextAt ?? '').not.toBe('');
  }
  await expect.poll(() => sent.includes('c')).toBe(true);
  expect(sent).not.toContain('b');
});

test('a receiver without an answer holds back everything, however long', async () => {
  const { add, pass, sent } = await rig(() => ({ status: 0, failure: 'connection refused' }));
  await add('a', 'task 1');
  await add('b', 'task 2');
  await expect.poll(() => sent.length).toBe(1);
  for (let tries = 2; tries < 12; tries += 1) {
    pass(8 * HOUR - 1);
    await expect.poll(() => sent.length).toBeGreaterThanOrEqual(tries);
    if (tries * 8 > 64) break;
  }
  expect(sent).not.toContain('b');
});

test('after three days it is dropped, and the books balance', async () => {
  const { add, pass, sent, outbox } = await rig(() => ({ status: 503, failure: 'answered 503' }));
  await add('a');
  await expect.poll(() => sent.length).toBe(1);
  pass(72 * HOUR);
  await expect
    .poll(() => countsOf(outbox))
    .toEqual({ due: 1, delivered: 0, pending: 0, dropped: { expired: 1 } });
});

test('Retry-After is waited for when it is longer than the pause', async () => {
  const { add, pass, sent, outbox } = await rig((_id, tries) =>
    tries === 1 ? { status: 429, failure: 'answered 429', retryAfterMs: HOUR } : {},
  );
  await add('a');
  await expect.poll(() => [...outbox.pending][0]?.nextAt).toBe(isoFromMs(START + HOUR));
  pass(HOUR - 1);
  await add('b');
  expect(sent).toEqual(['a']);
  pass(1);
  await expect.poll(() => sent).toEqual(['a', 'a', 'b']);
});

test('410 ends the receiver: what waits is dropped, and the trouble says so', async () => {
  const { add, sent, outbox } = await rig((id) =>
    id === 'b' ? { status: 410, failure: 'answered 410' } : {},
  );
  await add('a');
  await expect.poll(() => countsOf(outbox).delivered).toBe(1);
  await Promise.all([add('b'), add('c')]);
  await expect
    .poll(() => countsOf(outbox))
    .toEqual({ due: 3, delivered: 1, pending: 0, dropped: { gone: 2 } });
  expect(sent).toEqual(['a', 'b']);
  expect(troubleOf(outbox)).toMatch(/answered 410/);
});

test('a file with a torn and a damaged line is read without them, and is whole again', async () => {
  const { add, outbox, logDir } = await rig(() => ({ status: 500, failure: 'answered 500' }));
  await add('a');
  await expect.poll(() => [...outbox.pending][0]?.attempts).toBe(1);
  const path = join(logDir, '_notify', 'chat.jsonl');
  appendFileSync(path, '{"event":"notification","webhook_id":5}\n{"event":"notif');
  expect((await readOutbox(logDir, 'chat'))?.badLines).toHaveLength(2);
  const again = await Outbox.open({ lines: outboxFile(logDir, 'chat'), now: () => START });
  expect([...again.pending]).toMatchObject([{ webhookId: 'a', attempts: 1, payload: '{"of":"a"}' }]);
  expect((await readOutbox(logDir, 'chat'))?.badLines).toEqual([]);
});

test('what cannot be written is kept in memory, told, and written later', async () => {
  const logDir = await tempDir();
  mkdirSync(join(logDir, '_notify'));
  const outbox = await Outbox.open({ lines: outboxFile(logDir, 'chat'), now: () => START });
  const path = join(logDir, '_notify', 'chat.jsonl');
  const before = readFileSync(path, 'utf8');
  // No file can be opened here, for any user.
  const { rmSync } = await import('node:fs');
  rmSync(path);
  mkdirSync(path);
  await outbox.set(notificationOf('a', 'task 1', START));
  expect(outbox.behind).toBeDefined();
  expect(await outbox.sync()).toBe(false);
  rmSync(path, { recursive: true });
  writeFileSync(path, before);
  chmodSync(path, 0o600);
  expect(await outbox.sync()).toBe(true);
  expect([...((await readOutbox(logDir, 'chat'))?.state.all ?? [])]).toMatchObject([{ webhookId: 'a' }]);
});

test('the totals outlive the lines that they have counted', async () => {
  const { add, outbox, logDir } = await rig(() => ({}));
  for (let index = 0; index < 20; index += 1) await add(`m${index}`);
  await expect.poll(() => countsOf(outbox).delivered).toBe(20);
  for (const days of [0, 1, 5, 5]) {
    const again = await Outbox.open({
      lines: outboxFile(logDir, 'chat'),
      now: () => START + days * 24 * HOUR,
    });
    expect(countsOf(again)).toEqual({ due: 20, delivered: 20, pending: 0, dropped: {} });
  }
  expect([...((await readOutbox(logDir, 'chat'))?.state.all ?? [])]).toEqual([]);
});
