import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBullmqQueue, type RedisQueue } from '../../../src/queue/bullmq/bullmq-queue.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

const CLAIM = 'tasktrail:agent:claim:name';
const CLAIMING = 'tasktrail:agent:claiming:name';

describe.skipIf('missing' in program)('claims in Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  const opened: RedisQueue[] = [];

  async function open(): Promise<RedisQueue> {
    const queue = await openBullmqQueue({ url: server.url, name: 'agent', concurrency: 1 });
    opened.push(queue);
    return queue;
  }

  beforeAll(async () => {
    server = await startRedis(program, { appendOnly: true });
    redis = new Redis(server.url);
    redis.on('error', () => {});
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close(100)));
    await redis.flushall();
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  test('of many claims of several processes at the same time, one is won, and the others name its task', async () => {
    const queues = await Promise.all([open(), open(), open()]);
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, n) => queues[n % 3]?.claims.claim('name', `task-${n}`)),
    );
    const won = all.filter((claim) => claim?.state === 'won');
    expect(won).toHaveLength(1);
    const taskId = won[0]?.taskId ?? '';
    expect(all.filter((claim) => claim?.state === 'busy' && claim.taskId === taskId)).toHaveLength(59);
    await queues[0]?.claims.settle('name', { taskId, isStarted: true });
    expect(await queues[1]?.claims.claim('name', 'task-x')).toEqual({ state: 'taken', taskId });
    expect(await queues[1]?.claims.claim('other', 'task-x')).toEqual({ state: 'won', taskId: 'task-x' });
  });

  test('a claim lives for four days, one that is given back not at all', async () => {
    const { claims } = await open();
    await claims.claim('name', 'task-1');
    await claims.settle('name', { taskId: 'task-1', isStarted: true });
    const seconds = await redis.ttl(CLAIM);
    expect(seconds).toBeGreaterThan(4 * 86_400 - 600);
    expect(seconds).toBeLessThanOrEqual(4 * 86_400);
    expect(await redis.exists(CLAIMING)).toBe(0);
    await claims.claim('given back', 'task-2');
    // Not that of another task.
    await claims.settle('given back', { taskId: 'task-1', isStarted: false });
    expect((await claims.claim('given back', 'task-3')).state).toBe('busy');
    await claims.settle('given back', { taskId: 'task-2', isStarted: false });
    expect(await redis.keys('*given back*')).toEqual([]);
    // Every key has a lifetime.
    await claims.claim('given back', 'task-3');
    for (const key of await redis.keys('*claim*')) expect(await redis.pttl(key), key).toBeGreaterThan(0);
  });

  test('the claim of a lost process goes to one other, with the same task, unless its job is there', async () => {
    const [lost, one, two] = [await open(), await open(), await open()];
    await lost.claims.claim('name', 'task-1');
    // As when its time is over.
    await redis.del(CLAIMING);
    const both = await Promise.all([one, two].map(({ claims }) => claims.claim('name', 'task-2')));
    expect(both.map(({ state }) => state).sort()).toEqual(['busy', 'won']);
    for (const { taskId } of both) expect(taskId).toBe('task-1');
    // That process is lost, too, after it has queued the job.
    await one.push(jobOf('task-1'));
    await redis.del(CLAIMING);
    expect(await two.claims.claim('name', 'task-3')).toEqual({
      state: 'taken',
      taskId: 'task-1',
      isLeft: true,
    });
    expect(await redis.get(CLAIM)).toBe('task-1');
  });

  test('a claim that keeps its id goes to the next one at once, and a late process does not give it back', async () => {
    const [one, two, three] = [await open(), await open(), await open()];
    await one.claims.claim('name', 'task-1', 'the first');
    await one.claims.settle('name', { taskId: 'task-1', isStarted: false, keepsId: true });
    expect(await two.claims.claim('name', 'task-2', 'the second')).toEqual({
      state: 'won',
      taskId: 'task-1',
    });
    for (const keepsId of [true, false]) {
      await one.claims.settle('name', { taskId: 'task-1', isStarted: false, keepsId });
      expect((await three.claims.claim('name', 'task-3')).state).toBe('busy');
    }
    await two.claims.settle('name', { taskId: 'task-1', isStarted: true });
    expect(await three.claims.claim('name', 'task-3', 'the third')).toEqual({
      ...{ state: 'taken', taskId: 'task-1' },
      note: 'the first',
    });
  });

  test('without Redis a claim is refused, and the outcome of one is sent when Redis is back', async () => {
    const { claims } = await open();
    await claims.claim('name', 'task-1');
    await claims.claim('given back', 'task-2');
    await server.kill();
    await Promise.all([
      claims.settle('name', { taskId: 'task-1', isStarted: true }),
      claims.settle('given back', { taskId: 'task-2', isStarted: false }),
    ]);
    await expect(claims.claim('other', 'task-3')).rejects.toMatchObject({
      code: 'ERR_QUEUE_UNAVAILABLE',
      retryable: true,
    });
    await server.start();
    await until(async () => (await redis.get(CLAIM)) === 'task-1', 'the started claim');
    await until(async () => (await redis.keys('*given back*')).length === 0, 'the claim that is given back');
  });
});
