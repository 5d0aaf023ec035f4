import type { Job as StoredJob } from 'bullmq';
import type { AbortCause, JobProgress, JobRun } from '../queue.ts';
import { type JobData, readData } from './bullmq-job.ts';

/** A job that this process runs, from the hand-out to the end of its work. */
export class RunningJob {
  readonly stored: StoredJob;
  /** Of the lock. A job that is handed out again while it runs gets another one. */
  token: string;
  /** Resolves when the work has ended. */
  readonly done: Promise<void>;
  readonly #stop = new AbortController();
  readonly #end: () => void;
  #isFinished = false;
  #isPostponed = false;
  #data: JobData;
  /** The writes of `keep`, one after the other. */
  #writes: Promise<void> = Promise.resolve();

  constructor(stored: StoredJob, token: string) {
    this.stored = stored;
    this.token = token;
    this.#data = readData(stored.data);
    let end = (): void => {};
    this.done = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  get data(): JobData {
    return this.#data;
  }

  get isAborted(): boolean {
    return this.#stop.signal.aborted;
  }

  get isCancelled(): boolean {
    return this.#stop.signal.reason === 'cancelled';
  }

  /** Whether the close of the queue ended this attempt, so that the job needs another one. */
  get isCutShort(): boolean {
    return this.#stop.signal.reason === 'closing' && !this.#isFinished;
  }

  /** Whether another process works on the job, so that it is handed out again later. */
  get isPostponed(): boolean {
    return this.#isPostponed;
  }

  /** The first cause is kept: an aborted controller does not change its reason. */
  abort(cause: AbortCause): void {
    this.#stop.abort(cause);
  }

  toJobRun(): JobRun {
    return {
      signal: this.#stop.signal,
      finish: () => {
        this.#isFinished = true;
      },
      postpone: () => {
        this.#isPostponed = true;
      },
      keep: (progress) => this.#keep(progress),
    };
  }

  end(): void {
    this.#end();
  }

  /** Resolves when every write of `keep` has succeeded or failed. */
  settled(): Promise<void> {
    return this.#writes;
  }

  #keep({ workflowId, stops }: JobProgress): void {
    this.#data = { ...this.#data, workflowId, stops };
    // A failed write is repeated by the next one, or when the job is put back.
    this.#writes = this.#writes.then(() => this.stored.updateData(this.#data)).catch(() => {});
  }
}
