import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import type { QueueDepth } from './depth.ts';
import type { AbortCause, Cancellation, Job, JobWork, Queue } from './queue.ts';

/** Jobs in memory are a few kilobytes; beyond this nobody works them off in time, and a sender should hear of it. */
const WAITING_MAX = 10_000;

export interface InProcessQueueOptions {
  readonly name: string;
  /** Where its jobs are found again. Default: nowhere, a word that no other queue uses. */
  readonly home?: string | undefined;
  /** Jobs that run at the same time. */
  readonly concurrency: number;
}

interface Running {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Jobs in this process's memory, oldest first. What is lost with the process is found again in the log directory: the
 * facts of a queued task hold all that its job does.
 */
export class InProcessQueue implements Queue {
  readonly name: string;
  readonly system = 'in_process';
  readonly home: string;
  readonly #concurrency: number;
  /** By task id, in the order in which they came. */
  readonly #waiting = new Map<string, Job>();
  readonly #running = new Map<string, Running>();
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

  async push(job: Job): Promise<void> {
    if (this.#isClosed) throw unavailable('the service is shutting down');
    if (this.#waiting.has(job.taskId) || this.#running.has(job.taskId)) return;
    if (this.#waiting.size >= WAITING_MAX) throw unavailable(`${WAITING_MAX} tasks are waiting already`);
    this.#waiting.set(job.taskId, job);
    // Not before whoever pushed has been answered.
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
      this.#waiting.delete(job.taskId);
      const stop = new AbortController();
      const done = begin(work, job, stop.signal)
        .catch((error: unknown) => {
          // A worker that rejects has a defect of its own: say so, and go on with the others.
          process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
        })
        .then(() => {
          this.#running.delete(job.taskId);
          this.#next();
        });
      this.#running.set(job.taskId, { stop, done });
    }
  }
}

/** Turns what a worker throws at once into a rejection. */
async function begin(work: JobWork, job: Job, signal: AbortSignal): Promise<void> {
  await work(job, { signal });
}

/** The first cause stays: a controller that is aborted already keeps its reason. */
function abort(controller: AbortController, cause: AbortCause): void {
  controller.abort(cause);
}

function unavailable(reason: string): TasktrailError {
  return new TasktrailError('ERR_QUEUE_UNAVAILABLE', reason, { retryable: true });
}
