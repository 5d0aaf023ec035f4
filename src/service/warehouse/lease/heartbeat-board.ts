import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';

/** Heartbeats that came together go to Redis together. */
const WRITE_MS = 500;

/** Tasks whose heartbeat Redis has not received. More are left out, as by a lost one: it is followed by the next. */
const WAITING_MAX = 50_000;

/** Task ids of one command. */
const IDS_MAX = 1_000;

/** Older ones are of no use: a holder that is new gives every task its full time. */
const KEPT_MS = 120_000;

/** So long after a request that a service could not store no silence is counted: senders wait up to this long before they try again. */
const TROUBLE_MS = 15_000;

/** KEYS: the board. ARGV: milliseconds that are kept, task ids. By the clock of Redis, which all services share. */
const WRITE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[index]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return now`;

/** KEYS: the board, and the trouble. ARGV: the score from which on. */
const READ = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {string.format('%.0f', now), redis.call('EXISTS', KEYS[2]), redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')}`;

/** KEYS: the board. ARGV: a task id. */
const AGE = `
local time = redis.call('TIME')
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return -1 end
return time[1] * 1000 + math.floor(time[2] / 1000) - score`;

export interface HeardTasks {
  readonly taskIds: readonly string[];
  /** Whether a service could not store what was sent to it, a moment ago. */
  readonly hasTrouble: boolean;
  /** For the next call: the same ids may be in its answer again. */
  readonly place: string;
}

export interface HeartbeatBoardOptions {
  readonly link: RedisLink;
  readonly prefix: string;
}

/** The last heartbeats of all tasks, whichever service has taken them. They are not stored. */
export class HeartbeatBoard {
  readonly #link: RedisLink;
  readonly #keys: { readonly beats: string; readonly trouble: string };
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isTroubled = false;
  #isWriting = false;

  constructor({ link, prefix }: HeartbeatBoardOptions) {
    this.#link = link;
    this.#keys = { beats: `${prefix}heartbeats`, trouble: `${prefix}trouble` };
  }

  /** Returns at once. */
  note(taskIds: readonly string[]): void {
    for (const id of taskIds) if (this.#waiting.size < WAITING_MAX) this.#waiting.add(id);
    this.#writeSoon();
  }

  /** A request could not be stored. Returns at once. */
  noteTrouble(): void {
    this.#isTroubled = true;
    this.#writeSoon();
  }

  /** `place`: of the last answer. Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  async read(place = '-inf'): Promise<HeardTasks> {
    const { client } = this.#link;
    const { beats, trouble } = this.#keys;
    const reply: unknown = await this.#link.ask(() => client.eval(READ, 2, beats, trouble, place));
    const [now, hasTrouble, ids] = Array.isArray(reply) ? reply : [];
    return {
      taskIds: Array.isArray(ids) ? ids.map(String) : [],
      hasTrouble: hasTrouble === 1,
      place: String(now),
    };
  }

  /** Milliseconds since the last heartbeat of a task; undefined when it is older than those that are kept, and without Redis. */
  async ageMs(taskId: string): Promise<number | undefined> {
    const { client, problem } = this.#link;
    if (problem !== undefined) return undefined;
    try {
      const age = Number(await this.#link.ask(() => client.eval(AGE, 1, this.#keys.beats, taskId)));
      return age >= 0 ? age : undefined;
    } catch {
      // ERR_QUEUE_UNAVAILABLE: the link reports it.
      return undefined;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, WRITE_MS).unref();
  }

  /** While Redis is away they wait: a task is not silent for that. */
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const { client } = this.#link;
    const { beats, trouble } = this.#keys;
    try {
      if (this.#isTroubled) {
        await this.#link.ask(() => client.set(trouble, '1', 'PX', TROUBLE_MS));
        this.#isTroubled = false;
      }
      while (this.#waiting.size > 0) {
        const ids = [...this.#waiting].slice(0, IDS_MAX);
        await this.#link.ask(() => client.eval(WRITE, 1, beats, String(KEPT_MS), ...ids));
        for (const id of ids) this.#waiting.delete(id);
      }
    } catch {
      // ERR_QUEUE_UNAVAILABLE: the link reports it.
    } finally {
      this.#isWriting = false;
    }
    if (this.#waiting.size > 0 || this.#isTroubled) this.#writeSoon();
  }
}
