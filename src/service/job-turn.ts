import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isFollowedElsewhere } from '../agent/orphan-runs.ts';
import type { Config } from '../config/config.ts';
import type { JobEntry, JobWorker } from '../queue/job-entry.ts';
import type { JobStore } from '../queue/job-store.ts';
import type { Job } from '../queue/queue.ts';
import { readDirectoryId } from '../store/directory-id.ts';
import { proveHolder } from '../store/proven-holder.ts';
import { holdsLease, isSuperseded, noteLease, ownLease } from '../system/lease-guard.ts';
import { isProcessAlive, ownIdentity } from '../system/process-identity.ts';
import { agentFolder } from '../trail/trail.ts';

const POLL_MS = 500;

/** Longest wait in milliseconds for another worker. Then the job is postponed: it must not occupy this slot. */
const WAIT_MS = 10_000;

/** Milliseconds for the last records of that worker to be stored. */
const ARRIVAL_MS = 1_000;

export interface TurnOptions {
  readonly config: Pick<Config, 'logDir' | 'key'>;
  readonly jobs: JobStore | undefined;
}

/** The progress with which a job begins. */
export interface Beginning {
  readonly attempt: number;
  readonly stops: number;
  readonly workflowId: string;
}

/**
 * Decides whether this process may work on a job that the queue has handed out. A queue in Redis hands out a job twice when
 * Redis, or the connection, was away for longer than a lock lasts, and it forgets what it did not save. The kept job and the
 * folder of the agent know better, on the machine that has them. `over`: the job has ended, was cancelled or refused.
 * `elsewhere`: another living process, frozen or not, works on it. Otherwise the job with the progress that was kept.
 */
export async function takeTurn(
  job: Job,
  options: TurnOptions,
  signal: AbortSignal,
): Promise<Job | 'over' | 'elsewhere'> {
  const until = performance.now() + WAIT_MS;
  for (let hasWaited = false; ; hasWaited = true) {
    const kept = await readKept(job, options);
    if (!holdsLease()) return 'elsewhere';
    if (kept === 'gone') return 'over';
    if (!(await isWorkedOn(job, kept, options))) {
      if (hasWaited && kept === undefined) await delay(ARRIVAL_MS);
      return withProgress(job, kept);
    }
    if (signal.aborted || performance.now() > until) return 'elsewhere';
    await delay(POLL_MS);
  }
}

/** Keeps that this process begins the attempt. False when another one has begun it in between, or it is over. */
export async function keepTurn(job: Job, beginning: Beginning, options: TurnOptions): Promise<boolean> {
  const { jobs } = options;
  if (jobs === undefined) return true;
  const change = { isStarted: true, worker: { ...ownIdentity(), lease: ownLease() }, ...beginning };
  await jobs.update(job.taskId, change, (entry) => isOther(entry.worker));
  const kept = await readKept(job, options);
  return kept !== 'gone' && !isOther(kept?.worker);
}

/** `gone`: this directory kept the job and does not any more. Undefined: it does not say. */
async function readKept(
  { taskId, home }: Job,
  { config, jobs }: TurnOptions,
): Promise<JobEntry | 'gone' | undefined> {
  if (jobs === undefined) return undefined;
  try {
    const entry = await jobs.read(taskId);
    if (entry !== undefined || home === undefined) return entry;
    return (await readDirectoryId(config.logDir)) === home ? 'gone' : undefined;
  } catch {
    // EACCES: a worker of another user. A damaged entry is reported by the holder.
    return undefined;
  }
}

async function isWorkedOn(job: Job, kept: JobEntry | undefined, options: TurnOptions): Promise<boolean> {
  if (!(await hasOther(job, kept, options))) return false;
  // A worker owns no directory: the service that does may have replaced that which had begun the job.
  if (ownLease() !== undefined || !(await learnLease(options.config))) return true;
  return hasOther(job, kept, options);
}

/** False where the holder is unknown, or has not proven itself. */
async function learnLease({ logDir, key }: TurnOptions['config']): Promise<boolean> {
  const proof = await proveHolder(logDir, key).catch(() => undefined);
  if (proof?.state !== 'proven') return false;
  noteLease(proof.holder.lease);
  return true;
}

async function hasOther(
  { taskId }: Job,
  kept: JobEntry | undefined,
  { config }: TurnOptions,
): Promise<boolean> {
  if (kept?.isStarted === true && isOther(kept.worker)) return true;
  // EACCES and similar: a run that cannot be inspected cannot be waited for.
  return isFollowedElsewhere(join(agentFolder(config.logDir), taskId)).catch(() => false);
}

/** Whether it is another process of this machine that lives, and was not replaced by another service. */
function isOther(worker: JobWorker | undefined): boolean {
  if (worker === undefined || isSuperseded(worker, worker.lease)) return false;
  const own = ownIdentity();
  if (worker.pid === own.pid && worker.start === own.start) return false;
  return isProcessAlive(worker) === true;
}

/** Redis may have lost the last changes of its job. An attempt that was begun is not repeated under its number. */
function withProgress(job: Job, kept: JobEntry | undefined): Job {
  if (kept === undefined) return job;
  const { job: known, isStarted } = kept;
  const workflowId = job.workflowId ?? known.workflowId;
  return {
    ...job,
    attempt: Math.max(job.attempt, isStarted ? known.attempt + 1 : known.attempt),
    stops: Math.max(job.stops ?? 0, known.stops ?? 0),
    ...(known.spent !== undefined && { spent: known.spent }),
    ...(workflowId !== undefined && { workflowId }),
  };
}
