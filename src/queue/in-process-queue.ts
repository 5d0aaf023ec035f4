import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { holdsLease } from '../system/lease-guard.ts';
import { warn } from '../system/warning.ts';
import type { QueueDepth } from './depth.ts';
import type { AbortCause, Cancellation, Job, JobWork, Queue } from './queue.ts';
import { queueUnavailable } from './unavailable.ts';

/** A job takes a few kilobytes of memory. A longer backlog would not be done in time: the sender gets an error instead. */
const WAITING_MAX = 10_000;

/** Pause between two looks at a lock that cannot be read. */
const LOOK_MS = 1_000;

export interface InProcessQueueOptions {
  readonly name: string;
  /** Identifies the place where its jobs are found after a restart. Default: an id that no other queue has. */
  readonly home?: string | undefined;
  /** Jobs that run at the same time. */
  readonly concurrency: number;
}

interface Running {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Jobs in this process's memory, oldest first. After a restart they are rebuilt from the log directory: the facts of a
 * queued task hold everything that its job does.
 */
export class InProcessQueue implements Queue {
  readonly name: string;
  readonly system = 'in_process';
  readonly home: string;
  readonly #concurrency: number;
  /** By task id, in the order of arrival. */
  readonly #waiting = new Map<string, Job>();
  readonly #running = new Map<string, Running>();
  #lookAgain: NodeJS.Timeout | undefined;
  #isClosed = false;
  #work: JobWork | undefined;

  constructor(options: InProcessQueueOptions) {
    this.name = options.name;
    this.home = options.home ?? randomUUID();
    this.#concurrency = options.concurrency;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get problem(): string | undefined {
    if (this.#isClosed) return 'the service is shutting down';
    return this.#waiting.size >= WAITING_MAX ? `${WAITING_MAX} tasks are waiting already` : undefined;
  }

  async push(job: Job): Promise<void> {
    const { problem } = this;
    const isKnown = this.#waiting.has(job.taskId) || this.#running.has(job.taskId);
    if (problem !== undefined && (this.#isClosed || !isKnown)) throw queueUnavailable(problem);
    if (isKnown) return;
    this.#waiting.set(job.taskId, job);
    // After the caller of `push` has its answer.
    setImmediate(() => this.#next());
  }

  knows(taskId: string): Promise<boolean> {
    return this.has(taskId);
  }

  async has(taskId: string): Promise<boolean> {
    return this.#waiting.has(taskId) || this.#running.has(taskId);
  }

  async depth(): Promise<QueueDepth> {
    return { waiting: this.#waiting.size, active: this.#running.size, delayed: 0 };
  }

  async next(): Promise<string | undefined> {
    return this.#waiting.keys().next().value;
  }

  async cancel(taskId: string): Promise<Cancellation> {
    if (this.#waiting.delete(taskId)) return 'removed';
    const running = this.#running.get(taskId);
    if (running === undefined) return 'unknown';
    abort(running.stop, 'cancelled');
    return 'aborted';
  }

  start(work: JobWork): void {
    this.#work = work;
    this.#next();
  }

  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#running.values()];
    for (const { stop } of running) abort(stop, 'closing');
    const all = Promise.allSettled(running.map(({ done }) => done));
    await Promise.race([all, delay(deadlineMs, undefined, { ref: false })]);
  }

  #next(): void {
    const work = this.#work;
    if (work === undefined) return;
    while (this.#running.size < this.#concurrency && !this.#isClosed) {
      const [job] = this.#waiting.values();
      if (job === undefined) return;
      if (!holdsLease()) {
        // Its lock cannot be read, or it has a successor.
        this.#lookAgain ??= setTimeout(() => {
          this.#lookAgain = undefined;
          this.#next();
        }, LOOK_MS).unref();
        return;
      }
      this.#waiting.delete(job.taskId);
      const stop = new AbortController();
      const done = begin(work, job, stop.signal)
        .catch((error: unknown) => {
          // Work that rejects is a defect. The other jobs go on.
          warn(error);
        })
        .then(() => {
          this.#running.delete(job.taskId);
          this.#next();
        });
      this.#running.set(job.taskId, { stop, done });
    }
  }
}

/** Turns a synchronous throw into a rejection. */
async function begin(work: JobWork, job: Job, signal: AbortSignal): Promise<void> {
  await work(job, { signal });
}

/** The first cause is kept: an aborted controller does not change its reason. */
function abort(controller: AbortController, cause: AbortCause): void {
  controller.abort(cause);
}
