import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import { InProcessQueue } from '../../src/queue/in-process-queue.ts';
import { JobStore } from '../../src/queue/job-store.ts';
import type { Cancellation } from '../../src/queue/queue.ts';
import { TaskIntake } from '../../src/service/task-intake.ts';
import { createWebApp, loadExpress } from '../../src/service/web-app.ts';
import type { Trail } from '../../src/trail/trail.ts';
import { comment, deliver, SECRET } from '../support/deliveries.ts';
import { jobOf } from '../support/queue-contract.ts';
import { listen, openTrail, readDeliveries, readLines } from '../support/receiver.ts';
import { readDocument, resultOf } from '../support/service-process.ts';
import { until } from '../support/until.ts';

let trail: Trail | undefined;

afterEach(async () => {
  await trail?.shutdown();
});

interface Opened {
  readonly url: string;
  readonly logDir: string;
  readonly queue: InProcessQueue;
}

/** The routes of the service over a queue without a worker. */
async function open(): Promise<Opened> {
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-intake-'));
  trail = await openTrail(logDir, { GITHUB_WEBHOOK_SECRET: SECRET });
  const { config, reader } = trail;
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  const intake = new TaskIntake({ config, queue, reader });
  const { app, webhooks } = createWebApp({
    createExpress: await loadExpress('this test'),
    config,
    trail,
    intake,
    queue,
    readMetrics: async () => '',
    log: () => {},
  });
  const { url, close } = await listen(app);
  onTestFinished(async () => {
    await close();
    webhooks.close();
    await rm(logDir, { recursive: true, force: true, maxRetries: 5 });
  });
  return { url, logDir, queue };
}

test('with ten thousand waiting tasks a webhook is refused with Retry-After, and accepted when it is repeated', {
  tags: 'full',
}, async () => {
  const { url, logDir, queue } = await open();
  for (let n = 0; n < 10_000; n += 1) await queue.push(jobOf(`task-${n}`));
  const refused = await deliver(url, comment('@agent review'), { id: 'delivery-1' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await refused.json()).toMatchObject({
    code: 'ERR_QUEUE_UNAVAILABLE',
    detail: expect.stringContaining('10000 tasks are waiting'),
  });
  const [line] = await until(async () => {
    const lines = await readDeliveries(logDir);
    return lines.length > 0 ? lines : undefined;
  }, 'the delivery');
  expect(line).toMatchObject({ outcome: 'rejected', delivery_id: 'delivery-1' });
  const stages = (line?.stages ?? []) as readonly object[];
  expect(stages.at(-1)).toMatchObject({
    stage: 'queue_push',
    status: 'failed',
    reason: expect.stringContaining('10000 tasks are waiting'),
  });
  const order = await fetch(`${url}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"message":"go"}',
  });
  expect(order.status).toBe(503);
  expect(order.headers.get('retry-after')).toBe('5');
  queue.start(() => new Promise<void>(() => {}));
  const taken = await deliver(url, comment('@agent review'), { id: 'delivery-1' });
  expect(taken.status).toBe(202);
  await queue.close(0);
});

test('a task is kept before it is queued, and in neither place when one of them refuses it', async () => {
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-intake-'));
  onTestFinished(() => rm(logDir, { recursive: true, force: true, maxRetries: 5 }));
  trail = await openTrail(logDir, {});
  const { config, reader } = trail;
  const jobs = await JobStore.open(logDir);
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  const intake = new TaskIntake({ config, queue, reader, jobs, home: 'here' });
  const order = { queue: async () => (await queue.depth()).waiting, kept: async () => jobs.taskIds() };
  const { taskId } = await intake.submit({ message: 'go', command: 'review' });
  expect(await jobs.read(taskId)).toMatchObject({
    job: { taskId, message: 'go', command: 'review', attempt: 1, carrier: { source: 'api' } },
    isStarted: false,
  });
  // The queue refuses: nothing stays in the folder.
  const push = queue.push.bind(queue);
  queue.push = async (job) => {
    expect(await jobs.taskIds()).toContain(job.taskId);
    throw new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'away', { retryable: true });
  };
  await expect(intake.submit({ message: 'go' })).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
  expect([await order.queue(), await order.kept()]).toEqual([1, [taskId]]);
  // The disk refuses: nothing reaches the queue.
  queue.push = push;
  jobs.add = async () =>
    Promise.reject(new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'full', { retryable: true }));
  await expect(intake.submit({ message: 'go' })).rejects.toMatchObject({ message: 'full' });
  expect(await order.queue()).toBe(1);
  expect(await intake.cancel(taskId)).toBe('cancelled');
  expect([await order.queue(), await order.kept()]).toEqual([0, []]);
});

/** A queue as Redis makes it: the answer to a cancellation takes a while, and only the first one finds the job. */
class SlowQueue extends InProcessQueue {
  override async cancel(taskId: string): Promise<Cancellation> {
    const answer = await super.cancel(taskId);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return answer;
  }
}

test('a waiting task that is cancelled several times at once, and again, ends once', async () => {
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-intake-'));
  onTestFinished(() => rm(logDir, { recursive: true, force: true, maxRetries: 5 }));
  trail = await openTrail(logDir, {});
  const { config, reader } = trail;
  const jobs = await JobStore.open(logDir);
  const queue = new SlowQueue({ name: 'agent', concurrency: 1 });
  const intake = new TaskIntake({ config, queue, reader, jobs, home: 'here' });
  const { taskId } = await intake.submit({ message: 'go' });
  await until(() => readDocument(logDir, taskId, 'metadata.json'), 'the task to be recorded');
  const answers = await Promise.all([1, 2, 3].map(() => intake.cancel(taskId)));
  expect(answers).toEqual(['cancelled', 'cancelled', 'cancelled']);
  // Its end is on the way to the files.
  await expect(intake.cancel(taskId)).rejects.toThrow(`task ${taskId} has ended: cancelled`);
  expect(await resultOf(logDir, taskId)).toMatchObject({ error: 'cancelled while it waited' });
  const facts = await readLines(join(logDir, taskId, 'facts.jsonl'));
  expect(facts.filter(({ event }) => event === 'tasktrail.task.result')).toHaveLength(1);
});
