import type { JobsOptions } from 'bullmq';
import { recordAttempt, recordTask } from '../record/task/attempt.ts';
import type { QueuedTask } from '../record/task/queued-task.ts';
import type { Task } from '../record/task/task.ts';
import { packEnvelope, readEnvelope } from './envelope.ts';

/** What of a BullMQ queue is used; BullMQ 5 and 6 fit. */
export interface BullQueue {
  readonly name: string;
  add(name: string, data: unknown, options?: JobsOptions): Promise<unknown>;
}

/** What of a BullMQ job is used; BullMQ 5 and 6 fit. */
export interface BullJob {
  readonly id?: string | undefined;
  readonly name: string;
  readonly queueName: string;
  readonly attemptsMade: number;
  /** How often a worker took it: more than `attemptsMade` when a worker was lost with it, or put it back. */
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
 * Adds a job for a task: `queue.add` with a PRODUCER span around it. Which task it is and its trace context travel in the
 * job's `opts.telemetry.metadata`, never in its data. Rejects as `queue.add` does.
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
 * Wraps a BullMQ processor: each attempt is a CONSUMER span and an attempt of the job's task; a failure is final when
 * BullMQ will not try again. A job that was not enqueued with `enqueueTask` becomes a task of its own. What else
 * BullMQ hands to a processor, the lock's token and a signal, comes after the task.
 */
export function processTask<J extends BullJob, T>(
  work: (job: J, task: Task, token?: string, signal?: AbortSignal) => Promise<T>,
): (job: J, token?: string, signal?: AbortSignal) => Promise<T> {
  // Three parameters: BullMQ counts them to see whether a signal is wanted.
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

/** BullMQ parses what stands in Redis; of rubbish that makes `NaN`. */
function countOf(count: number | undefined): number {
  return Number.isSafeInteger(count) ? Number(count) : 0;
}

/** BullMQ's own way to say "do not try again". */
function isUnrecoverable(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnrecoverableError';
}

/** A processor has put its job back itself (`moveToDelayed` and its like) and says so by throwing; it has not failed. */
const PUT_BACK = ['DelayedError', 'RateLimitError', 'WaitingChildrenError', 'WaitingError'];

function isPutBack(error: unknown): boolean {
  return error instanceof Error && PUT_BACK.includes(error.name);
}
