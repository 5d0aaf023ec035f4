import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as bullmq6 from 'bullmq';
import * as bullmq5 from 'bullmq-5';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BullJob, type EnqueueOptions, enqueueTask, processTask } from '../src/bullmq.ts';
import { prepareTask, type QueuedTask, type Task, type Trail } from '../src/index.ts';
import { attribute, openTrail, readSpans, type StoredSpan } from './support/receiver.ts';
import { findRedis, type RedisServer, startRedis } from './support/redis.ts';
import { until } from './support/until.ts';

const program = findRedis();

let server: RedisServer;
let logDir: string;
let trail: Trail;
let names = 0;

/** The part of BullMQ that the tests use, the same in both majors. */
interface Bullmq {
  readonly queue: {
    readonly name: string;
    add(name: string, data: unknown, options?: object): Promise<{ readonly id?: string | undefined }>;
    close(): Promise<void>;
  };
  work(processor: Processor, options?: object): void;
  addFlow(flow: { name: string; children: { name: string }[] }): Promise<unknown>;
  delayedError(): Error;
  waitingChildrenError(): Error;
  unrecoverable(message: string): Error;
  limit(ms: number): Promise<Error>;
  close(): Promise<void>;
}

interface Job extends BullJob {
  readonly data: unknown;
  moveToDelayed(timestamp: number, token?: string): Promise<void>;
}

type Processor = (job: Job, token?: string, signal?: AbortSignal) => Promise<unknown>;

function open6(name: string, connection: Redis5 | Redis6): Bullmq {
  // BullMQ 6 works with ioredis 5 and 6, but its types only allow 6.
  const options = { connection: connection as Redis6 };
  const queue = new bullmq6.Queue(name, options);
  const workers: bullmq6.Worker[] = [];
  const flows: bullmq6.FlowProducer[] = [];
  return {
    queue,
    work: (processor, more) =>
      void workers.push(new bullmq6.Worker(name, processor, { ...options, ...more })),
    addFlow: ({ children, ...parent }) => {
      const flow = new bullmq6.FlowProducer(options);
      flows.push(flow);
      const jobs = children.map((child) => ({ ...child, queueName: name }));
      return flow.add({ ...parent, queueName: name, children: jobs });
    },
    delayedError: () => new bullmq6.DelayedError(),
    waitingChildrenError: () => new bullmq6.WaitingChildrenError(),
    unrecoverable: (message) => new bullmq6.UnrecoverableError(message),
    limit: async (ms) => {
      await queue.rateLimit(ms);
      return new bullmq6.RateLimitError();
    },
    close: async () => {
      await Promise.all([...workers, ...flows].map((part) => part.close()));
      await queue.close();
    },
  };
}

function open5(name: string, connection: Redis5): Bullmq {
  const options = { connection };
  const queue = new bullmq5.Queue(name, options);
  const workers: bullmq5.Worker[] = [];
  const flows: bullmq5.FlowProducer[] = [];
  return {
    queue,
    work: (processor, more) =>
      void workers.push(new bullmq5.Worker(name, processor, { ...options, ...more })),
    addFlow: ({ children, ...parent }) => {
      const flow = new bullmq5.FlowProducer(options);
      flows.push(flow);
      const jobs = children.map((child) => ({ ...child, queueName: name }));
      return flow.add({ ...parent, queueName: name, children: jobs });
    },
    delayedError: () => new bullmq5.DelayedError(),
    waitingChildrenError: () => new bullmq5.WaitingChildrenError(),
    unrecoverable: (message) => new bullmq5.UnrecoverableError(message),
    limit: async (ms) => {
      await queue.rateLimit(ms);
      return new bullmq5.RateLimitError();
    },
    close: async () => {
      await Promise.all([...workers, ...flows].map((part) => part.close()));
      await queue.close();
    },
  };
}

async function enqueue(
  { queue }: Bullmq,
  data: unknown = { pr: 7 },
  options: Omit<EnqueueOptions, 'task'> = {},
): Promise<QueuedTask> {
  const task = prepareTask({
    source: 'webhook',
    message: '@agent review',
    sourceMetadata: { repo: 'acme/app' },
  });
  await enqueueTask(queue, 'review', data, { task, ...options });
  return task;
}

