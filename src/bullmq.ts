import type { JobsOptions } from 'bullmq';
import { installAgentRunner } from './app/agent-runner.ts';
import { isPathSafeId } from './model/ids.ts';
import { isJsonObject, type JsonObject } from './model/json.ts';
import { recordAttempt, recordTask } from './record/attempt.ts';
import type { TraceCarrier } from './record/carrier.ts';
import type { QueuedTask } from './record/queued-task.ts';
import type { Task } from './record/task.ts';

installAgentRunner();

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

const SYSTEM = 'bullmq';

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
  await task.enqueue({ queue: queue.name, system: SYSTEM }, (carrier) => {
    const source_metadata = task.input.sourceMetadata ?? {};
    const metadata = JSON.stringify({ ...carrier, task_id: task.id, message: task.message, source_metadata });
    return queue.add(name, data, { ...options, telemetry: { metadata, omitContext: true } });
  });
}

/**
 * Wraps a BullMQ processor: each attempt is a CONSUMER span and an attempt of the job's task; a failure is final when
 * BullMQ will not try again. A job that was not enqueued with `enqueueTask` becomes a task of its own.
 */
export function processTask<J extends BullJob, T>(
  work: (job: J, task: Task) => Promise<T>,
): (job: J) => Promise<T> {
  return async (job) => {
    const envelope = readEnvelope(job.opts.telemetry?.metadata);
    if (envelope === undefined) {
      return recordTask({ source: job.queueName, message: job.name }, (task) => work(job, task));
    }
    const attempts = job.opts.attempts ?? 1;
    return recordAttempt(
      {
        ...envelope,
        attempt: Math.max(job.attemptsStarted ?? 0, job.attemptsMade + 1),
        willRetry: (error) =>
          isPutBack(error) || (job.attemptsMade + 1 < attempts && !isUnrecoverable(error)),
        queue: job.queueName,
        system: SYSTEM,
        ...(job.id !== undefined && { messageId: job.id }),
      },
      (task) => work(job, task),
    );
  };
}

interface Envelope {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly carrier: TraceCarrier;
}

/** Undefined for a job that is not ours; anything in Redis may have been edited by hand. */
function readEnvelope(metadata: string | undefined): Envelope | undefined {
  if (metadata === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(metadata);
    if (!isJsonObject(value) || !isPathSafeId(value.task_id)) return undefined;
    return {
      taskId: value.task_id,
      message: typeof value.message === 'string' ? value.message : '',
      sourceMetadata: isJsonObject(value.source_metadata) ? value.source_metadata : {},
      carrier: typeof value.traceparent === 'string' ? { traceparent: value.traceparent } : {},
    };
  } catch {
    // Somebody else's telemetry: not ours to read.
    return undefined;
  }
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
