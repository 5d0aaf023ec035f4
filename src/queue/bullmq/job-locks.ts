import type { Worker } from 'bullmq';
import { type QueueKeys, retakeLock } from './bullmq-internals.ts';
import type { RunningJob } from './running-job.ts';
import type { WorkerFailures } from './worker-failures.ts';

export interface JobLocksParts {
  readonly worker: Worker;
  readonly keys: QueueKeys;
  readonly lockMs: number;
  /** By job id. */
  readonly jobs: ReadonlyMap<string, RunningJob>;
  readonly failures: WorkerFailures;
}

/**
 * Keeps the locks of the running jobs. BullMQ's own renewal is off: it reports a lock that another worker has taken as an
 * error that only its text tells from others.
 */
export class JobLocks {
  readonly #parts: JobLocksParts;
  readonly #timer: NodeJS.Timeout;
  #isRenewing = false;

  constructor(parts: JobLocksParts) {
    this.#parts = parts;
    // Two renewals may be late before a lock expires.
    this.#timer = setInterval(() => void this.#renew(), parts.lockMs / 4);
  }

  /** For a connection that is back: it may have been away for longer than a lock lasts. */
  async retake(): Promise<void> {
    const { keys, lockMs, jobs, failures } = this.#parts;
    try {
      for (const [jobId, { token }] of jobs) await retakeLock(keys, { jobId, token, lockMs });
    } catch (error) {
      failures.ofCommand(error);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    const { worker, lockMs, jobs, failures } = this.#parts;
    // The worker's connection keeps a command until Redis is back: one is enough.
    if (this.#isRenewing || jobs.size === 0) return;
    this.#isRenewing = true;
    try {
      const tokens = [...jobs.values()].map(({ token }) => token);
      // Jobs that another worker has taken are in the result, and are no failure.
      await worker.extendJobLocks([...jobs.keys()], tokens, lockMs);
    } catch (error) {
      failures.ofWorker(error);
    } finally {
      this.#isRenewing = false;
    }
  }
}
