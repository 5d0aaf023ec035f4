import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import type { Job, JobWork, Queue } from './queue.ts';

/** Jobs in memory are a few kilobytes; beyond this nobody works them off in time, and a sender should hear of it. */
const WAITING_MAX = 10_000;

export interface InProcessQueueOptions {
  readonly name: string;
  /** Jobs that run at the same time. */
  readonly concurrency: number;
}

/**
 * Jobs in this process's memory, oldest first. What is lost with the process is found again in the log directory: the
 * facts of a queued task hold all that its job does.
 */
export class InProcessQueue implements Queue {
  readonly name: string;
  readonly system = 'in_process';
  readonly #concurrency: number;
  readonly #waiting: Job[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #work: JobWork | undefined;

  constructor(options: InProcessQueueOptions) {
    this.name = options.name;
    this.#concurrency = options.concurrency;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async push(job: Job): Promise<void> {
    if (this.#stop.signal.aborted) throw unavailable('the service is shutting down');
    if (this.#waiting.length >= WAITING_MAX) throw unavailable(`${WAITING_MAX} tasks are waiting already`);
    this.#waiting.push(job);
    // Not before whoever pushed has been answered.
    setImmediate(() => this.#next());
  }

  start(work: JobWork): void {
    this.#work = work;
    this.#next();
  }

  async close(deadlineMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.race([Promise.allSettled(this.#running), delay(deadlineMs, undefined, { ref: false })]);
  }

  #next(): void {
    const work = this.#work;
    if (work === undefined) return;
    while (this.#running.size < this.#concurrency && !this.#stop.signal.aborted) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      const run = begin(work, job, this.#stop.signal).catch((error: unknown) => {
        // A worker that rejects has a defect of its own: say so, and go on with the others.
        process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
      });
      const done = run.then(() => {
        this.#running.delete(done);
        this.#next();
      });
      this.#running.add(done);
    }
  }
}

/** Turns what a worker throws at once into a rejection. */
async function begin(work: JobWork, job: Job, signal: AbortSignal): Promise<void> {
  await work(job, { signal });
}

function unavailable(reason: string): TasktrailError {
  return new TasktrailError('ERR_QUEUE_UNAVAILABLE', reason, { retryable: true });
}
