import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Refusal, refusalOf } from '../redis-refusal.ts';
import type { RedisLink } from './redis-link.ts';

/** How soon a refusal is noticed, and its end. A probe is three short commands. */
const PROBE_MS = 3_000;

/** Should Redis stop between the commands: nothing is left behind for longer. */
const EXPIRY_MS = 60_000;

/**
 * What BullMQ's scripts and our own do, on keys of its own, which are gone at its end. The commands in a script need the
 * rights of its caller, and a write is refused here as it would be for a job. An error names its command.
 */
const SCRIPT = `
local hash, zset, list, stream, set, text = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local function call(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply['err'] then error(command .. ': ' .. reply['err'], 0) end
end
call('SET', text, '1', 'PX', ARGV[1]) call('GET', text) call('MGET', text) call('INCR', text) call('PTTL', text)
call('EXISTS', text) call('TYPE', text)
call('HSET', hash, 'a', '1') call('PEXPIRE', hash, ARGV[1]) call('HMSET', hash, 'b', '1') call('HGET', hash, 'a')
call('HMGET', hash, 'a') call('HGETALL', hash) call('HINCRBY', hash, 'a', 1) call('HDEL', hash, 'b')
call('ZADD', zset, 1, 'a', 2, 'b') call('PEXPIRE', zset, ARGV[1]) call('ZSCORE', zset, 'a') call('ZCARD', zset)
call('ZRANGE', zset, 0, -1) call('ZRANGEBYSCORE', zset, 0, 2) call('ZPOPMIN', zset) call('ZREM', zset, 'b')
call('LPUSH', list, 'a') call('PEXPIRE', list, ARGV[1]) call('LLEN', list) call('LRANGE', list, 0, -1)
call('LTRIM', list, 0, 9) call('RPOPLPUSH', list, list) call('LREM', list, 0, 'a')
call('XADD', stream, '*', 'a', '1') call('PEXPIRE', stream, ARGV[1]) call('XTRIM', stream, 'MAXLEN', '~', 1)
call('SADD', set, 'a') call('PEXPIRE', set, ARGV[1]) call('SCARD', set) call('SREM', set, 'a')
call('DEL', hash, zset, list, stream, set, text)
return 1`;

/**
 * Tries what the queue needs of Redis. Undefined when it works; rejects when there is no answer. `toKey` gives names of
 * the queue, so that the rights on its keys are tried too.
 */
export async function probeRedis(
  client: Redis,
  toKey: (type: string) => string,
): Promise<Refusal | undefined> {
  const id = randomUUID();
  const key = (name: string): string => toKey(`probe:${id}:${name}`);
  const keys = ['hash', 'zset', 'list', 'stream', 'set', 'text'].map(key);
  try {
    await client.eval(SCRIPT, keys.length, ...keys, EXPIRY_MS);
    // As BullMQ calls its scripts. The answer NOSCRIPT has passed the check of the rights.
    await client.evalsha('0'.repeat(40), 0).catch(unlessNoScript);
    await tryBlocking(client, key('zset'));
    return undefined;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
}

/**
 * How a worker waits for jobs. In a transaction it does not block, and the three commands are sent together, so that no
 * other one gets between them. Without the right for a transaction it blocks for a hundredth of a second.
 */
async function tryBlocking(client: Redis, key: string): Promise<void> {
  try {
    await client.multi().call('BZPOPMIN', key, '0.01').exec();
  } catch (error) {
    const causes: unknown[] = isAborted(error) ? error.previousErrors : [error];
    // MULTI and EXEC are not needed otherwise.
    const cause = causes.find((one) => /bzpopmin|keys? mentioned|access one of/i.test(String(one)));
    if (cause !== undefined) throw cause;
  }
}

/** EXECABORT: a command was refused when it was queued. */
function isAborted(error: unknown): error is Error & { readonly previousErrors: unknown[] } {
  return error instanceof Error && Array.isArray(Reflect.get(error, 'previousErrors'));
}

function unlessNoScript(error: unknown): void {
  if (!/NOSCRIPT/.test(String(error))) throw error;
}

export interface RedisProbeParts {
  readonly link: RedisLink;
  readonly toKey: (type: string) => string;
}

/** Keeps the link informed about whether Redis accepts what the queue does. */
export class RedisProbe {
  readonly #parts: RedisProbeParts;
  readonly #timer: NodeJS.Timeout;
  #isRunning = false;

  constructor(parts: RedisProbeParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.run(), PROBE_MS).unref();
    parts.link.onReady(() => void this.run());
  }

  /** The right that the user lacks; undefined when there is none, or no answer. The first probe, before any work. */
  async findMissingRight(): Promise<Refusal | undefined> {
    const { link, toKey } = this.#parts;
    try {
      const refusal = await link.ask(() => probeRedis(link.client, toKey));
      return refusal?.isRight === true ? refusal : undefined;
    } catch {
      return undefined;
    }
  }

  /** Tells the link what was found. Nothing when Redis does not answer, which the link notices by itself. */
  async run(): Promise<void> {
    const { link, toKey } = this.#parts;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      link.setRefusal(await link.ask(() => probeRedis(link.client, toKey)));
    } catch {
      // ERR_QUEUE_UNAVAILABLE: no connection, no answer in time, or an error of a kind that is not known.
    } finally {
      this.#isRunning = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
