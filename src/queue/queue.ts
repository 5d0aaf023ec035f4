import type { JsonObject } from '../model/json.ts';
import type { TraceCarrier } from '../record/carrier.ts';
import type { QueueDepth } from './depth.ts';

/** A task in a queue: everything that a worker needs, wherever it runs. */
export interface Job {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly command: string | null;
  readonly agent: string | null;
  /** 1 for the first. */
  readonly attempt: number;
  /** How many of the earlier attempts were cut short by a clean stop, or are gone on with. Default none. */
  readonly stops?: number;
  /** The workflow that an earlier attempt began, and this one goes on with. */
  readonly workflowId?: string;
  readonly carrier: TraceCarrier;
}

/** Why a job's signal is aborted. */
export type AbortCause = 'cancelled' | 'closing';

export interface JobRun {
  /** Aborts when somebody cancels the job, or when the queue closes before it is done; its `reason` is an `AbortCause`. */
  readonly signal: AbortSignal;
  /**
   * Says that the job is over although the queue is closing. Without it, a job whose signal was aborted by the close is
   * one that the close cut short: it goes back into the queue for the next worker.
   */
  finish?(): void;
  /** Keeps with the job what its next attempt goes on with, should this worker be lost. Never throws. */
  keep?(progress: JobProgress): void;
}

/** What an attempt leaves for the one after it. */
export interface JobProgress {
  readonly workflowId: string;
  /** As in the job: how many attempts up to here do not count. */
  readonly stops: number;
}

/** What a worker does with a job. It records its own outcome and does not reject. */
export type JobWork = (job: Job, run: JobRun) => Promise<void>;

/** What became of a wish to cancel: the job will never start, its worker was told, or the queue has no such job. */
export type Cancellation = 'removed' | 'aborted' | 'unknown';

/** Whether a task, as its `metadata.json` has it, waits or runs in this queue. One that does not say where is ours. */
export function isOfQueue({ queue_system: system, queue_home: home }: JsonObject, queue: Queue): boolean {
  const isHere = typeof home !== 'string' || queue.home === undefined || home === queue.home;
  return system === queue.system && isHere;
}

export interface Queue {
  /** `messaging.destination.name`. */
  readonly name: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Whose jobs these are, where a queue of the same system elsewhere is another one; undefined: all share it. */
  readonly home: string | undefined;
  /** Resolves when the queue has the job, once however often it is pushed while it waits or runs; rejects with `ERR_QUEUE_UNAVAILABLE` when it cannot take it. */
  push(job: Job): Promise<void>;
  /** Whether the job waits or runs. Rejects with `ERR_QUEUE_UNAVAILABLE` when nobody can say. */
  has(taskId: string): Promise<boolean>;
  /** Whether the job waits, runs, or was over not long ago: false when it never came or was lost. Rejects as `has`. */
  knows(taskId: string): Promise<boolean>;
  /** Rejects with `ERR_QUEUE_UNAVAILABLE` when nobody can say. */
  cancel(taskId: string): Promise<Cancellation>;
  /** Undefined when nobody can say right now. Never rejects, and takes two seconds at most. */
  depth(): Promise<QueueDepth | undefined>;
  /** Begins to hand out jobs. */
  start(work: JobWork): void;
  /** Hands out nothing more, aborts what runs and waits for it until the deadline. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
}
