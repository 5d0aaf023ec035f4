import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnrecoverableError } from 'bullmq';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BullJob, type BullQueue, enqueueTask, processTask } from '../src/bullmq.ts';
import { prepareTask, type QueuedTask, type Task, type Trail } from '../src/index.ts';
import { attribute, openTrail, readLines, readSpans } from './support/receiver.ts';
import { until } from './support/until.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-bullmq-'));
  trail = await openTrail(logDir);
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

interface AddedJob {
  readonly name: string;
  readonly data: unknown;
  readonly opts: NonNullable<Parameters<BullQueue['add']>[2]>;
}

/** A fake of BullMQ that counts attempts and retries failed jobs. */
class MemoryQueue implements BullQueue {
  readonly name = 'agent';
  readonly added: AddedJob[] = [];

  async add(name: string, data: unknown, opts: AddedJob['opts'] = {}): Promise<AddedJob> {
    // Redis stores JSON.
    const job: AddedJob = JSON.parse(JSON.stringify({ name, data, opts }));
    this.added.push(job);
    return job;
  }

  async work(added: AddedJob, processor: (job: BullJob) => Promise<unknown>): Promise<unknown> {
    const { attempts = 1 } = added.opts;
    let failure: unknown;
    for (let attemptsMade = 0; attemptsMade < attempts; attemptsMade += 1) {
      try {
        return await processor(jobOf(added, { attemptsMade, attemptsStarted: attemptsMade + 1 }));
      } catch (error) {
        failure = error;
        if (error instanceof UnrecoverableError) break;
      }
    }
    throw failure;
  }
}

function jobOf(added: AddedJob, more: Partial<BullJob> = {}): BullJob {
  const telemetry = added.opts.telemetry as { metadata?: string } | undefined;
  return {
    id: '17',
    name: added.name,
    queueName: 'agent',
    attemptsMade: 0,
    opts: { attempts: added.opts.attempts, ...(telemetry && { telemetry }) },
    ...more,
  };
}

async function enqueue(attempts = 1): Promise<{ queue: MemoryQueue; task: QueuedTask; added: AddedJob }> {
  const queue = new MemoryQueue();
  const task = prepareTask({
    source: 'webhook',
    provider: 'github',
    message: '@agent review',
    sourceMetadata: { repo: 'acme/app' },
  });
  await enqueueTask(queue, 'review', { pr: 7 }, { task, attempts, priority: 3 });
  const [added] = queue.added;
  if (added === undefined) throw new Error('nothing was added');
  return { queue, task, added };
}

async function endOf(taskId: string, status: string): Promise<Record<string, unknown>> {
  return until(async () => {
    const metadata = await trail.reader.readDocument(taskId, 'metadata');
    return metadata?.status === status ? metadata : undefined;
  }, `${taskId} to be ${status}`);
}

async function attemptsOf(taskId: string, count: number): ReturnType<typeof readSpans> {
  return until(async () => {
    const spans = (await readSpans(logDir, taskId)).filter(({ name }) => name === 'process agent');
    return spans.length === count ? spans : undefined;
  }, `${count} attempts`);
}

test('task id and trace context are in the telemetry metadata, and the data is unchanged', async () => {
  const { task, added } = await enqueue(2);
  expect(added.name).toBe('review');
  expect(added.data).toEqual({ pr: 7 });
  expect(added.opts).toMatchObject({ attempts: 2, priority: 3, telemetry: { omitContext: true } });
  expect(added.opts).not.toHaveProperty('task');
  expect(JSON.parse(added.opts.telemetry?.metadata ?? '')).toEqual({
    task_id: task.id,
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    message: '@agent review',
    source_metadata: { repo: 'acme/app' },
    source: 'webhook',
    provider: 'github',
  });
  expect(await endOf(task.id, 'queued')).toMatchObject({ queue_system: 'bullmq', queue: 'agent' });
});

test('a job runs as the enqueued task, as a child of the span that enqueued it', async () => {
  const { queue, task, added } = await enqueue();
  let seen: Task | undefined;
  const value = await queue.work(
    added,
    processTask(async (_job, current) => {
      seen = current;
      return 'done';
    }),
  );
  expect(value).toBe('done');
  expect(seen).toMatchObject({ id: task.id, message: '@agent review', sourceMetadata: { repo: 'acme/app' } });
  await endOf(task.id, 'completed');
  const [attempt] = await attemptsOf(task.id, 1);
  const send = (await readSpans(logDir, task.id)).find(({ name }) => name === 'send agent');
  expect(attempt).toMatchObject({ kind: 5, traceId: send?.traceId, parentSpanId: send?.spanId });
  expect(send?.kind).toBe(4);
  expect(attempt && attribute(attempt, 'messaging.system')).toBe('bullmq');
  expect(attempt && attribute(attempt, 'messaging.message.id')).toBe('17');
});

