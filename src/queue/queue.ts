import type { JsonObject } from '../model/json.ts';
import type { TraceCarrier } from '../record/carrier.ts';

/** A task in a queue: everything that a worker needs, wherever it runs. */
export interface Job {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly command: string | null;
  readonly agent: string | null;
  /** 1 for the first. */
  readonly attempt: number;
  /** How many of the earlier attempts a clean stop of their service cut short. Default none. */
  readonly stops?: number;
  /** The workflow that an earlier attempt began, and this one goes on with. */
  readonly workflowId?: string;
  readonly carrier: TraceCarrier;
}

export interface JobRun {
  /** Aborts when the queue closes before the job is done. */
  readonly signal: AbortSignal;
}

/** What a worker does with a job. It records its own outcome and does not reject. */
export type JobWork = (job: Job, run: JobRun) => Promise<void>;

export interface Queue {
  /** `messaging.destination.name`. */
  readonly name: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Resolves when the queue has the job; rejects with `ERR_QUEUE_UNAVAILABLE` when it cannot take it. */
  push(job: Job): Promise<void>;
  /** Begins to hand out jobs. */
  start(work: JobWork): void;
  /** Hands out nothing more, aborts what runs and waits for it until the deadline. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
}
