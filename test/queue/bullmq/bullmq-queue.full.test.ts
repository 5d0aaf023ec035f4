import { spawn } from 'node:child_process';
import { Queue as StoredQueue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type BullmqQueueOptions,
  openBullmqQueue,
  type RedisQueue,
} from '../../../src/queue/bullmq/bullmq-queue.ts';
import type { Job, JobRun } from '../../../src/queue/queue.ts';
import { jobOf, queueContract } from '../../support/queue-contract.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

/** A lost worker's job is taken over within a second instead of 25. */
const QUICK = { lockMs: 500, stalledMs: 200, settleMs: 400 };

let server: RedisServer;
let redis: Redis;
let names = 0;
let name = '';
const lines: string[] = [];
const errors: unknown[] = [];
const opened: RedisQueue[] = [];

async function open(options: Partial<BullmqQueueOptions> = {}): Promise<RedisQueue> {
  const queue = await openBullmqQueue({
    url: server.url,
    name,
    concurrency: 1,
    times: QUICK,
    log: (line) => lines.push(line),
    onError: (error) => errors.push(error),
    ...options,
  });
  opened.push(queue);
  return queue;
}

/** Each job runs until its signal aborts, or until `end`. */
function worker(queue: RedisQueue, onEnd: (run: JobRun) => void = () => {}): Worker {
  const worker: Worker = { jobs: [], causes: [], runs: [], end: () => {} };
  queue.start(async (job, run) => {
    worker.jobs.push(job);
    worker.runs.push(run);
    await new Promise<void>((resolve) => {
      worker.end = resolve;
      if (run.signal.aborted) resolve();
      run.signal.addEventListener('abort', () => resolve());
    });
    worker.causes.push(run.signal.reason);
    onEnd(run);
  });
  return worker;
}

interface Worker {
  readonly jobs: Job[];
  readonly runs: JobRun[];
  readonly causes: unknown[];
  end(): void;
}

const someJob = (jobs: readonly Job[]) => (): Job | undefined => jobs.at(-1);

