import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBullmqQueue, type RedisQueue } from '../../../src/queue/bullmq/bullmq-queue.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

const LOCK_KEY = 'tasktrail:agent:task-1:lock';

describe.skipIf('missing' in program)('the lock of a running job', () => {
  let server: RedisServer;
  let redis: Redis;
  const opened: RedisQueue[] = [];
  const errors: unknown[] = [];

  async function open(): Promise<{ queue: RedisQueue; begun: string[] }> {
    const queue = await openBullmqQueue({
      url: server.url,
      name: 'agent',
      concurrency: 1,
      times: { lockMs: 400, stalledMs: 100, settleMs: 0 },
      onError: (error) => errors.push(error),
    });
    opened.push(queue);
    const begun: string[] = [];
    queue.start(async (job, { signal }) => {
      begun.push(job.taskId);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    });
    return { queue, begun };
  }

  beforeAll(async () => {
    server = await startRedis(program);
    redis = new Redis(server.url);
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close(100)));
    await redis.flushall();
    errors.length = 0;
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  test('is renewed for as long as the job runs, and no other worker takes the job', async () => {
    const [one, other] = [await open(), await open()];
    await one.queue.push(jobOf('task-1'));
    await until(() => one.begun[0] ?? other.begun[0], 'the job');
    const token = await redis.get(LOCK_KEY);
    // Every renewal makes the time left go up. After ten the first lock would have expired long ago.
    let renewals = 0;
    let leftMs = await redis.pttl(LOCK_KEY);
    await until(async () => {
      const nowMs = await redis.pttl(LOCK_KEY);
      if (nowMs > leftMs) renewals += 1;
      leftMs = nowMs;
      return renewals >= 10;
    }, 'ten renewals');
    expect(await redis.get(LOCK_KEY)).toBe(token);
    expect([...one.begun, ...other.begun]).toEqual(['task-1']);
    expect(errors).toEqual([]);
  });

  test('belongs to another worker once that has it, and is no error', async () => {
    const { queue, begun } = await open();
    await queue.push(jobOf('task-1'));
    await until(() => begun[0], 'the job');
    await redis.set(LOCK_KEY, 'another worker', 'PX', 60_000);
    // A renewal would shorten the time left to 400 ms.
    await until(async () => (await redis.pttl(LOCK_KEY)) < 59_500, 'several renewals');
    expect(await redis.get(LOCK_KEY)).toBe('another worker');
    expect(errors).toEqual([]);
  });
});
