import { z } from 'zod';
import { TasktrailError } from '../../../errors.ts';
import { parseObject } from '../../../model/json.ts';
import { readOutboxLine } from '../../../notify/outbox/outbox-line.ts';
import { OutboxState } from '../../../notify/outbox/outbox-state.ts';
import type { NotifyStorage, OutboxLines } from '../../../notify/outbox/storage.ts';
import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import type { Term } from './redis-lease.ts';

/** Characters and lines of one command. */
const CHUNK_CHARS = 1_048_576;
const CHUNK_LINES = 1_000;

/** Lines of one answer. */
const READ_LINES = 1_000;

/** A list without a change is removed by Redis itself: a receiver that is named no more. */
const KEPT_MS: number = 30 * 86_400_000;

/** KEYS from 2: the list, the receivers. ARGV from 2: the receiver, milliseconds, lines. */
const APPEND = `
redis.call('RPUSH', KEYS[2], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local time = redis.call('TIME')
redis.call('HSET', KEYS[3], ARGV[2], time[1] * 1000)
return 1`;

/** KEYS from 2: the new list, the list. */
const REPLACE = `
if redis.call('EXISTS', KEYS[2]) == 1 then return redis.call('RENAME', KEYS[2], KEYS[3]) end
return redis.call('DEL', KEYS[3])`;

/** KEYS from 2: the list, the receivers. ARGV from 2: the receiver, milliseconds. */
const REMOVE = `
local time = redis.call('TIME')
local changed = tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '0')
if time[1] * 1000 - changed <= tonumber(ARGV[3]) then return 0 end
redis.call('HDEL', KEYS[3], ARGV[2])
return redis.call('DEL', KEYS[2])`;

const mark = z.object({ at: z.iso.datetime() });

export interface RedisOutboxesOptions {
  readonly link: RedisLink;
  readonly prefix: string;
}

/** The notifications of all services that share a store. */
export class RedisOutboxes {
  readonly #link: RedisLink;
  readonly #prefix: string;

  constructor({ link, prefix }: RedisOutboxesOptions) {
    this.#link = link;
    this.#prefix = `${prefix}notify:`;
  }

  /** For the service that holds the lease: Redis refuses what comes after the term. */
  storage(term: Term): NotifyStorage {
    const keys = { mark: `${this.#prefix}mark`, receivers: this.#receivers };
    return {
      prepare: async () => {
        await this.#link.ask(() => this.#link.client.exists(keys.mark));
      },
      readMark: async () => {
        const text = await this.#link.ask(() => this.#link.client.get(keys.mark));
        const read = mark.safeParse(parseObject(text ?? undefined));
        return read.success ? { at: read.data.at, feed: undefined } : undefined;
      },
      writeMark: async ({ at }) => {
        await term.run("return redis.call('SET', KEYS[2], ARGV[2])", [keys.mark], [JSON.stringify({ at })]);
      },
      names: () => this.names(),
      open: (receiver) => this.#lines(receiver, term),
      removeUnchanged: async (receiver, ms) => {
        await term.run(REMOVE, [this.#list(receiver), keys.receivers], [receiver, String(ms)]);
      },
      holds: async (isFresh) => (isFresh ? term.confirm() : term.isHeld()),
    };
  }

  async names(): Promise<readonly string[]> {
    return (await this.#link.ask(() => this.#link.client.hkeys(this.#receivers))).sort();
  }

  /** Undefined for a receiver without notifications. */
  async read(receiver: string): Promise<OutboxState | undefined> {
    const { client } = this.#link;
    const state = new OutboxState();
    let isEmpty = true;
    for (let from = 0; ; from += READ_LINES) {
      const lines = await this.#link.ask(() =>
        client.lrange(this.#list(receiver), from, from + READ_LINES - 1),
      );
      for (const text of lines) {
        isEmpty = false;
        const line = readOutboxLine(parseObject(text));
        if (line !== undefined) state.add(line);
      }
      if (lines.length < READ_LINES) return isEmpty ? undefined : state;
    }
  }

  get #receivers(): string {
    return `${this.#prefix}receivers`;
  }

  /** The name of a receiver is checked by the configuration. */
  #list(receiver: string): string {
    return `${this.#prefix}to:${receiver}`;
  }

  #lines(receiver: string, term: Term): OutboxLines {
    const list = this.#list(receiver);
    const add = async (to: string, text: string): Promise<void> => {
      for (const lines of chunksOf(text))
        await term.run(APPEND, [to, this.#receivers], [receiver, String(KEPT_MS), ...lines]);
    };
    return {
      read: () => this.read(receiver),
      append: (text) => add(list, text),
      replace: async (text) => {
        const next = `${list}:${term.number}`;
        await term.run("return redis.call('DEL', KEYS[2])", [next], []);
        await add(next, text);
        await term.run(REPLACE, [next, list], []);
      },
      // Redis writes to its disk as it is configured.
      sync: async () => {
        if (!term.isHeld())
          throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'another service holds the lease', {
            retryable: true,
          });
      },
    };
  }
}

function* chunksOf(text: string): Generator<readonly string[]> {
  let lines: string[] = [];
  let chars = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    lines.push(line);
    chars += line.length;
    if (lines.length < CHUNK_LINES && chars < CHUNK_CHARS) continue;
    yield lines;
    lines = [];
    chars = 0;
  }
  if (lines.length > 0) yield lines;
}
