import { expect, test } from 'vitest';
import type { AbortCause, Job, JobRun, Queue } from '../../src/queue/queue.ts';
import { until } from './until.ts';

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

/** The contract of `Queue`, run for each implementation. */
export function queueContract(name: string, { open }: QueueFactory): void {
  test(`${name}: a job arrives unchanged`, async () => {
    const queue = await open(1);
    const seen: Job[] = [];
    queue.start(async (job) => void seen.push(job));
    await queue.push(jobOf('task-1'));
    await until(() => seen.length > 0, 'the job');
    expect(seen).toEqual([jobOf('task-1')]);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: jobs run in push order, including those pushed before the start`, async () => {
    const queue = await open(1);
    const seen: string[] = [];
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    queue.start(async (job) => void seen.push(job.taskId));
    await queue.push(jobOf('task-3'));
    await until(() => seen.length === 3, 'three jobs');
    expect(seen).toEqual(['task-1', 'task-2', 'task-3']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: the number of running jobs never exceeds the concurrency`, async () => {
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
      return done === 6;
    }, 'six jobs');
    expect(most).toBe(2);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: push resolves before its job starts`, async () => {
    const queue = await open(1);
    const order: string[] = [];
    queue.start(async () => void order.push('begun'));
    await queue.push(jobOf('task-1'));
    order.push('pushed');
    await until(() => order.includes('begun'), 'the job');
    expect(order).toEqual(['pushed', 'begun']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: close aborts the running job, waits for it and starts no other`, async () => {
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
    await until(() => seen.length === 1, 'the first job');
    await queue.close(CLOSE_MS);
    expect(isOver).toBe(true);
    expect(seen).toEqual(['task-1']);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: close waits no longer than its deadline for a job that ignores the abort`, async () => {
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
    await until(() => begun, 'the job');
    // The job can end only after close has returned.
    await queue.close(50);
    end();
  });

  test(`${name}: a closed queue rejects a push`, async () => {
    const queue = await open(1);
    await queue.close(CLOSE_MS);
    await expect(queue.push(jobOf('task-1'))).rejects.toMatchObject({
      code: 'ERR_QUEUE_UNAVAILABLE',
      retryable: true,
    });
  });

  test(`${name}: a waiting or running job is not queued twice, and a finished job can be queued again`, async () => {
    const queue = await open(1);
    const seen: string[] = [];
    const gates = new Map<string, () => void>();
    const work = async (job: Job): Promise<void> => {
      seen.push(job.taskId);
      await new Promise<void>((resolve) => gates.set(job.taskId, resolve));
    };
    await Promise.all([queue.push(jobOf('task-1')), queue.push(jobOf('task-1'))]);
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    queue.start(work);
    await until(() => seen.length > 0, 'the first job');
    await queue.push(jobOf('task-1'));
    gates.get('task-1')?.();
    await until(() => seen.length > 1, 'the second job');
    expect(seen).toEqual(['task-1', 'task-2']);
    await until(async () => !(await queue.has('task-1')), 'the first to be over');
    await queue.push(jobOf('task-1'));
    gates.get('task-2')?.();
    await until(() => seen.length > 2, 'the first job once more');
    expect(seen).toEqual(['task-1', 'task-2', 'task-1']);
    gates.get('task-1')?.();
    await queue.close(CLOSE_MS);
  });

  test(`${name}: has() is true from the push to the end of the job`, async () => {
    const queue = await open(1);
    let end = (): void => {};
    let isRunning = false;
    expect(await queue.has('task-1')).toBe(false);
    await queue.push(jobOf('task-1'));
    expect(await queue.has('task-1')).toBe(true);
    queue.start(() => {
      isRunning = true;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await until(() => isRunning, 'the job');
    expect(await queue.has('task-1')).toBe(true);
    end();
    await until(async () => !(await queue.has('task-1')), 'the job to be over');
    expect(await queue.has('task-2')).toBe(false);
    await queue.close(CLOSE_MS);
  });

  test(`${name}: the depth counts waiting and running jobs`, async () => {
    const queue = await open(1);
    expect(await queue.depth()).toEqual({ waiting: 0, active: 0, delayed: 0 });
    expect(await queue.next()).toBeUndefined();
    const ends: (() => void)[] = [];
    for (const id of ['task-1', 'task-2', 'task-3']) await queue.push(jobOf(id));
    expect(await queue.depth()).toEqual({ waiting: 3, active: 0, delayed: 0 });
    expect(await queue.next()).toBe('task-1');
    queue.start(() => new Promise<void>((resolve) => ends.push(resolve)));
    await until(() => ends.length === 1, 'the first job');
    expect(await queue.depth()).toEqual({ waiting: 2, active: 1, delayed: 0 });
    expect(await queue.next()).toBe('task-2');
    await until(async () => {
      ends.pop()?.();
      const depth = await queue.depth();
      return depth?.waiting === 0 && depth.active === 0;
    }, 'every job to be over');
    await queue.close(CLOSE_MS);
  });

  test(`${name}: a cancelled waiting job never runs, and the other jobs do`, async () => {
    const queue = await open(1);
    const seen: string[] = [];
    for (const id of ['task-1', 'task-2', 'task-3']) await queue.push(jobOf(id));
    expect(await queue.cancel('task-2')).toBe('removed');
    expect(await queue.has('task-2')).toBe(false);
    expect(await queue.cancel('task-2')).toBe('unknown');
    queue.start(async (job) => void seen.push(job.taskId));
    await until(() => seen.includes('task-3'), 'the last job');
    expect(seen).toEqual(['task-1', 'task-3']);
    expect(await queue.cancel('task-4')).toBe('unknown');
    await queue.close(CLOSE_MS);
  });

  test(`${name}: a cancelled running job gets the reason and does not run again, and other jobs continue`, async () => {
    const queue = await open(2);
    const runs = new Map<string, JobRun>();
    const ended: string[] = [];
    queue.start(async (job, run) => {
      runs.set(job.taskId, run);
      await aborted(run.signal);
      ended.push(`${job.taskId} ${causeOf(run)}`);
    });
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    await until(() => runs.size === 2, 'both jobs');
    expect(await queue.cancel('task-1')).toBe('aborted');
    await until(() => ended.length > 0, 'the end of the first');
    expect(ended).toEqual(['task-1 cancelled']);
    expect(runs.get('task-2')?.signal.aborted).toBe(false);
    await until(async () => !(await queue.has('task-1')), 'the first to be over');
    await queue.close(CLOSE_MS);
    expect(ended).toEqual(['task-1 cancelled', 'task-2 closing']);
  });

  test(`${name}: a cancelled job keeps its reason if the queue closes before the job stops`, async () => {
    const queue = await open(1);
    const causes: (AbortCause | undefined)[] = [];
    const gate: { stop?: () => void } = {};
    queue.start(async (_job, run) => {
      await new Promise<void>((resolve) => {
        gate.stop = resolve;
      });
      causes.push(causeOf(run));
    });
    await queue.push(jobOf('task-1'));
    const stop = await until(() => gate.stop, 'the job to run');
    expect(await queue.cancel('task-1')).toBe('aborted');
    const closed = queue.close(CLOSE_MS);
    stop();
    await closed;
    expect(causes).toEqual(['cancelled']);
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function causeOf({ signal }: JobRun): AbortCause | undefined {
  return signal.reason === 'cancelled' || signal.reason === 'closing' ? signal.reason : undefined;
}
