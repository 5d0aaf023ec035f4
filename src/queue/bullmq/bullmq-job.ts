import type { JobsOptions } from 'bullmq';
import type { Budget } from '../../model/budget.ts';
import { budgetSchema } from '../../model/budget-schema.ts';
import { isPathSafeId, isWorkflowId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { packEnvelope, readEnvelope } from '../envelope.ts';
import type { Job } from '../queue.ts';

/** The data of tasktrail's jobs. A worker checks every field: Redis may hold jobs that were edited by hand. */
export interface JobData {
  readonly command: string | null;
  readonly agent: string | null;
  /** Number of the job's first attempt, less the starts that were put back before the work began. */
  readonly attempt: number;
  readonly stops: number;
  readonly budget?: Budget;
  readonly workflowId: string | null;
  /** As in `Job`. */
  readonly home: string | null;
  /** Whether a worker has to wait for the mark of acceptance: see `acceptance.ts`. Jobs of earlier versions have none. */
  readonly mustBeAccepted: boolean;
}

/** The part of a BullMQ job that is read here. */
interface StoredJob {
  readonly id?: string | undefined;
  readonly data: unknown;
  readonly attemptsStarted: number;
  readonly opts: { readonly telemetry?: { readonly metadata?: string } };
}

/** Prefix of ids that BullMQ refuses or uses itself. No task id begins with it. */
const MARK = '#';

/**
 * BullMQ refuses integers as ids, and its own keys, such as `wait` and `stalled-check`, stand beside those of the jobs. An
 * id with a digit and another character, as minted ones have, is neither.
 */
export function jobIdOf(taskId: string): string {
  return /\d/.test(taskId) && /\D/.test(taskId) ? taskId : `${MARK}${taskId}`;
}

/** Undefined when tasktrail did not make the job. */
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
      ...(job.budget !== undefined && { budget: job.budget }),
      workflowId: job.workflowId ?? null,
      home: job.home ?? null,
      mustBeAccepted: true,
    },
    options: { jobId: jobIdOf(job.taskId), telemetry: packEnvelope(job) },
  };
}

/**
 * The stored job, or the reason why it cannot be run. The job's id decides which task it is, as in every other operation.
 * A field of its data with a wrong type counts as missing.
 */
export function readJob(stored: StoredJob): Job | string {
  const taskId = taskIdOf(stored.id);
  if (taskId === undefined) return 'its id is not a task id';
  const envelope = readEnvelope(stored.opts.telemetry?.metadata);
  if (envelope === undefined) return 'its opts.telemetry.metadata holds no task';
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
    ...(data.budget !== undefined && { budget: data.budget }),
    ...(data.workflowId !== null && { workflowId: data.workflowId }),
    ...(data.home !== null && { home: data.home }),
  };
}

/** How often workers have taken the job. */
export function begunOf({ attemptsStarted }: StoredJob): number {
  return countOf(attemptsStarted) ?? 1;
}

export function readData(value: unknown): JobData {
  const { command, agent, attempt, stops, budget, workflowId, home, mustBeAccepted }: JsonObject =
    isJsonObject(value) ? value : {};
  return {
    command: typeof command === 'string' ? command : null,
    agent: typeof agent === 'string' ? agent : null,
    attempt: Number.isSafeInteger(attempt) ? Number(attempt) : 1,
    stops: countOf(stops) ?? 0,
    ...budgetIn(budget),
    workflowId: isWorkflowId(workflowId) ? workflowId : null,
    home: isPathSafeId(home) ? home : null,
    mustBeAccepted: mustBeAccepted === true,
  };
}

function budgetIn(value: JsonValue | undefined): Pick<JobData, 'budget'> {
  const parsed = budgetSchema.safeParse(value);
  return parsed.success ? { budget: parsed.data } : {};
}

/** Whether a job in this state of BullMQ waits or runs. */
export function isOpenState(state: string): boolean {
  return state !== 'unknown' && state !== 'completed' && state !== 'failed';
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
}
