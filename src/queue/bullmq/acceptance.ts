import { parseJson } from '../../model/json.ts';
import type { QueueKeys } from './bullmq-internals.ts';
import { readData } from './bullmq-job.ts';

/**
 * A field of the stored job, beside those of BullMQ: the process that has added the job received the answer in time, and has
 * told its caller that the task is queued. Redis may execute an `add` after its sender has given up; such a job has no mark.
 */
const FIELD = 'accepted';

/** A job that has ended was done, which its own mark says, or dropped for the want of this one. */
const ACCEPT = `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'finishedOn') == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], '1')
return 1`;

/** Marks the job. False when Redis does not have it, or it has ended. */
export async function accept({ client, toKey }: QueueKeys, jobId: string): Promise<boolean> {
  return (await client.eval(ACCEPT, 1, toKey(jobId), FIELD)) === 1;
}

/** Whether a stored job may run. False also for a job that Redis does not have. */
export async function isAccepted({ client, toKey }: QueueKeys, jobId: string): Promise<boolean> {
  const [mark, data] = await client.hmget(toKey(jobId), FIELD, 'data');
  if (mark != null) return true;
  return data != null && !readData(parseJson(data)).mustBeAccepted;
}
