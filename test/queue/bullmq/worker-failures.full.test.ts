import * as bullmq from 'bullmq';
import { Redis, ReplyError } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WorkerFailures } from '../../../src/queue/bullmq/worker-failures.ts';
import { freePort } from '../../support/free-port.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';

const program = findRedis();

/** The options of the link's connection that decide how a command fails. */
const PROMPT = { enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => null };

let reported: string[];
let link: { problem: string | undefined; isRefusal(error: unknown): boolean };
let failures: WorkerFailures;

beforeEach(() => {
  reported = [];
  link = { problem: undefined, isRefusal: (error) => error instanceof ReplyError };
  failures = new WorkerFailures({
    bullmq,
    link,
    onError: (error) => reported.push(error instanceof Error ? error.message : String(error)),
  });
});

const errorOf = (failing: Promise<unknown>): Promise<unknown> =>
  failing.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error,
  );

function client(port: number, options: object = {}): Redis {
  const redis = new Redis(port, '127.0.0.1', options);
  redis.on('error', () => {});
  return redis;
}

test('a defect is reported, wherever it shows', () => {
  failures.ofWorker(new TypeError('a defect'));
  failures.ofWorker(new Error('Failed to add repeatable job for next iteration'));
  failures.ofWorker(Object.assign(new TypeError('misuse'), { code: 'ERR_INVALID_ARG_TYPE' }));
  expect(reported).toEqual(['a defect', 'Failed to add repeatable job for next iteration', 'misuse']);
});

test('nothing is reported while the link reports that Redis is away, or after the close', () => {
  link.problem = 'Redis cannot be reached';
  failures.ofWorker(new TypeError('one'));
  link.problem = undefined;
  failures.ofWorker(new TypeError('two'));
  failures.close();
  failures.ofWorker(new TypeError('three'));
  expect(reported).toEqual(['two']);
});

test('a repeated message is reported once, and each of many messages is', () => {
  for (let n = 0; n < 150; n += 1) failures.ofWorker(new TypeError(`defect ${n % 75}`));
  expect(reported).toHaveLength(75);
});

test('an address without a server, or without an answer to its name, is no failure of the worker', async () => {
  for (const code of [
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
  ])
    failures.ofWorker(Object.assign(new Error(`connect ${code}`), { code }));
  const redis = client(await freePort(), { lazyConnect: true, retryStrategy: () => null });
  const seen = new Promise((resolve) => redis.once('error', resolve));
  await errorOf(redis.connect());
  failures.ofWorker(await seen);
  expect(reported).toEqual([]);
});

describe.skipIf('missing' in program)('on a real Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  let queue: bullmq.Queue;
  let worker: bullmq.Worker;
  let names = 0;

  beforeAll(async () => {
    server = await startRedis(program);
  });

  beforeEach(async () => {
    redis = client(server.port, { maxRetriesPerRequest: null });
    names += 1;
    queue = new bullmq.Queue(`failures-${names}`, { connection: redis });
    worker = new bullmq.Worker(queue.name, null, { connection: redis });
    await queue.add('task', {}, { jobId: 'job-1' });
  });

  afterEach(async () => {
    await worker.close(true);
    await queue.close();
    redis.disconnect();
  });

  afterAll(() => server.stop());

  test('a refusal by Redis is reported', async () => {
    const refusal = await errorOf(redis.call('NOSUCHCOMMAND'));
    failures.ofCommand(refusal);
    expect(reported).toEqual([expect.stringContaining('unknown command')]);
    failures.ofWorker(await errorOf(redis.call('NOSUCHCOMMAND', 'x')));
    expect(reported).toHaveLength(2);
  });

  test('a command that gets no answer is not reported', async () => {
    const late = client(server.port, { commandTimeout: 50 });
    await late.ping();
    server.pause();
    failures.ofCommand(await errorOf(late.ping()));
    server.resume();
    late.disconnect();
    const closed = client(server.port);
    await closed.ping();
    closed.disconnect();
    const ended = await errorOf(closed.ping());
    failures.ofCommand(ended);
    failures.ofWorker(ended);
    const unsent = client(server.port, PROMPT);
    failures.ofCommand(await errorOf(unsent.ping()));
    unsent.disconnect();
    expect(reported).toEqual([]);
  });

  test('a job that another worker has taken, or that is over, is not reported', async () => {
    const job = await worker.getNextJob('token-1');
    const finish = (token: string): Promise<unknown> => errorOf(job.moveToCompleted('', token, false));
    failures.ofWorker(await finish('token-2'));
    await redis.del(`${queue.toKey('job-1')}:lock`);
    failures.ofWorker(await finish('token-1'));
    await redis.set(`${queue.toKey('job-1')}:lock`, 'token-1');
    await redis.del(queue.toKey('active'));
    failures.ofWorker(await finish('token-1'));
    expect(reported).toEqual([]);
  });

  test('a job that Redis has lost is distinguished from one that another worker holds', async () => {
    const job = await worker.getNextJob('token-1');
    expect(failures.isMissingJob(await errorOf(job.moveToWait('token-2')))).toBe(false);
    await redis.flushall();
    for (const failing of [job.updateData({}), job.moveToWait('token-1')]) {
      const error = await errorOf(failing);
      expect(failures.isMissingJob(error)).toBe(true);
      failures.ofWorker(error);
    }
    expect(reported).toEqual([]);
  });
});
