import type { Job as StoredJob, Queue as StoredQueue } from 'bullmq';
import { accept } from './acceptance.ts';
import type { QueueKeys } from './bullmq-internals.ts';
import { begunOf, type JobData } from './bullmq-job.ts';
import type { WorkerFailures } from './worker-failures.ts';

export interface PutBackParts {
  readonly queue: StoredQueue;
  readonly keys: QueueKeys;
  readonly failures: WorkerFailures;
}

export interface PutBackOrder {
  readonly stored: StoredJob;
  readonly token: string;
  readonly data: JobData;
  /** Milliseconds until it is handed out. Default: at once, before all others. */
  readonly delayMs?: number;
}

/** Moves a job that a worker holds back to the queue, with other data. Never rejects. */
export async function putBack(
  { queue, keys, failures }: PutBackParts,
  { stored, token, data, delayMs }: PutBackOrder,
): Promise<void> {
  try {
    await stored.updateData(data);
    if (delayMs === undefined) await stored.moveToWait(token);
    else await stored.moveToDelayed(Date.now() + delayMs, token);
  } catch (error) {
    if (!failures.isMissingJob(error)) {
      // Redis is away, or another worker has the job: it is taken over like the job of a lost worker.
      failures.ofWorker(error);
      return;
    }
    // The process that works on the job also adds it again.
    if (delayMs !== undefined) return;
    try {
      await addAgain(queue, stored, data);
      await accept(keys, stored.id ?? '');
    } catch (failure) {
      failures.ofCommand(failure);
    }
  }
}

/** Redis has lost its data, and with it the job: only this process still knows it. */
async function addAgain(queue: StoredQueue, stored: StoredJob, data: JobData): Promise<void> {
  const { jobId, telemetry } = stored.opts;
  const options = { ...(jobId !== undefined && { jobId }), ...(telemetry !== undefined && { telemetry }) };
  // BullMQ counts the starts of the new job from zero.
  await queue.add(stored.name, { ...data, attempt: data.attempt + begunOf(stored) }, options);
}
