import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisLink } from '../../../../src/queue/bullmq/redis-link.ts';
import { RedisLease, type Term } from '../../../../src/service/warehouse/lease/redis-lease.ts';
import { afterTest } from '../../../support/current-test.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';

const program = findRedis();

interface Contender {
  readonly lease: RedisLease;
  readonly taken: Term[];
  readonly lost: Term[];
}

describe.skipIf('missing' in program)('the lease in Redis', () => {
  let server: RedisServer;
  let prefixes = 0;

  beforeAll(async () => {
    server = await startRedis(program, { appendOnly: true });
  });
  afterAll(() => server.stop());

  function newPrefix(): string {
    prefixes += 1;
    return `test:{${prefixes}}:`;
  }

  async function contend(
    prefix: string,
    { store = 'logs', leaseMs = 3_000, redis = server } = {},
  ): Promise<Contender> {
    const link = new RedisLink(ioredis, { url: redis.url, log: () => {} });
    const [taken, lost]: [Term[], Term[]] = [[], []];
    const lease = new RedisLease({
      ...{ link, prefix, store, leaseMs, renewMs: 100 },
      onTaken: (term) => taken.push(term),
      onLost: (term) => lost.push(term),
    });
    afterTest(async () => {
      await lease.close();
      link.close();
    });
    await link.isReady(10_000);
    lease.start();
    return { lease, taken, lost };
  }

  test('one of three holds it, and another one with a higher number when it is given back', async () => {
    const prefix = newPrefix();
    const all = [await contend(prefix), await contend(prefix), await contend(prefix)];
    const holders = (): Contender[] => all.filter(({ lease }) => lease.term !== undefined);
    await until(() => holders().length === 1, 'a holder');
    const [first] = holders();
    const number = first?.lease.term?.number ?? 0;
    await first?.lease.close();
    expect(first?.lost).toHaveLength(1);
    await until(() => holders().length === 1, 'the next holder');
    expect(holders()[0]?.lease.term?.number).toBeGreaterThan(number);
    expect(all.flatMap(({ taken }) => taken)).toHaveLength(2);
  });

  test('a term that is renewed goes on, and one that is not is over before Redis gives the lease away', async () => {
    const redis = await startRedis(program);
    afterTest(() => redis.stop());
    const { lease, taken, lost } = await contend(newPrefix(), { redis });
    await until(() => lease.term, 'the term');
    const [term] = taken;
    expect(await term?.confirm()).toBe(true);
    redis.pause();
    expect(await term?.confirm()).toBe(false);
    await until(() => lost.length === 1, 'the loss');
    expect(term?.isHeld()).toBe(false);
    expect(lease.term).toBeUndefined();
    await until(() => lease.problem, 'the problem');
    redis.resume();
    await until(() => taken.length === 2, 'the next term', 20_000);
    expect(term?.isHeld()).toBe(false);
    expect(lease.problem).toBeUndefined();
  });

  test('Redis runs no script for a term that is over, and runs it for the next one', async () => {
    const prefix = newPrefix();
    const one = await contend(prefix);
    await until(() => one.lease.term, 'the term');
    const [term] = one.taken;
    const write = (by: Term | undefined, value: string): Promise<unknown> | undefined =>
      by?.run("return redis.call('SET', KEYS[2], ARGV[2])", [`${prefix}value`], [value]);
    await write(term, 'first');
    await one.lease.close();
    const other = await contend(prefix);
    await until(() => other.lease.term, 'the other term');
    await expect(write(term, 'late')).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
    await write(other.taken[0], 'second');
    const link = new RedisLink(ioredis, { url: server.url, log: () => {} });
    afterTest(() => link.close());
    expect(await link.ask(() => link.client.get(`${prefix}value`))).toBe('second');
  });

  test('numbers grow also after Redis was emptied', async () => {
    const redis = await startRedis(program);
    afterTest(() => redis.stop());
    const { taken, lost } = await contend(newPrefix(), { redis });
    await until(() => taken.length === 1, 'the term');
    await redis.start({ empty: true });
    await until(() => taken.length === 2, 'the next term', 20_000);
    expect(lost).toEqual([taken[0]]);
    expect(taken[1]?.number).toBeGreaterThan(taken[0]?.number ?? 0);
  });

  test('a service of another store does not get it, and says why', async () => {
    const prefix = newPrefix();
    const one = await contend(prefix, { store: 'http://one/0:0' });
    await until(() => one.lease.term, 'the term');
    const other = await contend(prefix, { store: 'http://other/0:0' });
    await until(() => other.lease.problem, 'the reason');
    expect(other.lease.problem).toContain('http://one/0:0');
    expect(one.lease.problem).toBeUndefined();
    expect(other.lease.term).toBeUndefined();
  });
});
