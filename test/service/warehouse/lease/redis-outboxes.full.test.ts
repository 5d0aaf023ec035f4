import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Notification } from '../../../../src/notify/notification.ts';
import { Outbox } from '../../../../src/notify/outbox/receiver-outbox.ts';
import { RedisLink } from '../../../../src/queue/bullmq/redis-link.ts';
import { RedisLease, type Term } from '../../../../src/service/warehouse/lease/redis-lease.ts';
import { RedisOutboxes } from '../../../../src/service/warehouse/lease/redis-outboxes.ts';
import { afterTest } from '../../../support/current-test.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';

const program = findRedis();

const START = Date.parse('2026-01-02T00:00:00Z');

function notification(webhookId: string, more: Partial<Notification> = {}): Notification {
  const at = new Date(START).toISOString();
  return {
    ...{ webhookId, type: 'task.failed', subject: `task ${webhookId}`, queuedAt: at, state: 'pending' },
    ...{ attempts: 0, lastAt: null, lastStatus: null, lastFailure: null, refusedSince: null, nextAt: at },
    ...{ reason: null, payload: '{}', ...more },
  };
}

describe.skipIf('missing' in program)('notifications in Redis', () => {
  let server: RedisServer;
  let prefixes = 0;

  beforeAll(async () => {
    server = await startRedis(program);
  });
  afterAll(() => server.stop());

  async function open(): Promise<{ outboxes: RedisOutboxes; term: Term; lease: RedisLease }> {
    prefixes += 1;
    const prefix = `test:{${prefixes}}:`;
    const link = new RedisLink(ioredis, { url: server.url, log: () => {} });
    await link.isReady(10_000);
    const lease = new RedisLease({ link, prefix, store: 'logs', onTaken: () => {}, onLost: () => {} });
    afterTest(async () => {
      await lease.close();
      link.close();
    });
    lease.start();
    const term = await until(() => lease.term, 'the term');
    return { outboxes: new RedisOutboxes({ link, prefix }), term, lease };
  }

  const openOutbox = (outboxes: RedisOutboxes, term: Term): Promise<Outbox> =>
    Outbox.open({ lines: outboxes.storage(term).open('chat'), now: () => START });

  test('what was queued and sent is there for the next holder, in order', async () => {
    const { outboxes, term } = await open();
    expect([await outboxes.names(), await outboxes.read('chat')]).toEqual([[], undefined]);
    const outbox = await openOutbox(outboxes, term);
    const long = 'x'.repeat(20_000);
    const ids = Array.from({ length: 120 }, (_, index) => `msg_${index}`);
    for (const id of ids) await outbox.set(notification(id, { payload: JSON.stringify({ long }) }));
    await outbox.set(notification('msg_0', { state: 'delivered', nextAt: null }));
    expect(outbox.behind).toBeUndefined();
    for (let times = 0; times < 2; times += 1) {
      // Each opening replaces the lines.
      const again = await openOutbox(outboxes, term);
      expect([...again.pending].map(({ webhookId }) => webhookId)).toEqual(ids.slice(1));
      expect(again.totals.delivered).toBe(1);
      expect(again.has('msg_0')).toBe(true);
    }
    expect(await outboxes.names()).toEqual(['chat']);
    expect((await outboxes.read('chat'))?.size).toBe(ids.length);
  });

  test('a holder whose term is over changes nothing, and knows it', async () => {
    const { outboxes, term, lease } = await open();
    const outbox = await openOutbox(outboxes, term);
    await outbox.set(notification('msg_1'));
    const storage = outboxes.storage(term);
    await storage.writeMark({ at: '2026-01-02T00:00:00.000Z', feed: undefined });
    await lease.close();
    expect([await storage.holds(true), await storage.holds(false)]).toEqual([false, false]);
    await outbox.set(notification('msg_2'));
    expect(outbox.behind).toBeDefined();
    expect(await outbox.sync()).toBe(false);
    await expect(storage.writeMark({ at: '2027-01-02T00:00:00.000Z', feed: undefined })).rejects.toThrow();
    expect([...((await outboxes.read('chat'))?.all ?? [])].map(({ webhookId }) => webhookId)).toEqual([
      'msg_1',
    ]);
    expect(await storage.readMark()).toEqual({ at: '2026-01-02T00:00:00.000Z', feed: undefined });
  });

  test('notifications of a receiver that is named no more are removed after a time, others are kept', async () => {
    const { outboxes, term } = await open();
    await (await openOutbox(outboxes, term)).set(notification('msg_1'));
    const storage = outboxes.storage(term);
    await storage.removeUnchanged('chat', 60_000);
    expect(await outboxes.names()).toEqual(['chat']);
    await storage.removeUnchanged('chat', -60_000);
    expect([await outboxes.names(), await outboxes.read('chat')]).toEqual([[], undefined]);
  });
});
