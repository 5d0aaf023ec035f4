import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import { queueUnavailable } from '../../../queue/unavailable.ts';
import type { StartNote } from '../../task-intake.ts';
import { type Moment, moment, since } from './moment.ts';
import type { Term } from './redis-lease.ts';

/** A service queues a task only so long after it has noted it: storing takes 3 seconds at most. */
const START_MS = 10_000;

/** A task that was noted so long ago is ended: longer than `START_MS`, and than it takes to queue it then. */
const GIVE_UP_MS = 60_000;

/** So long its row is waited for: a request that hangs may still store it. */
const ROW_MS = 600_000;

/** So long an ended task is not started: its end is visible in the store long before. */
const GIVEN_UP_MS = 3_600_000;

/** Tasks of one look. */
const LEFT_MAX = 1_000;

/** KEYS: the notes, and the tasks that were given up. ARGV: a task id. Each note of a task is later than the one before. */
const BEGIN = `
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return '' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
if before >= now then now = before + 1 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return string.format('%.0f', now)`;

/** ARGV: a task id, and when it was noted. Leaves a later note. */
const END = `
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])`;

/** ARGV: an age in milliseconds, and a number. */
const LEFT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
return {string.format('%.0f', now), left}`;

/** Behind the lease: the notes, and the tasks that were given up; a task id, when it was noted, and how long it stays given up. */
const GIVE_UP = `
if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or '0') ~= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[4])
redis.call('ZADD', KEYS[3], now, ARGV[2])
return 1`;

/** Behind the lease, as above: a task id, when it was noted, and whether it stays given up. */
const FORGET = `
if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or '0') ~= tonumber(ARGV[3]) then return 0 end
if ARGV[4] ~= 'given-up' then redis.call('ZREM', KEYS[3], ARGV[2]) end
return redis.call('ZREM', KEYS[2], ARGV[2])`;

/** A task whose start was noted long ago, and whose service has not said that it is queued. */
export interface LeftTask {
  readonly taskId: string;
  readonly notedMs: number;
  /** Its row is not waited for any longer. */
  readonly isOld: boolean;
}

export interface StartingTasksOptions {
  readonly link: RedisLink;
  readonly prefix: string;
  /** Default: a minute. */
  readonly giveUpMs?: number;
}

/**
 * Tasks that services store and then queue, in Redis. A service notes a task before it stores it. So what a lost service has left
 * in between is known without its records, which start no work: any sender could have made them.
 */
export class StartingTasks {
  readonly #link: RedisLink;
  readonly #giveUpMs: number;
  readonly #keys: readonly [notes: string, givenUp: string];

  constructor({ link, prefix, giveUpMs = GIVE_UP_MS }: StartingTasksOptions) {
    this.#link = link;
    this.#giveUpMs = giveUpMs;
    this.#keys = [`${prefix}starting`, `${prefix}given-up`];
  }

  /** Rejects with `ERR_QUEUE_UNAVAILABLE`, also for a task that was given up. */
  async begin(taskId: string): Promise<StartNote> {
    const began = moment();
    const noted = String(await this.#ask(BEGIN, taskId));
    if (noted === '') throw queueUnavailable(`task ${taskId} was not queued in time and is ended`);
    return {
      check: () => checkAge(began),
      end: async () => {
        // ERR_QUEUE_UNAVAILABLE: the queue has the task, which the service with the lease asks.
        await this.#ask(END, taskId, noted).catch(() => {});
      },
    };
  }

  /** Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  async isGivenUp(taskId: string): Promise<boolean> {
    const { client } = this.#link;
    return (await this.#link.ask(() => client.zscore(this.#keys[1], taskId))) !== null;
  }

  /** The oldest first. Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  async left(): Promise<readonly LeftTask[]> {
    const reply: unknown = await this.#ask(LEFT, String(this.#giveUpMs), String(LEFT_MAX));
    const [now, rest] = Array.isArray(reply) ? reply : [];
    const flat = Array.isArray(rest) ? rest.map(String) : [];
    const found: LeftTask[] = [];
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const notedMs = Number(flat[at + 1]);
      found.push({ taskId: flat[at] ?? '', notedMs, isOld: Number(now) - notedMs > ROW_MS });
    }
    return found;
  }

  /** From now on no service queues the task. False when one has noted it again. Rejects as `Term.run`. */
  async giveUp(term: Term, { taskId, notedMs }: LeftTask): Promise<boolean> {
    return (await term.run(GIVE_UP, this.#keys, [taskId, String(notedMs), String(GIVEN_UP_MS)])) === 1;
  }

  /** Nothing is left to be done about the task. Rejects as `Term.run`. */
  async forget(
    term: Term,
    { taskId, notedMs }: LeftTask,
    { isGivenUp }: { readonly isGivenUp: boolean },
  ): Promise<void> {
    await term.run(FORGET, this.#keys, [taskId, String(notedMs), isGivenUp ? 'given-up' : '']);
  }

  #ask(script: string, ...args: readonly string[]): Promise<unknown> {
    const { client } = this.#link;
    return this.#link.ask(() => client.eval(script, this.#keys.length, ...this.#keys, ...args));
  }
}

function checkAge(began: Moment): void {
  if (since(began) >= START_MS) throw queueUnavailable('it took too long to store the task; send it again');
}
