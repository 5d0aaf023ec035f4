import { expect, test } from 'vitest';
import type { Job, Queue } from '../../src/queue/queue.ts';
import { until } from '../webhooks/receiver.ts';

export interface QueueFactory {
  /** A fresh, empty queue. */
  open(concurrency: number): Promise<Queue> | Queue;
}

export function jobOf(taskId: string): Job {
  return {
    taskId,
    message: `message of ${taskId}`,
    sourceMetadata: { repo: 'acme/app', issue_number: 42 },
    command: 'review',
    agent: null,
    attempt: 1,
    carrier: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
  };
}

const CLOSE_MS = 2_000;

/** What every queue does, whatever it is made of. */
export function queueContract(name: string, { open }: QueueFactory): void {
  test(`${name}: a job comes out as it went in`, async () => {
    const queue = await open(1);
    const seen: Job[] = [];
    queue.start(async (job) => void seen.push(job));
    await queue.push(jobOf('task-1'));
    await until(() => (seen.length > 0 ? true : undefined), 'the job');
    expect(seen).toEqual([jobOf('task-1')]);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: jobs come out in the order in which they went in, those from before the start included`, async () => {
    const queue = await open(1);
    const seen: string[] = [];
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    queue.start(async (job) => void seen.push(job.taskId));
    await queue.push(jobOf('task-3'));
    await until(() => (seen.length === 3 ? true : undefined), 'three jobs');
    expect(seen).toEqual(['task-1', 'task-2', 'task-3']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: as many jobs run at a time as allowed, and no more`, async () => {
    const queue = await open(2);
    const running = new Set<string>();
    const ends: (() => void)[] = [];
    let most = 0;
    let done = 0;
    queue.start(async (job) => {
      running.add(job.taskId);
      most = Math.max(most, running.size);
      await new Promise<void>((resolve) => ends.push(resolve));
      running.delete(job.taskId);
      done += 1;
    });
    for (let n = 0; n < 6; n += 1) await queue.push(jobOf(`task-${n}`));
    await until(() => {
      if (running.size === 2) ends.shift()?.();
      else if (running.size < 2 && done >= 5) ends.shift()?.();
      return done === 6 ? true : undefined;
    }, 'six jobs');
    expect(most).toBe(2);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: whoever pushes has the answer before the job begins`, async () => {
    const queue = await open(1);
    const order: string[] = [];
    queue.start(async () => void order.push('begun'));
    await queue.push(jobOf('task-1'));
    order.push('pushed');
    await until(() => (order.includes('begun') ? true : undefined), 'the job');
    expect(order).toEqual(['pushed', 'begun']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: closing aborts what runs, waits for it and hands out nothing more`, async () => {
    const queue = await open(1);
    const seen: string[] = [];
    let isOver = false;
    queue.start(async (job, { signal }) => {
      seen.push(job.taskId);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => setImmediate(resolve)));
      isOver = true;
    });
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    await until(() => (seen.length === 1 ? true : undefined), 'the first job');
    await queue.close(CLOSE_MS);
    expect(isOver).toBe(true);
    expect(seen).toEqual(['task-1']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: a job that does not heed the abort is not waited for beyond the deadline`, async () => {
    const queue = await open(1);
    let begun = false;
    let end = (): void => {};
    queue.start(async () => {
      begun = true;
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await queue.push(jobOf('task-1'));
    await until(() => (begun ? true : undefined), 'the job');
    const before = performance.now();
    await queue.close(50);
    expect(performance.now() - before).toBeLessThan(1_500);
    end();
  });

  test(`${name}: after the close nothing is taken`, async () => {
    const queue = await open(1);
    await queue.close(CLOSE_MS);
    await expect(queue.push(jobOf('task-1'))).rejects.toMatchObject({
      code: 'ERR_QUEUE_UNAVAILABLE',
      retryable: true,
    });
  });
}
