import type { QueueKeys } from './bullmq-internals.ts';

/** A cancelled job may wait behind others for that long before a worker takes it. */
const CANCEL_SECONDS = 86_400;

/** A worker polls twice a second, and again as soon as a lost connection is back. */
const LOST_CANCEL_SECONDS = 60;

/** Later than that, the task's files say that it has ended, however long the store was behind. */
const OVER_SECONDS = 86_400;

/** Set: the worker that runs this job, or takes it next, stops it. */
const cancelKey = ({ toKey }: QueueKeys, jobId: string): string => toKey(`cancel:${jobId}`);

/**
 * Set: this job has been done. Redis keeps few finished jobs, and a job that ends while Redis is away is handed out again
 * before Redis learns of the end.
 */
const overKey = ({ toKey }: QueueKeys, jobId: string): string => toKey(`over:${jobId}`);

export interface JobMarks {
  readonly isOver: boolean;
  readonly isCancelled: boolean;
}

export async function readMarks(keys: QueueKeys, jobId: string): Promise<JobMarks> {
  const [over, cancelled] = await keys.client.mget(overKey(keys, jobId), cancelKey(keys, jobId));
  return { isOver: over != null, isCancelled: cancelled != null };
}

/** For a job that is pushed: marks of an earlier one with its id do not apply to it. */
export async function clearMarks(keys: QueueKeys, jobId: string): Promise<void> {
  await keys.client.del(cancelKey(keys, jobId), overKey(keys, jobId));
}

export async function markOver(keys: QueueKeys, jobId: string): Promise<void> {
  await keys.client.set(overKey(keys, jobId), '1', 'EX', OVER_SECONDS);
}

/** A job that is lost from Redis may still run in a worker. */
export async function markCancelled(
  keys: QueueKeys,
  jobId: string,
  { isLost = false }: { readonly isLost?: boolean } = {},
): Promise<void> {
  await keys.client.set(cancelKey(keys, jobId), '1', 'EX', isLost ? LOST_CANCEL_SECONDS : CANCEL_SECONDS);
}

export async function clearCancelled(keys: QueueKeys, jobId: string): Promise<void> {
  await keys.client.del(cancelKey(keys, jobId));
}

/** The cancelled ones of these jobs, with one command. */
export async function findCancelled(keys: QueueKeys, jobIds: readonly string[]): Promise<readonly string[]> {
  const found = await keys.client.mget(jobIds.map((id) => cancelKey(keys, id)));
  return jobIds.filter((_, index) => found[index] != null);
}
