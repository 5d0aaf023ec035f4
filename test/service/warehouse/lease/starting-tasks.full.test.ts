import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { RedisLink } from '../../../../src/queue/bullmq/redis-link.ts';
import type { Term } from '../../../../src/service/warehouse/lease/redis-lease.ts';
import { StartingTasks } from '../../../../src/service/warehouse/lease/starting-tasks.ts';
import { heldTerm } from '../../../support/held-term.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';

const program = findRedis();

describe.skipIf('missing' in program)('the notes of tasks that are started', () => {
  let redis: RedisServer;
  let link: RedisLink;

  beforeAll(async () => {
    redis = await startRedis(program);
    link = new RedisLink(ioredis, { url: redis.url, log: () => {} });
    await link.isReady(10_000);
  });
  afterAll(async () => {
    link.close();
    await redis.stop();
  });

  const term = heldTerm(() => link);

  let stores = 0;
  const open = (giveUpMs = 0): StartingTasks => {
    stores += 1;
    return new StartingTasks({ link, prefix: `test:{${stores}}:`, giveUpMs });
  };

  const idsLeft = async (starting: StartingTasks): Promise<readonly string[]> =>
    (await starting.left()).map(({ taskId }) => taskId);

  test('a task is left from a while after it was noted until it is queued', async () => {
    const starting = open(50);
    const note = await starting.begin('task-1');
    await starting.begin('task-2');
    expect(await idsLeft(starting)).toEqual([]);
    await until(async () => (await idsLeft(starting)).length === 2, 'both to be left');
    await note.end();
    expect(await starting.left()).toMatchObject([{ taskId: 'task-2', isOld: false }]);
  });

  test('a task that was given up is not started again, and forgotten it is', async () => {
    const starting = open();
    await starting.begin('task-1');
    const [left] = await starting.left();
    if (left === undefined) throw new Error('nothing is left');
    expect(await starting.isGivenUp('task-1')).toBe(false);
    expect(await starting.giveUp(term, left)).toBe(true);
    expect(await starting.isGivenUp('task-1')).toBe(true);
    await expect(starting.begin('task-1')).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
    // Its end is recorded.
    await starting.forget(term, left, { isGivenUp: true });
    expect([await idsLeft(starting), await starting.isGivenUp('task-1')]).toEqual([[], true]);
    await expect(starting.begin('task-1')).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
    await starting.begin('task-2');
    const [other] = await starting.left();
    if (other === undefined) throw new Error('nothing is left');
    await starting.giveUp(term, other);
    // It was queued after all.
    await starting.forget(term, other, { isGivenUp: false });
    expect([await idsLeft(starting), await starting.isGivenUp('task-2')]).toEqual([[], false]);
  });

  test('a service that starts the task once more keeps it from being given up, and an older one does not end its note', async () => {
    const starting = open();
    const former = await starting.begin('task-1');
    const [left] = await starting.left();
    if (left === undefined) throw new Error('nothing is left');
    const note = await starting.begin('task-1');
    expect(await starting.giveUp(term, left)).toBe(false);
    expect(await starting.isGivenUp('task-1')).toBe(false);
    await former.end();
    await starting.forget(term, left, { isGivenUp: false });
    expect(await idsLeft(starting)).toEqual(['task-1']);
    await note.end();
    expect(await idsLeft(starting)).toEqual([]);
  });

  test('a service that was stopped while it started a task does not queue it', async () => {
    const note = await open().begin('task-1');
    expect(() => note.check()).not.toThrow();
    const nowMs = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(nowMs + 10_000);
    try {
      expect(() => note.check()).toThrow('too long');
    } finally {
      clock.mockRestore();
    }
  });

  test('only the holder of the lease gives tasks up', async () => {
    const starting = open();
    await starting.begin('task-1');
    const [left] = await starting.left();
    if (left === undefined) throw new Error('nothing is left');
    const lost: Term = { ...term, run: () => Promise.reject(new Error('another service holds the lease')) };
    await expect(starting.giveUp(lost, left)).rejects.toThrow('lease');
    expect(await starting.isGivenUp('task-1')).toBe(false);
  });
});
