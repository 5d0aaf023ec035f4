import * as bullmq from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  openStalledCheck,
  type QueueKeys,
  retakeLock,
  type StalledCheck,
  setAsideUnreadable,
} from '../../../src/queue/bullmq/bullmq-internals.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

const LOCK = { jobId: 'job-1', token: 'token-1', lockMs: 60_000 };

let server: RedisServer;
let redis: Redis;
let names = 0;
let queue: bullmq.Queue;
let worker: bullmq.Worker;
let check: StalledCheck;
let keys: QueueKeys;
const lines: string[] = [];

const setAside = (): Promise<void> =>
  setAsideUnreadable(keys, { isRunning: () => false, log: (line) => lines.push(line) });

/** As after the lock's time. Fails when BullMQ keeps its locks somewhere else. */
async function expireLock(): Promise<void> {
  expect(await redis.del(`${queue.toKey(LOCK.jobId)}:lock`)).toBe(1);
}

/** The check marks an active job first, and moves it the next time. One check per millisecond does something. */
async function returnStalled(): Promise<void> {
  await until(async () => {
    const moved = await check.moveStalledJobsToWait();
    return moved.includes(LOCK.jobId);
  }, 'the job to be moved');
}

describe.skipIf('missing' in program)("what BullMQ's public API does not offer", () => {
  beforeAll(async () => {
    server = await startRedis(program);
    redis = new Redis(server.url, { maxRetriesPerRequest: null });
  });

  beforeEach(async () => {
    names += 1;
    const name = `internals-${names}`;
    lines.length = 0;
    queue = new bullmq.Queue(name, { connection: redis });
    // Without a processor: the tests fetch jobs themselves.
    worker = new bullmq.Worker(name, null, { connection: redis, lockDuration: LOCK.lockMs });
    check = openStalledCheck(bullmq, name, { connection: redis, stalledInterval: 1, maxStalledCount: 100 });
    keys = { client: redis, toKey: queue.toKey };
    await queue.add('task', { kept: true }, { jobId: LOCK.jobId });
  });

  afterEach(async () => {
    await check.close();
    await worker.close(true);
    await queue.close();
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  test('an expired lock is taken again, and BullMQ accepts it as its own', async () => {
    const job = await worker.getNextJob(LOCK.token);
    expect(await retakeLock(keys, LOCK)).toBe(false);
    await expireLock();
    // Once one of these takes the lock again, `retakeLock` is no longer needed.
    expect(await job.extendLock(LOCK.token, LOCK.lockMs)).toBe(0);
    expect(await worker.extendJobLocks([LOCK.jobId], [LOCK.token], LOCK.lockMs)).toEqual([LOCK.jobId]);
    expect(await retakeLock(keys, LOCK)).toBe(true);
    expect(await worker.extendJobLocks([LOCK.jobId], [LOCK.token], LOCK.lockMs)).toEqual([]);
    await job.moveToCompleted('done', LOCK.token, false);
    expect(await queue.getJobState(LOCK.jobId)).toBe('completed');
  });

  test('the lock of another worker stays, and a job that is not active gets none', async () => {
    expect(await retakeLock(keys, LOCK)).toBe(false);
    await worker.getNextJob(LOCK.token);
    expect(await retakeLock(keys, { ...LOCK, token: 'token-2' })).toBe(false);
    const other = await queue.getJob(LOCK.jobId);
    expect(await other?.extendLock(LOCK.token, LOCK.lockMs)).toBe(1);
  });

  test.each([
    ['data', '{'],
    ['opts', '{"tm":'],
    ['opts', 'null'],
    ['progress', '{'],
    ['parent', '{'],
    ['ats', 'x'],
  ])(
    'BullMQ leaves a job with %s = %s active and unknown, and hands it out when that is set aside',
    async (field, text) => {
      await redis.hset(queue.toKey(LOCK.jobId), field, text);
      // Once this resolves, or a listener learns the job's id, the field need not be set aside.
      await expect(worker.getNextJob(LOCK.token)).rejects.toThrow();
      expect(await redis.lrange(queue.toKey('active'), 0, -1)).toEqual([LOCK.jobId]);
      await setAside();
      expect(await redis.hget(queue.toKey(LOCK.jobId), `unreadable_${field}`)).toBe(text);
      expect(lines).toEqual([`job "job-1" in Redis: cannot parse ${field}; moved it to unreadable_${field}`]);
      await redis.del(`${queue.toKey(LOCK.jobId)}:lock`);
      await returnStalled();
      const job = await worker.getNextJob('token-2');
      expect(job.id).toBe(LOCK.jobId);
      expect(job.data).toEqual(field === 'data' ? {} : { kept: true });
    },
  );

  test('a job whose count of stalls is no number is kept when that is set aside, and lost by BullMQ otherwise', async () => {
    await worker.getNextJob(LOCK.token);
    await redis.hset(queue.toKey(LOCK.jobId), 'stc', 'x');
    await expireLock();
    await setAside();
    await returnStalled();
    expect(await worker.getNextJob(LOCK.token)).toMatchObject({ id: LOCK.jobId, data: { kept: true } });
    await redis.hset(queue.toKey(LOCK.jobId), 'stc', 'x');
    await expireLock();
    await expect(returnStalled()).rejects.toThrow();
    expect(await queue.getJobState(LOCK.jobId)).toBe('unknown');
  });

  test('an id whose key holds no job is removed from the active jobs', async () => {
    await redis.del(queue.toKey(LOCK.jobId));
    await redis.set(queue.toKey(LOCK.jobId), 'x');
    await expect(worker.getNextJob(LOCK.token)).rejects.toThrow();
    expect(await redis.lrange(queue.toKey('active'), 0, -1)).toEqual([LOCK.jobId]);
    await setAside();
    expect(await redis.lrange(queue.toKey('active'), 0, -1)).toEqual([]);
    expect(lines).toEqual([expect.stringMatching(/^job "job-1" in Redis cannot be run: /)]);
  });

  test('readable jobs, and those that this process runs, stay as they are', async () => {
    await worker.getNextJob(LOCK.token);
    const stored = await redis.hgetall(queue.toKey(LOCK.jobId));
    await setAside();
    expect(await redis.hgetall(queue.toKey(LOCK.jobId))).toEqual(stored);
    await redis.hset(queue.toKey(LOCK.jobId), 'progress', '{');
    await setAsideUnreadable(keys, { isRunning: (id) => id === LOCK.jobId, log: (line) => lines.push(line) });
    expect(await redis.hget(queue.toKey(LOCK.jobId), 'progress')).toBe('{');
    expect(lines).toEqual([]);
  });
});
