import type { Budget, Spent } from '../model/budget.ts';
import type { JsonObject } from '../model/json.ts';
import type { TraceCarrier } from '../record/carrier.ts';
import type { QueueDepth } from './depth.ts';

/** A task in a queue, with everything that a worker in another process needs. */
export interface Job {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly command: string | null;
  readonly agent: string | null;
  /** From 1. */
  readonly attempt: number;
  /** Earlier attempts that do not count: a clean stop cut them short, or this one continues them. Default 0. */
  readonly stops?: number;
  /** What the request for the task lets it use. */
  readonly budget?: Budget;
  /** What earlier attempts have used, without what this one continues from. */
  readonly spent?: Spent;
  /** The workflow of an earlier attempt, which this one continues. */
  readonly workflowId?: string;
  /** Id of the log directory that keeps the job until it ends; undefined in a queue that has a home itself. */
  readonly home?: string;
  readonly carrier: TraceCarrier;
}

/** Why a job's signal is aborted. */
export type AbortCause = 'cancelled' | 'closing';

export interface JobRun {
  /** Aborts when the job is cancelled, or when the queue closes before the job is done. Its `reason` is an `AbortCause`. */
  readonly signal: AbortSignal;
  /**
   * Marks the job as over although the queue is closing. Without it, a job that the close has aborted returns to the
   * queue for the next worker.
   */
  finish?(): void;
  /**
   * Returns the job to the queue without an attempt: another process still works on it. It is handed out again some
   * seconds later.
   */
  postpone?(): void;
  /** Stores progress with the job for the next attempt, in case this worker is lost. Never throws. */
  keep?(progress: JobProgress): void;
}

/** What the next attempt of a job continues from. */
export interface JobProgress {
  readonly workflowId: string;
  /** As in `Job`: attempts so far that do not count. */
  readonly stops: number;
}

/** Runs a job. It records its own outcome and does not reject. */
export type JobWork = (job: Job, run: JobRun) => Promise<void>;

/** Result of a cancellation: the job will never start, its worker was notified, or the queue does not have the job. */
export type Cancellation = 'removed' | 'aborted' | 'unknown';

/** Whether a task waits or runs in this queue, by its `metadata.json`. A task without a home matches. */
export function isOfQueue({ queue_system: system, queue_home: home }: JsonObject, queue: Queue): boolean {
  const isHere = typeof home !== 'string' || queue.home === undefined || home === queue.home;
  return system === queue.system && isHere;
}

export interface Queue {
  /** `messaging.destination.name`. */
  readonly name: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Tells apart queues of the same system that do not share their jobs; undefined when all of them do. */
  readonly home: string | undefined;
  /** Why it takes no job at the moment; undefined when it does, as far as it knows. */
  readonly problem: string | undefined;
  /** Resolves when the queue has the job. A job that waits or runs is not added again. Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  push(job: Job): Promise<void>;
  /** Whether the job waits or runs. Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  has(taskId: string): Promise<boolean>;
  /** Whether the job waits, runs, or has ended in the last day: false when it never arrived or was lost. Rejects like `has`. */
  knows(taskId: string): Promise<boolean>;
  /** Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  cancel(taskId: string): Promise<Cancellation>;
  /** Undefined while it is unknown. Never rejects, and takes two seconds at most. */
  depth(): Promise<QueueDepth | undefined>;
  /** The task that waits longest; undefined when none waits, or while it is unknown. Never rejects, as `depth`. */
  next(): Promise<string | undefined>;
  /** Starts to hand out jobs. */
  start(work: JobWork): void;
  /** Hands out no more jobs, aborts the running ones and waits for them until the deadline. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
}
