import { messageOf, TasktrailError } from '../../errors.ts';
import { isFinal } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import type { JobEntry } from '../../queue/job-entry.ts';
import type { JobStore } from '../../queue/job-store.ts';
import type { Job, Queue } from '../../queue/queue.ts';
import { describeAgain, describeRequeue } from '../../record/task/absent-task.ts';
import type { Reader } from '../../serve/reader.ts';
import { isSuperseded } from '../../system/lease-guard.ts';
import { isProcessAlive } from '../../system/process-identity.ts';

/** Youngest age in milliseconds with Redis: records about a younger job, or of a worker that has just ended, may be in transit. */
const AGE_MIN_MS = 10_000;

/** Larger numbers are not those of attempts. */
const ATTEMPT_MAX = 10_000;

export interface RequeueOptions {
  readonly jobs: JobStore;
  readonly queue: Queue;
  /** Tells whether a task has ended, and at which attempt it is. A job is never made from records. */
  readonly reader: Pick<Reader, 'readDocument'>;
  /** Id of the log directory: the home of its in-process queue. */
  readonly home: string;
  /** Whether the job is being accepted or cancelled at this moment. */
  isBusy(taskId: string): boolean;
  /** Since when (`performance.now()`) the worker of a task is known to be gone, by task id: kept between two passes. */
  readonly gone: Map<string, number>;
  /** Whether this process has accepted the task, so that its records are on their way. */
  isOwn?(taskId: string): boolean;
  /** A job that cannot be read or queued; the others are queued all the same. */
  onProblem(taskId: string, reason: string): void;
  /** A job that may be queued in so many milliseconds and not before: a pass then decides. */
  onEarly(ms: number): void;
}

/**
 * Queues the kept jobs again that the queue no longer knows: a waiting one unchanged, a running one as its next attempt.
 * Removes the entries of ended tasks. Returns the number of queued jobs. Rejects with `ERR_QUEUE_UNAVAILABLE`.
 */
export async function requeueUnfinished(options: RequeueOptions): Promise<number> {
  const { jobs } = options;
  let queued = 0;
  const taskIds = await jobs.taskIds();
  const kept = new Set(taskIds);
  for (const taskId of options.gone.keys()) if (!kept.has(taskId)) options.gone.delete(taskId);
  for (const taskId of taskIds) {
    try {
      // Its removal has failed before.
      if (jobs.hasEnded(taskId)) await jobs.remove(taskId);
      else if (await requeueOne(taskId, options)) queued += 1;
    } catch (error) {
      // The queue takes nothing at the moment: the next pass goes on.
      if (error instanceof TasktrailError && error.retryable) throw error;
      options.onProblem(taskId, messageOf(error));
    }
  }
  return queued;
}

async function requeueOne(taskId: string, options: RequeueOptions): Promise<boolean> {
  const { jobs, queue, reader, home } = options;
  const entry = await jobs.read(taskId);
  if (entry === undefined || !isOwnQueue(entry, options)) return false;
  // What waits or runs is left alone, whatever its records say: an end may be forged, and the task of a silent worker is
  // recorded as abandoned before Redis hands it out again.
  if ((await queue.has(taskId)) || options.isBusy(taskId)) {
    await describeUnknown(entry, options);
    return false;
  }
  const isOver = await queue.knows(taskId);
  const recorded = await reader.readDocument(taskId, 'metadata');
  // The service has not recorded it yet, or has lost that: what others say about its job does not count.
  const metadata = recorded?.opened_by === undefined ? recorded : undefined;
  // An abandoned task is queued from its entry; an attempt over the maximum ends without one.
  if (isOver || isFinal(metadata?.status)) {
    options.gone.delete(taskId);
    if (!options.isBusy(taskId)) await jobs.remove(taskId);
    return false;
  }
  const lostInMs = msUntilLost(entry, metadata, options.gone);
  if (lostInMs !== undefined && lostInMs > 0) options.onEarly(lostInMs);
  if (lostInMs !== 0) return false;
  const job: Job = {
    ...entry.job,
    ...(queue.home === undefined && { home }),
    attempt: nextAttempt(entry, metadata),
  };
  if (options.isBusy(taskId) || jobs.hasEnded(taskId)) return false;
  await queue.push(job);
  options.gone.delete(taskId);
  if (metadata === undefined) describeAgain(job, entry.createdAt);
  // Records that it is queued: a running task without heartbeats would be closed as abandoned.
  else if (metadata.status !== 'queued' || metadata.attempt !== job.attempt) describeRequeue(job);
  return true;
}

/** The process that queued it was killed before it recorded the task. */
async function describeUnknown(
  { job, isStarted, createdAt }: JobEntry,
  options: RequeueOptions,
): Promise<void> {
  const { taskId } = job;
  const isYoung = Date.now() - Date.parse(createdAt) <= AGE_MIN_MS;
  if (isYoung || options.isOwn?.(taskId) === true || options.isBusy(taskId)) return;
  const metadata = await options.reader.readDocument(taskId, 'metadata');
  const isKnown = metadata !== undefined && metadata.created_at !== null && metadata.opened_by === undefined;
  if (!isKnown && !options.jobs.hasEnded(taskId)) describeAgain(job, createdAt, { isBegun: isStarted });
}

/** Jobs of an in-process queue end with its process. This one holds the directory, so that process is gone. */
function isVolatile({ queue }: JobEntry): boolean {
  return queue.system === 'in_process';
}

function isOwnQueue(entry: JobEntry, { queue, home }: RequeueOptions): boolean {
  if (isVolatile(entry)) return entry.queue.home === home;
  return entry.queue.system === queue.system;
}

/** Milliseconds until no process can have the job any more: 0 now, undefined while one has it. */
function msUntilLost(
  entry: JobEntry,
  metadata: JsonObject | undefined,
  gone: Map<string, number>,
): number | undefined {
  if (isVolatile(entry)) return 0;
  const isAlive = isWorkerAlive(entry);
  if (isAlive === true) return undefined;
  const times: number[] = [];
  if (isAlive === false) {
    // The end that it has recorded may be in its journal, which the holder takes over within a second.
    const sinceMs = gone.get(entry.job.taskId) ?? performance.now();
    gone.set(entry.job.taskId, sinceMs);
    times.push(msLeft(performance.now() - sinceMs));
  }
  // Else a worker that had taken the job before Redis lost it goes on with it.
  if (metadata === undefined || metadata.status === 'queued' || metadata.status === 'abandoned')
    times.push(msLeft(Date.now() - Date.parse(entry.updatedAt)));
  return times.length === 0 ? undefined : Math.min(...times);
}

function msLeft(ageMs: number): number {
  return Math.max(0, AGE_MIN_MS - ageMs);
}

/** Undefined: no process of this machine has begun it. A service that was replaced ends as soon as it goes on. */
function isWorkerAlive({ isStarted, worker }: JobEntry): boolean | undefined {
  if (!isStarted || worker === undefined) return undefined;
  return isSuperseded(worker, worker.lease) ? false : isProcessAlive(worker);
}

/** An attempt that was begun is not repeated under its number. */
function nextAttempt({ job, isStarted }: JobEntry, metadata: JsonObject | undefined): number {
  const kept = isStarted ? job.attempt + 1 : job.attempt;
  const recorded = metadata?.attempt;
  if (typeof recorded !== 'number' || !Number.isInteger(recorded) || recorded > ATTEMPT_MAX) return kept;
  return Math.max(kept, metadata?.status === 'queued' ? recorded : recorded + 1);
}
