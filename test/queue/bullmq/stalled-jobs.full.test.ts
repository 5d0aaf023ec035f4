import * as bullmq from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { StalledJobs } from '../../../src/queue/bullmq/stalled-jobs.ts';
import { WorkerFailures } from '../../../src/queue/bullmq/worker-failures.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

const TIMES = { lockMs: 60_000, stalledMs: 20, settleMs: 1_000 };

describe.skipIf('missing' in program)('the jobs of lost workers', () => {
  let server: RedisServer;
  let redis: Redis;
  let queue: bullmq.Queue;
  let worker: bullmq.Worker;
  let names = 0;
  const closing: (() => Promise<void>)[] = [];

  /** A job whose worker is gone, and with it the lock. */
  async function loseJob(id: string): Promise<void> {
    await queue.add('task', {}, { jobId: id });
    await worker.getNextJob('token');
    await redis.del(`${queue.toKey(id)}:lock`);
  }

  /** Checks until the test ends. `checks` counts them. */
  function check(connection: { readyForMs: number }): { checks: number; errors: unknown[] } {
    const state = { checks: 0, errors: [] as unknown[] };
    const link = {
      client: redis,
      problem: undefined,
      isRefusal: () => true,
      get readyForMs() {
        state.checks += 1;
        return connection.readyForMs;
      },
    };
    const failures = new WorkerFailures({ bullmq, link, onError: (error) => state.errors.push(error) });
    const stalled = new StalledJobs({
      bullmq,
      name: queue.name,
      prefix: 'bull',
      link,
      keys: { client: redis, toKey: queue.toKey },
      times: TIMES,
      failures,
      isRunning: () => false,
      log: () => {},
    });
    closing.push(() => stalled.close());
    return state;
  }

  beforeAll(async () => {
    server = await startRedis(program);
    redis = new Redis(server.url, { maxRetriesPerRequest: null });
  });

  beforeEach(() => {
    names += 1;
    queue = new bullmq.Queue(`stalled-${names}`, { connection: redis });
    worker = new bullmq.Worker(queue.name, null, { connection: redis, lockDuration: TIMES.lockMs });
  });

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    await worker.close(true);
    await queue.close();
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  test('wait again, however often it happens, and those of a living worker stay with it', async () => {
    await queue.add('task', {}, { jobId: 'job-0' });
    await worker.getNextJob('token');
    const { errors } = check({ readyForMs: Number.POSITIVE_INFINITY });
    await loseJob('job-1');
    for (let times = 0; times < 3; times += 1) {
      await until(async () => (await queue.getJobState('job-1')) === 'waiting', 'the job to wait');
      const job = await worker.getNextJob('token');
      // Set, it would fail the job before a processor sees it.
      expect(job.deferredFailure).toBeUndefined();
      await redis.del(`${queue.toKey('job-1')}:lock`);
    }
    expect(await queue.getJobState('job-0')).toBe('active');
    expect(errors).toEqual([]);
  });

  test('stay where they are until a new connection has settled', async () => {
    await loseJob('job-1');
    const connection = { readyForMs: TIMES.settleMs - 1 };
    const state = check(connection);
    await until(() => state.checks >= 5, 'five checks');
    expect(await redis.exists(queue.toKey('stalled-check'))).toBe(0);
    expect(await queue.getJobState('job-1')).toBe('active');
    connection.readyForMs = TIMES.settleMs;
    await until(async () => (await queue.getJobState('job-1')) === 'waiting', 'the job to wait');
  });

  test('a refusal by Redis is reported', async () => {
    await redis.set(queue.toKey('stalled'), 'no set');
    await redis.lpush(queue.toKey('active'), 'job-1');
    const { errors } = check({ readyForMs: Number.POSITIVE_INFINITY });
    await until(() => errors[0], 'the report');
    expect(String(errors[0])).toMatch(/WRONGTYPE/);
  });
});
