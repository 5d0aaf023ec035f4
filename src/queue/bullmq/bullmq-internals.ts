/**
 * Everything that tasktrail uses of BullMQ beyond its public API, tried with BullMQ 6.7.0 and 5.81.5:
 *
 * - `openStalledCheck`: one check for the jobs of lost workers, at a time of our choice. BullMQ 6 offers it on its backend.
 *   In BullMQ 5 only `Queue.scripts` has it, which is not documented; the public timer also checks right after a connect.
 * - `retakeLock`: how a lock is stored. `extendLock` and `extendJobLocks` renew a lock that still exists; nothing takes
 *   back one that expired while Redis could not be reached.
 * - `setAsideUnreadable`: how a job is stored. BullMQ throws when it cannot parse a job, before a processor or a listener
 *   sees its id, and leaves it in the `active` list: it is handed out again, and fails again, forever.
 *
 * `test/queue/bullmq/bullmq-internals.full.test.ts` tries each of them on BullMQ's own queue and worker.
 */
import type { WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { isJsonObject, parseJson } from '../../model/json.ts';

/** A queue's keys in Redis: `toKey(type)` is what BullMQ's `Queue.toKey` returns. */
export interface QueueKeys {
  readonly client: Redis;
  readonly toKey: (type: string) => string;
}

export type Bullmq = typeof import('bullmq');

export interface StalledCheck {
  /** Returns the ids of the jobs that wait again. */
  moveStalledJobsToWait(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** A queue of BullMQ 5. */
interface ScriptedQueue {
  readonly scripts: Pick<StalledCheck, 'moveStalledJobsToWait'>;
}

/** The check reads `maxStalledCount` and `stalledInterval` of a worker's options. */
export function openStalledCheck(bullmq: Bullmq, name: string, options: WorkerOptions): StalledCheck {
  // Each check's caller receives its failure.
  const ignore = (): void => {};
  const { createRedisBackend }: Partial<Bullmq> = bullmq;
  if (createRedisBackend !== undefined) return createRedisBackend(name, options).on('error', ignore);
  const queue = new bullmq.Queue(name, options).on('error', ignore);
  if (!hasScripts(queue)) throw new TypeError('this version of BullMQ has no check for stalled jobs');
  return {
    moveStalledJobsToWait: () => queue.scripts.moveStalledJobsToWait(),
    close: () => queue.close(),
  };
}

function hasScripts<T extends object>(queue: T): queue is T & ScriptedQueue {
  return 'scripts' in queue;
}

const RETAKE_LOCK = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if id == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1
  end
end
return 0`;

export interface Lock {
  readonly jobId: string;
  readonly token: string;
  readonly lockMs: number;
}

/** Locks an active job again after its lock has expired. False when another worker holds the lock, or the job is not active. */
export async function retakeLock({ client, toKey }: QueueKeys, lock: Lock): Promise<boolean> {
  const keys = [`${toKey(lock.jobId)}:lock`, toKey('active')];
  const taken = await client.eval(RETAKE_LOCK, keys.length, ...keys, lock.jobId, lock.token, lock.lockMs);
  return taken === 1;
}

/** The fields of a stored job that BullMQ or its scripts parse, with a value that they accept. */
const PARSED = {
  data: { isReadable: isJson, empty: '{}' },
  opts: { isReadable: (text: string) => isJsonObject(parseJson(text)), empty: '{}' },
  progress: { isReadable: isJson, empty: '0' },
  parent: { isReadable: isJson, empty: '' },
  ats: { isReadable: isCount, empty: '0' },
  stc: { isReadable: isCount, empty: '0' },
} as const;

export interface UnreadableOptions {
  /** Jobs that this process runs, which BullMQ has parsed. */
  isRunning(jobId: string): boolean;
  log(line: string): void;
}

/**
 * Makes every active job one that BullMQ can parse. Unreadable text moves to the field `unreadable_<field>` of its job,
 * which then fails like every other job that cannot be run. An id whose key holds no job leaves the list.
 */
export async function setAsideUnreadable(
  { client, toKey }: QueueKeys,
  { isRunning, log }: UnreadableOptions,
): Promise<void> {
  for (const id of await client.lrange(toKey('active'), 0, -1)) {
    if (isRunning(id)) continue;
    const key = toKey(id);
    if (!['hash', 'none'].includes(await client.type(key))) {
      await client.lrem(toKey('active'), 0, id);
      log(
        `job ${JSON.stringify(id)} in Redis cannot be run: its key holds no job; removed it from the queue`,
      );
      continue;
    }
    for (const [field, { isReadable, empty }] of Object.entries(PARSED)) {
      const text = await client.hget(key, field);
      if (text === null || isReadable(text)) continue;
      await client.hset(key, `unreadable_${field}`, text, field, empty);
      log(`job ${JSON.stringify(id)} in Redis: cannot parse ${field}; moved it to unreadable_${field}`);
    }
  }
}

function isJson(text: string): boolean {
  return text === '' || parseJson(text) !== undefined;
}

function isCount(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}
