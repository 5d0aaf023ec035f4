import type { Job as StoredJob, Queue as StoredQueue } from 'bullmq';
import { begunOf, type JobData } from './bullmq-job.ts';
import type { WorkerFailures } from './worker-failures.ts';

export interface PutBackParts {
  readonly queue: StoredQueue;
  readonly failures: WorkerFailures;
}

/** Moves a job that a worker holds to the front of the queue, with other data. Never rejects. */
export async function putBack(
  { queue, failures }: PutBackParts,
  { stored, token, data }: { readonly stored: StoredJob; readonly token: string; readonly data: JobData },
): Promise<void> {
  try {
    await stored.updateData(data);
    await stored.moveToWait(token);
  } catch (error) {
    if (failures.isMissingJob(error)) await addAgain(queue, stored, data).catch(failures.ofCommand);
    // Redis is away, or another worker has the job: it is taken over like the job of a lost worker.
    else failures.ofWorker(error);
  }
}

/** Redis has lost its data, and with it the job: only this process still knows it. */
async function addAgain(queue: StoredQueue, stored: StoredJob, data: JobData): Promise<void> {
  const { jobId, telemetry } = stored.opts;
  const options = { ...(jobId !== undefined && { jobId }), ...(telemetry !== undefined && { telemetry }) };
  // BullMQ counts the starts of the new job from zero.
  await queue.add(stored.name, { ...data, attempt: data.attempt + begunOf(stored) }, options);
}
