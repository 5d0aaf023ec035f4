import type { Queue as StoredQueue } from 'bullmq';
import type { Job } from '../queue.ts';
import { accept } from './acceptance.ts';
import type { QueueKeys } from './bullmq-internals.ts';
import { isOpenState, jobIdOf, packJob } from './bullmq-job.ts';
import { clearMarks, readMarks } from './job-marks.ts';
import type { RedisLink } from './redis-link.ts';

/** Interval between two attempts to take back an unconfirmed job or to mark an accepted one, and the time after which the former counts as never added. */
const TAKE_BACK_POLL_MS = 1_000;
const TAKE_BACK_MS = 10_000;

export interface JobPushesParts {
  readonly queue: StoredQueue;
  readonly link: RedisLink;
  readonly keys: QueueKeys;
  /** As `RedisLink.ask`, and rejects while the queue closes. */
  ask<T>(question: () => Promise<T>): Promise<T>;
}

/** Adds jobs to Redis, and removes those whose push was reported as failed. */
export class JobPushes {
  readonly #parts: JobPushesParts;
  /** By job id. */
  readonly #running = new Map<string, Promise<void>>();
  /**
   * Jobs that were sent to Redis and not confirmed, with the milliseconds left to take them back. Their callers have
   * received an error and may send the task again. No worker runs them: they are not accepted.
   */
  readonly #unconfirmed = new Map<string, number>();
  /** Jobs that are reported as queued, and whose mark of acceptance has not been confirmed. */
  readonly #unmarked = new Map<string, Job>();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: JobPushesParts) {
    this.#parts = parts;
    const settle = (): void => {
      void this.#takeBack();
      void this.#markAll();
    };
    this.#timer = setInterval(settle, TAKE_BACK_POLL_MS);
    parts.link.onReady(settle);
  }

  push(job: Job): Promise<void> {
    const id = jobIdOf(job.taskId);
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const push = this.#push(job, id).finally(() => this.#running.delete(id));
    this.#running.set(id, push);
    return push;
  }

  isUnconfirmed(jobId: string): boolean {
    return this.#unconfirmed.has(jobId);
  }

  /** Whether this process has accepted the job, and its mark may not have arrived yet. */
  isAccepted(jobId: string): boolean {
    return this.#unmarked.has(jobId);
  }

  /** Resolves after the job's push has been answered: false when it has failed. */
  async isWanted(jobId: string): Promise<boolean> {
    await this.#running.get(jobId)?.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    return !this.#unconfirmed.has(jobId);
  }

  /** For a job that is cancelled: it is not added again. */
  forget(jobId: string): void {
    this.#unmarked.delete(jobId);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #push(job: Job, id: string): Promise<void> {
    const { queue, keys, ask } = this.#parts;
    let isSent = false;
    let isGivenUp = false;
    try {
      await ask(async () => {
        const state = await queue.getJobState(id);
        if (isOpenState(state) && !this.#unconfirmed.has(id)) return;
        // A finished job with this id would make BullMQ ignore the new one.
        if (state !== 'unknown') await queue.remove(id);
        await clearMarks(keys, id);
        const { data, options } = packJob(job);
        // Redis may answer the earlier commands after the limit.
        if (isGivenUp) return;
        isSent = true;
        await queue.add('task', data, options);
      });
    } catch (error) {
      isGivenUp = true;
      if (isSent) this.#unconfirmed.set(id, TAKE_BACK_MS);
      throw error;
    }
    // From here on the job is queued, whatever happens to the mark.
    this.#unconfirmed.delete(id);
    this.#unmarked.set(id, job);
    // Before the caller promises the task: of a process that is killed in between a worker would drop the job.
    await this.#mark(id, job);
  }

  /** Marks the job as accepted. True when Redis has lost it meanwhile, or a worker has dropped it. Never rejects. */
  async #mark(id: string, job: Job): Promise<boolean> {
    const { keys, link } = this.#parts;
    try {
      const isMarked = await link.ask(() => accept(keys, id));
      const isOver = isMarked || (await link.ask(() => readMarks(keys, id))).isOver;
      if (isOver && this.#unmarked.get(id) === job) this.#unmarked.delete(id);
      return !isOver;
    } catch {
      // ERR_QUEUE_UNAVAILABLE: the next round tries again.
      return false;
    }
  }

  async #markAll(): Promise<void> {
    for (const [id, job] of this.#unmarked) {
      if (this.#running.has(id)) continue;
      const isLost = await this.#mark(id, job);
      if (!isLost || this.#unmarked.get(id) !== job) continue;
      this.#unmarked.delete(id);
      await this.push(job).catch(() => this.#unmarked.set(id, job));
    }
  }

  async #takeBack(): Promise<void> {
    const { queue, link } = this.#parts;
    for (const [id, leftMs] of this.#unconfirmed) {
      if (this.#running.has(id)) continue;
      try {
        const removed = await link.ask(() => queue.remove(id));
        // A job that is missing may still arrive: Redis may read an older connection's commands later.
        if (removed === 1 || leftMs <= 0) this.#unconfirmed.delete(id);
        else this.#unconfirmed.set(id, leftMs - TAKE_BACK_POLL_MS);
      } catch {
        // ERR_QUEUE_UNAVAILABLE: the next round tries again.
        return;
      }
    }
  }
}
