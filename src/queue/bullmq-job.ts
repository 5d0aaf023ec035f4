import type { JobsOptions } from 'bullmq';
import { isPathSafeId, isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { packEnvelope, readEnvelope } from './envelope.ts';
import type { Job } from './queue.ts';

/** What the data of our own jobs says; a worker takes nothing of it on trust. */
export interface JobData {
  readonly command: string | null;
  readonly agent: string | null;
  /** The number of the first attempt that is made out of this job, less those that were put back before they began. */
  readonly attempt: number;
  readonly stops: number;
  readonly workflowId: string | null;
}

/** What of a job in Redis is read. */
export interface StoredJob {
  readonly id?: string | undefined;
  readonly data: unknown;
  readonly attemptsStarted: number;
  readonly opts: { readonly telemetry?: { readonly metadata?: string } };
}

/** In front of ids that BullMQ refuses or uses itself; no task id begins like this. */
const MARK = '#';

/**
 * BullMQ takes no integers for ids, and keeps keys such as `wait` and `stalled-check` beside its jobs: a task id goes as
 * it is when it has a digit and something else in it, as minted ones do.
 */
export function jobIdOf(taskId: string): string {
  return /\d/.test(taskId) && /\D/.test(taskId) ? taskId : `${MARK}${taskId}`;
}

/** Undefined for the id of a job that was not made here. */
export function taskIdOf(jobId: string | undefined): string | undefined {
  if (jobId === undefined) return undefined;
  const taskId = jobId.startsWith(MARK) ? jobId.slice(MARK.length) : jobId;
  return isPathSafeId(taskId) && jobIdOf(taskId) === jobId ? taskId : undefined;
}

export function packJob(job: Job): { data: JobData; options: JobsOptions } {
  return {
    data: {
      command: job.command,
      agent: job.agent,
      attempt: job.attempt,
      stops: job.stops ?? 0,
      workflowId: job.workflowId ?? null,
    },
    options: { jobId: jobIdOf(job.taskId), telemetry: packEnvelope(job) },
  };
}

/**
 * The job that Redis holds, or in words why nothing can be made of it. The job's id says which task it is, as it does for
 * everything else that is done with it; rubbish in a field of its data counts as left out.
 */
export function readJob(stored: StoredJob): Job | string {
  const taskId = taskIdOf(stored.id);
  if (taskId === undefined) return 'its id is not that of a task';
  const envelope = readEnvelope(stored.opts.telemetry?.metadata);
  if (envelope === undefined) return 'its opts.telemetry.metadata does not say what the task is';
  if (envelope.taskId !== taskId) return `its opts.telemetry.metadata is about task ${envelope.taskId}`;
  const { message } = envelope;
  if (message === undefined) return 'its opts.telemetry.metadata has no message';
  const data = readData(stored.data);
  return {
    ...envelope,
    message,
    command: data.command,
    agent: data.agent,
    attempt: Math.max(1, data.attempt + begunOf(stored) - 1),
    ...(data.stops > 0 && { stops: data.stops }),
    ...(data.workflowId !== null && { workflowId: data.workflowId }),
  };
}

/** How often a worker took the job. */
export function begunOf({ attemptsStarted }: StoredJob): number {
  return countOf(attemptsStarted) ?? 1;
}

export function readData(value: unknown): JobData {
  const { command, agent, attempt, stops, workflowId }: JsonObject = isJsonObject(value) ? value : {};
  return {
    command: typeof command === 'string' ? command : null,
    agent: typeof agent === 'string' ? agent : null,
    attempt: Number.isSafeInteger(attempt) ? Number(attempt) : 1,
    stops: countOf(stops) ?? 0,
    workflowId: isWorkflowId(workflowId) ? workflowId : null,
  };
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
}
