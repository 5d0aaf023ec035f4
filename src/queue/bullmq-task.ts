import type { JobsOptions } from 'bullmq';
import { recordAttempt, recordTask } from '../record/task/attempt.ts';
import type { QueuedTask } from '../record/task/queued-task.ts';
import type { Task } from '../record/task/task.ts';
import { packEnvelope, readEnvelope } from './envelope.ts';

/** The part of a BullMQ queue that tasktrail uses. Queues of BullMQ 5 and 6 fit. */
export interface BullQueue {
  readonly name: string;
  add(name: string, data: unknown, options?: JobsOptions): Promise<unknown>;
}

/** The part of a BullMQ job that tasktrail uses. Jobs of BullMQ 5 and 6 fit. */
export interface BullJob {
  readonly id?: string | undefined;
  readonly name: string;
  readonly queueName: string;
  readonly attemptsMade: number;
  /** How often a worker has taken it: more than `attemptsMade` after a worker was lost with it, or has put it back. */
  readonly attemptsStarted?: number;
  readonly opts: {
    readonly attempts?: number | undefined;
    readonly telemetry?: { readonly metadata?: string };
  };
}

export interface EnqueueOptions extends Omit<JobsOptions, 'telemetry'> {
  readonly task: QueuedTask;
}

/** `messaging.system`. */
export const BULLMQ_SYSTEM = 'bullmq';

/**
 * Adds a job for a task: `queue.add` inside a PRODUCER span. The task's id and trace context travel in the job's
 * `opts.telemetry.metadata`; its data stay as they are. Rejects like `queue.add`.
 */
export async function enqueueTask(
  queue: BullQueue,
  name: string,
  data: unknown,
  { task, ...options }: EnqueueOptions,
): Promise<void> {
  await task.enqueue({ queue: queue.name, system: BULLMQ_SYSTEM }, (carrier) => {
    const { id: taskId, message } = task;
    const telemetry = packEnvelope({
      taskId,
      message,
      sourceMetadata: task.input.sourceMetadata ?? {},
      carrier,
    });
    return queue.add(name, data, { ...options, telemetry });
  });
}

/**
 * Wraps a BullMQ processor: each run of the job is a CONSUMER span and an attempt of its task. A failure is final when
 * BullMQ will not try again. A job that was not added with `enqueueTask` becomes a task of its own. The lock's token and
 * the signal, which BullMQ passes to a processor, follow the task.
 */
export function processTask<J extends BullJob, T>(
  work: (job: J, task: Task, token?: string, signal?: AbortSignal) => Promise<T>,
): (job: J, token?: string, signal?: AbortSignal) => Promise<T> {
  // BullMQ creates a signal only for a processor that declares three parameters.
  return async (job, token, signal) => {
    const envelope = readEnvelope(job.opts.telemetry?.metadata);
    if (envelope === undefined) {
      return recordTask({ source: job.queueName, message: job.name }, (task) =>
        work(job, task, token, signal),
      );
    }
    const attempts = job.opts.attempts ?? 1;
    const made = countOf(job.attemptsMade);
    return recordAttempt(
      {
        ...envelope,
        message: envelope.message ?? '',
        attempt: Math.max(countOf(job.attemptsStarted), made + 1),
        isPutBack,
        willRetry: (error) => made + 1 < attempts && !isUnrecoverable(error),
        queue: job.queueName,
        system: BULLMQ_SYSTEM,
        ...(job.id !== undefined && { messageId: job.id }),
      },
      (task) => work(job, task, token, signal),
    );
  };
}

/** `NaN` where BullMQ has parsed text that is no number. */
function countOf(count: number | undefined): number {
  return Number.isSafeInteger(count) ? Number(count) : 0;
}

/** By name, as BullMQ does it: the user's BullMQ may be another copy, with other classes than tasktrail's. */
function isUnrecoverable(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnrecoverableError';
}

/** Thrown by a processor that has put its job back itself, with `moveToDelayed` and its like. The job has not failed. */
const PUT_BACK = ['DelayedError', 'RateLimitError', 'WaitingChildrenError', 'WaitingError'];

function isPutBack(error: unknown): boolean {
  return error instanceof Error && PUT_BACK.includes(error.name);
}