async function endOf(taskId: string, status: string): Promise<Record<string, unknown>> {
  return until(async () => {
    const metadata = await trail.reader.readDocument(taskId, 'metadata');
    return metadata?.status === status ? metadata : undefined;
  }, `${taskId} to be ${status}`);
}

interface Attempts {
  readonly send: StoredSpan | undefined;
  readonly attempts: readonly StoredSpan[];
}

async function spansOf(taskId: string, count: number): Promise<Attempts> {
  const spans = await until(async () => {
    const found = await readSpans(logDir, taskId);
    return found.filter(({ kind }) => kind === 5).length === count ? found : undefined;
  }, `${count} attempts`);
  return { send: spans.find(({ kind }) => kind === 4), attempts: spans.filter(({ kind }) => kind === 5) };
}

describe.skipIf('missing' in program)('on a real Redis', () => {
  beforeAll(async () => {
    logDir = await mkdtemp(join(tmpdir(), 'tasktrail-bullmq-redis-'));
    trail = await openTrail(logDir);
    server = await startRedis(program);
  });

  afterAll(async () => {
    await trail.shutdown();
    await server.stop();
    await rm(logDir, { recursive: true, force: true });
  });

  describe.each<[string, (name: string) => { bullmq: Bullmq; redis: Redis5 | Redis6 }]>([
    [
      'BullMQ 5, ioredis 5',
      (name) => {
        const redis = new Redis5(server.url, { maxRetriesPerRequest: null });
        return { redis, bullmq: open5(name, redis) };
      },
    ],
    [
      'BullMQ 6, ioredis 5',
      (name) => {
        const redis = new Redis5(server.url, { maxRetriesPerRequest: null });
        return { redis, bullmq: open6(name, redis) };
      },
    ],
    [
      'BullMQ 6, ioredis 6',
      (name) => {
        const redis = new Redis6(server.url, { maxRetriesPerRequest: null });
        return { redis, bullmq: open6(name, redis) };
      },
    ],
  ])('%s', (label, open) => {
    let name: string;
    let bullmq: Bullmq;
    let redis: Redis5 | Redis6;

    beforeEach(() => {
      names += 1;
      name = `jobs-${names}`;
      ({ bullmq, redis } = open(name));
    });

    afterEach(async () => {
      await bullmq.close();
      redis.disconnect();
    });

    test('the task is in the telemetry option, the data is unchanged, and the attempt is a child of the send span', async () => {
      const task = await enqueue(bullmq, { pr: 7 }, { jobId: 'mine-1', priority: 3 });
      const stored = await redis.hgetall(`bull:${name}:mine-1`);
      expect(JSON.parse(stored.data ?? '')).toEqual({ pr: 7 });
      expect(stored.priority).toBe('3');
      const opts = JSON.parse(stored.opts ?? '');
      expect(JSON.parse(opts.tm)).toMatchObject({ task_id: task.id, message: '@agent review' });
      const seen: { job: Job; task: Task; token: string | undefined }[] = [];
      bullmq.work(
        processTask<Job, string>(async (job, current, token) => {
          seen.push({ job, task: current, token });
          return 'done';
        }),
      );
      await endOf(task.id, 'completed');
      expect(seen[0]?.job.data).toEqual({ pr: 7 });
      expect(seen[0]?.token).toMatch(/./);
      expect(seen[0]?.task).toMatchObject({ id: task.id, sourceMetadata: { repo: 'acme/app' } });
      const { send, attempts } = await spansOf(task.id, 1);
      expect(attempts[0]).toMatchObject({ traceId: send?.traceId, parentSpanId: send?.spanId });
      expect(attempts[0] && attribute(attempts[0], 'messaging.message.id')).toBe('mine-1');
    });

    test('attempts with backoff are sibling spans, and failed attempts have their error', async () => {
      const task = await enqueue(bullmq, {}, { attempts: 3, backoff: { type: 'fixed', delay: 20 } });
      let runs = 0;
      bullmq.work(
        processTask(async () => {
          runs += 1;
          if (runs < 3) throw new RangeError(`try ${runs}`);
        }),
      );
      expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 3 });
      const { send, attempts } = await spansOf(task.id, 3);
      expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual(Array(3).fill(send?.spanId));
      expect(attempts.map((span) => attribute(span, 'error.type'))).toEqual([
        'RangeError',
        'RangeError',
        undefined,
      ]);
      expect(attempts.map(({ status }) => status?.code ?? 0)).toEqual([2, 2, 0]);
    });

    test('the last failure and an unrecoverable error are final', async () => {
      const [last, never] = [
        await enqueue(bullmq, 'last', { attempts: 2 }),
        await enqueue(bullmq, 'never', { attempts: 5 }),
      ];
      bullmq.work(
        processTask<Job, void>(async (job) => {
          throw job.data === 'never' ? bullmq.unrecoverable('never') : new RangeError('boom');
        }),
      );
      expect(await endOf(last.id, 'failed')).toMatchObject({ attempt: 2 });
      expect(await endOf(never.id, 'failed')).toMatchObject({ attempt: 1 });
      await spansOf(never.id, 1);
    });

    test('a delayed job runs after the others, and the number of running jobs never exceeds the concurrency', async () => {
      const late = await enqueue(bullmq, 'late', { delay: 300 });
      const soon = await Promise.all([enqueue(bullmq), enqueue(bullmq), enqueue(bullmq)]);
      let running = 0;
      let most = 0;
      const order: string[] = [];
      bullmq.work(
        processTask(async (_job, task) => {
          running += 1;
          most = Math.max(most, running);
          order.push(task.id);
          await until(() => most === 2, 'a second job');
          running -= 1;
        }),
        { concurrency: 2 },
      );
      for (const task of [...soon, late]) await endOf(task.id, 'completed');
      expect(order.at(-1)).toBe(late.id);
      expect(most).toBe(2);
    });

    test('jobs of higher priority run first', async () => {
      const low = await enqueue(bullmq, {}, { priority: 10 });
      const high = await enqueue(bullmq, {}, { priority: 1 });
      const order: string[] = [];
      bullmq.work(processTask(async (_job, task) => void order.push(task.id)));
      await endOf(low.id, 'completed');
      expect(order).toEqual([high.id, low.id]);
    });

    test('a job that is delayed or rate-limited continues as the next attempt', async () => {
      const [later, limited] = [await enqueue(bullmq, 'later'), await enqueue(bullmq, 'limited')];
      bullmq.work(
        processTask<Job, void>(async (job, _task, token) => {
          if ((job.attemptsStarted ?? 0) > 1) return;
          if (job.data === 'limited') throw await bullmq.limit(50);
          await job.moveToDelayed(Date.now() + 50, token);
          throw bullmq.delayedError();
        }),
      );
      for (const task of [later, limited]) {
        expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 2 });
        await spansOf(task.id, 2);
      }
    });

    test('the job of a killed worker runs again in another worker, as a sibling of the lost attempt', async () => {
      const task = await enqueue(bullmq);
      const library = label.startsWith('BullMQ 5') ? 'bullmq-5' : 'bullmq';
      const script = `
        import { Worker } from ${JSON.stringify(library)};
        new Worker(${JSON.stringify(name)}, () => { console.log('taken'); return new Promise(() => {}); },
          { connection: { host: '127.0.0.1', port: ${server.port} }, lockDuration: 300, skipStalledCheck: true });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGKILL');
      bullmq.work(
        processTask(async () => 'done'),
        { stalledInterval: 300, lockDuration: 1_000 },
      );
      expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 2 });
      const { send, attempts } = await spansOf(task.id, 1);
      expect(attempts[0]?.parentSpanId).toBe(send?.spanId);
    });

    test("BullMQ's own telemetry keeps working", async () => {
      const made: string[] = [];
      await bullmq.close();
      const telemetry = fakeTelemetry(made);
      bullmq = label.startsWith('BullMQ 5')
        ? open5WithTelemetry(name, redis, telemetry)
        : open6WithTelemetry(name, redis, telemetry);
      const task = await enqueue(bullmq, {}, { attempts: 2 });
      let runs = 0;
      bullmq.work(
        processTask(async () => {
          runs += 1;
          if (runs === 1) throw new RangeError('once');
        }),
        { telemetry },
      );
      await endOf(task.id, 'completed');
      const { send, attempts } = await spansOf(task.id, 2);
      expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual([send?.spanId, send?.spanId]);
      expect(made.some((span) => span.includes('add'))).toBe(true);
      expect(made.some((span) => span.includes('process'))).toBe(true);
    });

    test('jobs of a flow, and a job with malformed options, become new tasks', async () => {
      const ids: string[] = [];
      bullmq.work(processTask(async (_job, task) => void ids.push(task.id)));
      await bullmq.addFlow({ name: 'parent', children: [{ name: 'one' }, { name: 'two' }] });
      await until(() => ids.length === 3, 'three jobs');
      await redis.hset(`bull:${name}:by-hand`, {
        name: 'x',
        data: '7',
        opts: '{"tm":"{]"}',
        timestamp: '1',
        delay: '0',
        priority: '0',
      });
      await redis.lpush(`bull:${name}:wait`, 'by-hand');
      await until(() => ids.length === 4, 'the job by hand');
      for (const id of ids) await endOf(id, 'completed');
    });
  });
});

/** Records the names of spans, and propagates its context like BullMQ's own telemetry. */
function fakeTelemetry(made: string[]): bullmq6.Telemetry {
  const span = {
    setSpanOnContext: (context: unknown) => context,
    setAttribute: () => {},
    setAttributes: () => {},
    addEvent: () => {},
    recordException: () => {},
    end: () => {},
  };
  return {
    tracer: {
      startSpan: (name: string) => {
        made.push(name);
        return span;
      },
    },
    contextManager: {
      with: <A extends (...args: unknown[]) => unknown>(_context: unknown, fn: A) => fn() as ReturnType<A>,
      active: () => ({}),
      getMetadata: () => JSON.stringify({ traceparent: `00-${'9'.repeat(32)}-${'8'.repeat(16)}-01` }),
      fromMetadata: (context: unknown) => context,
    },
  } as unknown as bullmq6.Telemetry;
}

function open5WithTelemetry(name: string, redis: Redis5 | Redis6, telemetry: unknown): Bullmq {
  const opened = open5(name, redis as Redis5);
  const options = { connection: redis as Redis5, telemetry: telemetry as bullmq5.Telemetry };
  return { ...opened, queue: new bullmq5.Queue(name, options) };
}

function open6WithTelemetry(name: string, redis: Redis5 | Redis6, telemetry: bullmq6.Telemetry): Bullmq {
  const opened = open6(name, redis);
  return { ...opened, queue: new bullmq6.Queue(name, { connection: redis as Redis6, telemetry }) };
}

test('the queues, jobs and workers of both major versions match the types', () => {
  // Only compiled: code of users of either major version.
  const inSix = async (queue: bullmq6.Queue<{ pr: number }, string, 'review'>): Promise<void> => {
    await enqueueTask(
      queue,
      'review',
      { pr: 1 },
      { task: prepareTask({ source: 'x', message: 'x' }), priority: 1 },
    );
    const work = processTask(async (job: bullmq6.Job<{ pr: number }, string, 'review'>) =>
      String(job.data.pr),
    );
    new bullmq6.Worker<{ pr: number }, string, 'review'>('x', work, { connection: {} });
    new bullmq6.Worker(
      'x',
      processTask(async (_job, task) => task.id),
      { connection: {} },
    );
  };
  const inFive = async (queue: bullmq5.Queue<{ pr: number }, string, 'review'>): Promise<void> => {
    await enqueueTask(
      queue,
      'review',
      { pr: 1 },
      { task: prepareTask({ source: 'x', message: 'x' }), priority: 1 },
    );
    const work = processTask(async (job: bullmq5.Job<{ pr: number }, string, 'review'>) =>
      String(job.data.pr),
    );
    new bullmq5.Worker<{ pr: number }, string, 'review'>('x', work, { connection: {} });
    new bullmq5.Worker(
      'x',
      processTask(async (_job, task) => task.id),
      { connection: {} },
    );
  };
  expect([inSix, inFive].map((use) => use.length)).toEqual([1, 1]);
});
