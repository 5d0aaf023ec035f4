import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { isoFromMs } from '../../../model/time.ts';
import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import { type Moment, moment, since } from './moment.ts';

/** A service that ended without a word is replaced after this long. */
const LEASE_MS = 10_000;

/** Interval of renewals, and of looks at the lease of another service. */
const RENEW_MS = 2_000;

/** The holder stops this long before Redis gives the lease away: a request to VictoriaLogs may be on its way. */
const MARGIN_MS = 2_000;

/**
 * KEYS: the lease, and the number of the last one. ARGV: who asks, the store, milliseconds. Numbers grow also after Redis was
 * emptied: they begin at its clock.
 */
const TAKE = `
local held = redis.call('GET', KEYS[1])
if held then return {0, held} end
local time = redis.call('TIME')
local number = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local value = string.format('%.0f', number) .. ' ' .. ARGV[1] .. ' ' .. ARGV[2]
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
redis.call('SET', KEYS[2], string.format('%.0f', number))
return {1, value}`;

/** KEYS: the lease. ARGV: its value, milliseconds. */
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/** In front of a script of the holder: Redis does nothing for one that has lost the lease. KEYS[1], ARGV[1]: the lease. */
const FENCE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('LEASE another service holds the lease') end
`;

/** What the lease in Redis says of its holder. */
export interface LeaseHolder {
  /** Machine and process. */
  readonly by: string;
  /** By the clock of Redis. */
  readonly since: string;
  readonly store: string;
}

/** The key of the lease of a store. `prefix`: in front of all its keys. */
export function leaseKey(prefix: string): string {
  return `${prefix}lease`;
}

/** Undefined for what is no lease. */
export function readLeaseHolder(value: unknown): LeaseHolder | undefined {
  const [number = '', id = '', store, ...more] = typeof value === 'string' ? value.split(' ') : [];
  if (!/^\d{1,15}$/.test(number) || store === undefined || more.length > 0) return undefined;
  return { by: id.split('/').slice(0, 2).join('/'), since: isoFromMs(Number(number)), store };
}

/** The time in which one service holds the lease, from the moment at which it got it. */
export interface Term {
  /** Each later term has a higher one. */
  readonly number: number;
  /** When it began. Milliseconds since the epoch, by the clock of this service. */
  readonly beganMs: number;
  /** False once the lease may belong to another service. Costs nothing. */
  isHeld(): boolean;
  /** Asks Redis, and renews. False as `isHeld`, also while Redis is away. To be asked before what cannot be taken back. */
  confirm(): Promise<boolean>;
  /**
   * Runs a script in Redis while the lease is held. Keys and arguments begin at the second place. Rejects with
   * `ERR_QUEUE_UNAVAILABLE` without Redis and without the lease.
   */
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
}

export interface RedisLeaseOptions {
  readonly link: RedisLink;
  /** In front of every key, with braces around it: a cluster keeps the keys together. */
  readonly prefix: string;
  /** Named to the others: a Redis has the lease of one store. */
  readonly store: string;
  readonly leaseMs?: number;
  readonly renewMs?: number;
  /** The lease is this service's until `onLost`. */
  onTaken(term: Term): void;
  onLost(term: Term): void;
}

/**
 * The lease of one store in Redis. One of the services that share the store holds it. A holder that was stopped notices by its
 * own clocks that the time is over, before it asks Redis.
 */
export class RedisLease {
  readonly #options: Required<RedisLeaseOptions>;
  readonly #key: string;
  readonly #id: string = `${hostname().replace(/\s+/g, '-')}/${process.pid}/${randomUUID()}`;
  #term: HeldTerm | undefined;
  /** Of the service that holds the lease; undefined: none is known to. */
  #holder: LeaseHolder | undefined;
  #isClosed = false;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RedisLeaseOptions) {
    this.#options = { leaseMs: LEASE_MS, renewMs: RENEW_MS, ...options };
    this.#key = leaseKey(options.prefix);
  }

  start(): void {
    this.#running ??= this.#run();
    // Redis that was started again may have lost the lease.
    this.#options.link.onReady(() => void this.#look());
  }

  /** Undefined while another service holds it, or none. */
  get term(): Term | undefined {
    return this.#term?.isHeld() === true ? this.#term : undefined;
  }

  /** Why no service may hold the lease; undefined: one does. */
  get problem(): string | undefined {
    const { link, store } = this.#options;
    if (link.problem !== undefined) return link.problem;
    const other = this.#holder?.store;
    if (other === undefined || other === store) return undefined;
    return `the lease in Redis at ${link.place} is held for the store ${other}: each store needs a Redis database of its own, and one address in all services`;
  }

  /** Who holds it, as Redis said last; undefined while that is not known. */
  get holder(): LeaseHolder | undefined {
    return this.#options.link.problem === undefined ? this.#holder : undefined;
  }

  /** Gives the lease back, so that another service has it at once. What the term did must have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closing.abort();
    await this.#running;
    await this.#looking;
    const term = this.#term;
    this.#end();
    if (term === undefined) return;
    const { client } = this.#options.link;
    // Without Redis it expires.
    await this.#options.link.ask(() => client.eval(RELEASE, 1, this.#key, term.value)).catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      await this.#look();
      await delay(this.#options.renewMs, undefined, { signal: this.#closing.signal, ref: false }).catch(
        () => {},
      );
    }
  }

  #looking: Promise<void> | undefined;

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    if (this.#isClosed) return;
    if (this.#term !== undefined) {
      await this.#term.confirm();
      if (!this.#term.isHeld()) this.#end();
    }
    if (this.#term === undefined && !this.#isClosed) await this.#take().catch(() => {});
  }

  async #take(): Promise<void> {
    const { link, prefix, store, leaseMs, onTaken } = this.#options;
    const asked = moment();
    const keys = [this.#key, `${prefix}lease-number`] as const;
    const args = [this.#id, store, String(leaseMs)] as const;
    const reply: unknown = await link.ask(() => link.client.eval(TAKE, 2, ...keys, ...args));
    link.setRefusal(undefined);
    const [isTaken, value] = Array.isArray(reply) ? reply : [];
    this.#holder = readLeaseHolder(value);
    if (isTaken !== 1) return;
    const term = new HeldTerm({ link, key: this.#key, leaseMs, value: String(value), asked });
    this.#term = term;
    if (term.isHeld()) onTaken(term);
  }

  #end(): void {
    const term = this.#term;
    this.#term = undefined;
    if (term === undefined) return;
    term.end();
    this.#options.onLost(term);
  }
}

interface TermParts {
  readonly link: RedisLink;
  readonly key: string;
  readonly leaseMs: number;
  readonly value: string;
  /** Before Redis was asked. */
  readonly asked: Moment;
}

class HeldTerm implements Term {
  readonly number: number;
  readonly beganMs: number;
  readonly value: string;
  readonly #parts: TermParts;
  #renewed: Moment;
  #isOver = false;

  constructor(parts: TermParts) {
    this.#parts = parts;
    this.value = parts.value;
    this.number = Number(parts.value.split(' ')[0]);
    this.#renewed = parts.asked;
    this.beganMs = parts.asked.wallMs;
  }

  isHeld(): boolean {
    this.#isOver ||= since(this.#renewed) >= this.#parts.leaseMs - MARGIN_MS;
    return !this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }

  async confirm(): Promise<boolean> {
    if (!this.isHeld()) return false;
    const { link, key, leaseMs } = this.#parts;
    const asked = moment();
    try {
      const reply = await link.ask(() => link.client.eval(RENEW, 1, key, this.value, String(leaseMs)));
      link.setRefusal(undefined);
      if (reply === 1) this.#renewed = asked;
      else this.#isOver = true;
      return this.isHeld();
    } catch {
      // ERR_QUEUE_UNAVAILABLE: until its time is over no other service has the lease, unless Redis has lost it.
      return false;
    }
  }

  async run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { link, key } = this.#parts;
    const all = [key, ...keys, this.value, ...args];
    return link.ask(() => link.client.eval(FENCE + script, keys.length + 1, ...all));
  }
}