describe.skipIf('missing' in program)('a queue on Redis', () => {
  beforeAll(async () => {
    server = await startRedis(program);
    redis = new Redis(server.url);
  });

  beforeEach(() => {
    names += 1;
    name = `agent-${names}`;
    lines.length = 0;
    errors.length = 0;
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close(100)));
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  queueContract('bullmq', { open: (concurrency) => open({ concurrency }) });

  test.each(['123', '0', 'wait', 'stalled-check', 'meta', 'a', '2026-01-01'])(
    'a task may be called %s',
    async (taskId) => {
      const queue = await open();
      await queue.push(jobOf(taskId));
      expect(await queue.has(taskId)).toBe(true);
      const { jobs } = worker(queue);
      await until(someJob(jobs), 'the job');
      expect(jobs).toEqual([jobOf(taskId)]);
      expect(await queue.cancel(taskId)).toBe('aborted');
    },
  );

  test('a finished job is known after Redis has removed it, and one that was never pushed is not', async () => {
    const queue = await open({ concurrency: 8 });
    let done = 0;
    queue.start(async (_job, run) => {
      done += 1;
      run.finish?.();
    });
    for (let n = 0; n < 130; n += 1) await queue.push(jobOf(`task-${n}`));
    await until(() => done === 130, 'every job');
    await until(async () => !(await queue.has('task-129')), 'the end of the last job');
    expect(await redis.exists(`tasktrail:${name}:task-0`)).toBe(0);
    expect(await queue.knows('task-0')).toBe(true);
    expect(await queue.knows('task-130')).toBe(false);
    // A push of a known job runs it again.
    await queue.push(jobOf('task-0'));
    await until(() => done === 131, 'the job that came again');
  });

  test('message, source and trace context are in the telemetry option, the other fields in the data', async () => {
    const queue = await open();
    await queue.push(jobOf('task-1'));
    const { data, opts } = await redis.hgetall(`tasktrail:${name}:task-1`);
    expect(JSON.parse(data ?? '')).toEqual({
      command: 'review',
      agent: null,
      attempt: 1,
      stops: 0,
      workflowId: null,
      home: null,
      mustBeAccepted: true,
    });
    expect(JSON.parse(JSON.parse(opts ?? '').tm)).toEqual({
      task_id: 'task-1',
      message: 'message of task-1',
      source_metadata: { repo: 'acme/app', issue_number: 42 },
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    });
  });

  test('another process cancels a waiting job and a running one; an absent job is unknown', async () => {
    const [one, other] = [await open(), await open()];
    await other.push(jobOf('task-1'));
    await other.push(jobOf('task-2'));
    const { jobs, causes } = worker(one);
    await until(someJob(jobs), 'the job');
    expect(await other.cancel('task-2')).toBe('removed');
    expect(await other.cancel('task-1')).toBe('aborted');
    await until(() => causes.length > 0, 'the abort');
    expect(causes).toEqual(['cancelled']);
    await until(async () => !(await other.has('task-1')), 'the end');
    expect(await other.cancel('task-1')).toBe('unknown');
    expect(jobs.map(({ taskId }) => taskId)).toEqual(['task-1']);
  });

  test('the depth counts delayed jobs, jobs with a priority and those of a paused queue', async () => {
    const queue = await open();
    const others = new StoredQueue(name, { connection: { url: server.url }, prefix: 'tasktrail' });
    await others.add('task', {}, { delay: 60_000 });
    await others.add('task', {}, { priority: 3 });
    await others.pause();
    await queue.push(jobOf('task-1'));
    expect(await queue.depth()).toEqual({ waiting: 2, active: 0, delayed: 1 });
    await queue.close(100);
    expect(await queue.depth()).toBeUndefined();
    await others.close();
  });

  test('a cancelled job that is pushed again runs', async () => {
    const [one, other] = [await open(), await open()];
    const { jobs, causes } = worker(one);
    for (const count of [1, 2]) {
      await other.push(jobOf('task-1'));
      await until(() => jobs.length === count, 'the job');
      expect(await other.cancel('task-1')).toBe('aborted');
      await until(async () => !(await other.has('task-1')), 'the end');
    }
    expect(causes).toEqual(['cancelled', 'cancelled']);
  });

  test('a job that a close cuts short goes to the next worker before its lock expires, with its progress', async () => {
    // Longer than the test: the job comes from the close.
    const times = { ...QUICK, lockMs: 120_000 };
    const [one, other] = [await open({ times }), await open({ times })];
    const first = worker(one);
    await one.push(jobOf('task-1'));
    await until(someJob(first.jobs), 'the job');
    first.runs[0]?.keep?.({ stops: 0, workflowId: 'workflow-7-20260101T000000Z' });
    await one.close(2_000);
    expect(first.causes).toEqual(['closing']);
    const second = worker(other);
    await until(someJob(second.jobs), 'the job again');
    expect(second.jobs).toEqual([
      { ...jobOf('task-1'), attempt: 2, stops: 1, workflowId: 'workflow-7-20260101T000000Z' },
    ]);
  });

  test('a job that finishes while the queue closes is not put back', async () => {
    const [one, other] = [await open(), await open()];
    const { jobs } = worker(one, (run) => run.finish?.());
    await one.push(jobOf('task-1'));
    await until(someJob(jobs), 'the job');
    await one.close(2_000);
    expect(await other.has('task-1')).toBe(false);
  });

  test('the job of a killed worker runs again as the next attempt', async () => {
    const queue = await open();
    await queue.push(jobOf('task-1'));
    const script = `
      import { Worker } from 'bullmq';
      const url = new URL(${JSON.stringify(server.url)});
      const connection = { host: url.hostname, port: Number(url.port) };
      new Worker(${JSON.stringify(name)}, () => { console.log('taken'); return new Promise(() => {}); },
        { connection, prefix: 'tasktrail', lockDuration: ${QUICK.lockMs},
          skipStalledCheck: true });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
    const { jobs } = worker(queue);
    expect((await until(someJob(jobs), 'the job')).attempt).toBe(2);
  });

  test('a job that loses its lock while it runs is not run a second time in its process', async () => {
    const queue = await open({ concurrency: 3 });
    const first = worker(queue);
    await queue.push(jobOf('task-1'));
    await until(someJob(first.jobs), 'the job');
    const stored = `tasktrail:${name}:task-1`;
    await redis.del(`${stored}:lock`);
    await until(async () => (await redis.hget(stored, 'ats')) === '2', 'a second hand-out');
    first.end();
    await until(async () => !(await queue.has('task-1')), 'the end');
    await queue.push(jobOf('task-2'));
    await until(() => first.jobs.length > 1, 'the next job');
    expect(first.jobs.map(({ taskId }) => taskId)).toEqual(['task-1', 'task-2']);
    expect(errors).toEqual([]);
  });

  describe('job data edited by hand', () => {
    const edit = (field: string, text: string) => redis.hset(`tasktrail:${name}:task-1`, field, text);
    const without = (key: string) => async (): Promise<unknown> => {
      const opts = JSON.parse((await redis.hget(`tasktrail:${name}:task-1`, 'opts')) ?? '');
      const tm = JSON.parse(opts.tm);
      delete tm[key];
      return edit('opts', JSON.stringify({ ...opts, tm: JSON.stringify(tm) }));
    };

    test.each<[string, () => Promise<unknown>, Partial<Job>]>([
      [
        'data of wrong types',
        () => edit('data', '{"command":7,"agent":[],"attempt":"x","stops":-1,"workflowId":"../x"}'),
        { command: null },
      ],
      ['data that is no object', () => edit('data', '"x"'), { command: null }],
      ['data that is null', () => edit('data', 'null'), { command: null }],
      ['empty data', () => edit('data', '{}'), { command: null }],
      ['no trace context', without('traceparent'), { carrier: {} }],
      ['a count of starts that is no number', () => edit('ats', 'x'), { attempt: 1 }],
      ['no source', without('source_metadata'), { sourceMetadata: {} }],
    ])('a job with %s runs with its other fields', async (_what, damage, left) => {
      const queue = await open();
      await queue.push(jobOf('task-1'));
      await damage();
      const { jobs } = worker(queue);
      await until(someJob(jobs), 'the job');
      expect(jobs).toEqual([{ ...jobOf('task-1'), ...left }]);
    });

    test.each<[string, () => Promise<unknown>]>([
      ['no telemetry option', () => edit('opts', '{}')],
      ['a telemetry option that is no string', () => edit('opts', '{"tm":7}')],
      ['a telemetry option that is no JSON', () => edit('opts', '{"tm":"{"}')],
      ['no task id', without('task_id')],
      ['no message', without('message')],
      [
        'a task id like a path',
        () => edit('opts', JSON.stringify({ tm: '{"task_id":"../../etc","message":"x"}' })),
      ],
      ["another task's id", () => edit('opts', JSON.stringify({ tm: '{"task_id":"task-9","message":"x"}' }))],
      ['options that are null', () => edit('opts', 'null')],
      ['a progress that is no JSON', async () => Promise.all([edit('progress', '{'), edit('opts', '{}')])],
      ['options that are no JSON', () => edit('opts', '{"tm":')],
      ['data that are no JSON', async () => Promise.all([edit('data', '{'), edit('opts', '{}')])],
    ])('a job with %s fails, the log names it, and the next one runs', async (_what, damage) => {
      // An unreadable job is handed out a second time, and needs a free place then.
      const queue = await open({ concurrency: 2 });
      await queue.push(jobOf('task-1'));
      await damage();
      const { jobs } = worker(queue);
      await queue.push(jobOf('task-2'));
      await until(someJob(jobs), 'the next job');
      await until(async () => !(await queue.has('task-1')), 'the failure');
      expect(jobs.map(({ taskId }) => taskId)).toEqual(['task-2']);
      expect(lines.join('\n')).toMatch(/job "task-1" in Redis cannot be run: /);
    });

    test.each<[string, () => Promise<unknown>]>([
      ['is missing', async () => redis.del(`tasktrail:${name}:task-1`)],
      ['is a string', async () => redis.set(`tasktrail:${name}:task-1`, 'x')],
    ])('a job whose key %s is removed from the queue, and the next one runs', async (_what, damage) => {
      const queue = await open({ concurrency: 2 });
      await queue.push(jobOf('task-1'));
      await damage();
      const { jobs } = worker(queue);
      await queue.push(jobOf('task-2'));
      await until(someJob(jobs), 'the next job');
      await until(async () => {
        const open = [...(await redis.lrange(`tasktrail:${name}:active`, 0, -1))];
        open.push(...(await redis.lrange(`tasktrail:${name}:wait`, 0, -1)));
        return !open.includes('task-1');
      }, 'it to be gone');
      expect(jobs.map(({ taskId }) => taskId)).toEqual(['task-2']);
      expect(lines.join('\n')).toMatch(/job "task-1" in Redis cannot be run: /);
    });

    test('a job that another program has added fails, and the next one runs', async () => {
      const queue = await open();
      const foreign = `tasktrail:${name}:17`;
      await redis.hset(foreign, {
        name: 'x',
        data: '{}',
        opts: '{}',
        timestamp: '1',
        delay: '0',
        priority: '0',
      });
      await redis.lpush(`tasktrail:${name}:wait`, '17');
      await queue.push(jobOf('task-2'));
      const { jobs } = worker(queue);
      await until(someJob(jobs), 'the next job');
      expect(lines).toEqual(['job "17" in Redis cannot be run: its id is not a task id']);
    });
  });
});