test('attempts are sibling spans, and a retried attempt leaves an error line but no result', async () => {
  const { queue, task, added } = await enqueue(3);
  let runs = 0;
  const work = processTask(async () => {
    runs += 1;
    if (runs === 1) throw new RangeError('not yet');
    return runs;
  });
  await expect(work(jobOf(added))).rejects.toThrow('not yet');
  expect(await endOf(task.id, 'queued')).toMatchObject({ attempt: 2 });
  expect(await trail.reader.readDocument(task.id, 'final-result')).toBeUndefined();
  const lines = await readLines(join(logDir, task.id, '03-agent-output.jsonl'));
  expect(lines).toMatchObject([{ type: 'error', content: 'not yet', error_type: 'RangeError' }]);
  await work(jobOf(added, { attemptsMade: 1, attemptsStarted: 2 }));
  expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 2 });
  const spans = await attemptsOf(task.id, 2);
  expect(new Set(spans.map(({ parentSpanId }) => parentSpanId)).size).toBe(1);
  expect(spans.map((span) => attribute(span, 'error.type'))).toEqual(['RangeError', undefined]);
  expect(queue.added).toHaveLength(1);
});

test('the last attempt and an unrecoverable error are final, and the error is rethrown unchanged', async () => {
  const last = await enqueue(2);
  const boom = new RangeError('boom');
  const failing = processTask(() => Promise.reject(boom));
  await expect(last.queue.work(last.added, failing)).rejects.toBe(boom);
  expect(await endOf(last.task.id, 'failed')).toMatchObject({ attempt: 2 });

  const unrecoverable = await enqueue(5);
  const error = new UnrecoverableError('never');
  const work = processTask(() => Promise.reject(error));
  await expect(unrecoverable.queue.work(unrecoverable.added, work)).rejects.toBe(error);
  expect(await endOf(unrecoverable.task.id, 'failed')).toMatchObject({ attempt: 1 });
  expect(await trail.reader.readDocument(unrecoverable.task.id, 'final-result')).toMatchObject({
    success: false,
    error: 'never',
  });
});

test('a job that its processor delays is queued, not failed', async () => {
  const { task, added } = await enqueue(1);
  const error = Object.assign(new Error('later'), { name: 'DelayedError' });
  await expect(processTask(() => Promise.reject(error))(jobOf(added, { attemptsStarted: 1 }))).rejects.toBe(
    error,
  );
  await endOf(task.id, 'queued');
  await processTask(async () => 'done')(jobOf(added, { attemptsStarted: 2 }));
  expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 2 });
});

test('a job of a lost worker runs as the next attempt, although BullMQ did not count the first', async () => {
  const { task, added } = await enqueue(1);
  await processTask(async () => 'done')(jobOf(added, { attemptsMade: 0, attemptsStarted: 2 }));
  expect(await endOf(task.id, 'completed')).toMatchObject({ attempt: 2 });
});

test('if adding the job fails, the error is rethrown and the task fails', async () => {
  const task = prepareTask({ source: 'cron', message: 'x' });
  const boom = new Error('Redis is down');
  const queue: BullQueue = { name: 'agent', add: () => Promise.reject(boom) };
  await expect(enqueueTask(queue, 'x', {}, { task })).rejects.toBe(boom);
  await endOf(task.id, 'failed');
});

test.each([
  ['nothing', undefined],
  ['malformed JSON', '{"task_id": "task-1"'],
  [
    'a trace context without a task id',
    JSON.stringify({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }),
  ],
  ['a number', '7'],
  ['null', 'null'],
  ['a task id with a path', JSON.stringify({ task_id: '../../etc' })],
  ['a numeric task id', JSON.stringify({ task_id: 7 })],
])('a job whose metadata is %s becomes a new task', async (_what, metadata) => {
  let id = '';
  const job = jobOf({
    name: 'foreign',
    data: {},
    opts: { ...(metadata !== undefined && { telemetry: { metadata } }) },
  });
  await processTask(async (_job, task) => {
    id = task.id;
  })(job);
  expect(id).toMatch(/^task-[0-9a-z]{26}$/);
  expect(await endOf(id, 'completed')).toMatchObject({ source: 'agent' });
});

test('a job finds its task by id, even if other metadata fields are invalid', async () => {
  const taskId = prepareTask({ source: 'x', message: 'x' }).id;
  const metadata = JSON.stringify({
    task_id: taskId,
    traceparent: 'rubbish',
    message: 7,
    source_metadata: [],
  });
  let seen: Task | undefined;
  await processTask(async (_job, task) => {
    seen = task;
  })(jobOf({ name: 'x', data: {}, opts: { telemetry: { metadata } } }));
  expect(seen).toMatchObject({ id: taskId, message: '', sourceMetadata: {} });
  await endOf(taskId, 'completed');
});
