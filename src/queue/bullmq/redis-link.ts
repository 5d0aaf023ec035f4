import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { messageOf } from '../../errors.ts';
import { type Refusal, refusalOf } from '../redis-refusal.ts';
import { queueUnavailable } from '../unavailable.ts';

/** A push delays the answer to a webhook: both limits together are less than two seconds. */
const READY_MS = 500;
const ASK_MS = 1_300;

/** For commands outside `ask`. Longer than `ASK_MS`: inside `ask`, that limit comes first. */
const COMMAND_MS = 2_000;

/** The longest wait between two attempts to connect: a Redis that is back is used within a second. */
const RECONNECT_MS = 1_000;

/** A host that drops packets never answers a SYN; the next attempt may resolve the name to another address. */
const CONNECT_MS = 5_000;

export interface RedisLinkOptions {
  readonly url: string;
  /** One line when Redis goes, one when it is back. */
  log(line: string): void;
}

type Ioredis = Pick<typeof import('ioredis'), 'Redis' | 'ReplyError'>;

/** `replyMapping`: replies as BullMQ expects them, with every version of the protocol. */
type LinkOptions = RedisOptions & { readonly replyMapping?: 'legacy' };

/** For a worker's connection: a command waits until Redis is back. */
export const PATIENT: LinkOptions = {
  maxRetriesPerRequest: null,
  connectTimeout: CONNECT_MS,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), RECONNECT_MS),
};

/** For commands with a waiting caller: one that cannot be sent, or gets no answer, fails and is never sent again. */
const PROMPT: LinkOptions = {
  ...PATIENT,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_MS,
};

const LOST = 'the connection was lost';

const LATE = Symbol('late');

/** The connection for this process's commands. Its state says whether Redis can be used. */
export class RedisLink {
  readonly client: Redis;
  /** Host, port and database; no user or password. */
  readonly place: string;
  readonly #ReplyError: Ioredis['ReplyError'];
  readonly #log: (line: string) => void;
  readonly #listeners: (() => void)[] = [];
  readonly #waiters = new Set<() => void>();
  /** When the present connection was made; undefined without one. */
  #readySince: number | undefined;
  #wasReported = false;
  #isClosed = false;
  #lastError = 'not connected yet';
  #lost = LOST;
  /** Why Redis refuses what the queue needs, although the connection is there. */
  #refusal: Refusal | undefined;

  constructor(ioredis: Ioredis, { url, log }: RedisLinkOptions) {
    this.place = placeOf(url);
    this.#log = log;
    this.#ReplyError = ioredis.ReplyError;
    this.client = new ioredis.Redis(url, PROMPT);
    this.client.on('error', (error) => {
      this.#lastError = messageOf(error);
    });
    this.client.on('ready', () => this.#onReady());
    this.client.on('close', () => this.#onClose());
  }

  /** Why Redis cannot be used; undefined when it can. */
  get problem(): string | undefined {
    if (this.#readySince !== undefined)
      return this.#refusal && `Redis at ${this.place}: ${this.#refusal.what}; ${this.#refusal.advice}`;
    return `Redis at ${this.place} cannot be reached: ${this.#lastError}`;
  }

  /** What a probe has found; undefined when Redis accepts everything. */
  setRefusal(refusal: Refusal | undefined): void {
    const isNew = refusal !== undefined && refusal.what !== this.#refusal?.what;
    const isOver = refusal === undefined && this.#refusal !== undefined;
    this.#refusal = refusal;
    if (isNew && this.problem !== undefined) this.#log(this.problem);
    if (!isOver || this.#readySince === undefined) return;
    this.#log(`Redis at ${this.place} accepts commands again`);
    for (const listener of this.#listeners) listener();
  }

  /** Age of the present connection in milliseconds; 0 without one. */
  get readyForMs(): number {
    return this.#readySince === undefined ? 0 : performance.now() - this.#readySince;
  }

  /** Whether Redis has answered with this error. A command without an answer fails with another one. */
  isRefusal(error: unknown): boolean {
    return error instanceof this.#ReplyError;
  }

  /** Calls the listener at each connect from now on. */
  onReady(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Waits for a connection, no longer than `withinMs`. False without one. */
  async isReady(withinMs: number): Promise<boolean> {
    if (this.#readySince !== undefined || this.#isClosed) return !this.#isClosed;
    const timer = new AbortController();
    // One list for all callers: many webhooks may arrive while Redis is away, and each would add a listener.
    let wake = (): void => {};
    const ready = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiters.add(wake);
    const late = delay(withinMs, undefined, { ref: false, signal: timer.signal }).catch(() => {});
    await Promise.race([ready, late]);
    this.#waiters.delete(wake);
    timer.abort();
    return this.#readySince !== undefined;
  }

  /** Runs commands on `client`. Rejects with `ERR_QUEUE_UNAVAILABLE` when they fail or take longer than two seconds. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (!(await this.isReady(READY_MS))) throw queueUnavailable(this.problem ?? 'the queue is closed');
    const answer = question();
    // It may fail after the limit, when no caller waits any more.
    answer.catch(() => {});
    const timer = new AbortController();
    const late = delay(ASK_MS, LATE, { ref: false, signal: timer.signal });
    late.catch(() => {});
    let result: T | typeof LATE;
    try {
      result = await Promise.race([answer, late]);
    } catch (error) {
      // Not in the next round of the probe only: `/readyz` says so with the first refused job.
      const refusal = this.isRefusal(error) ? refusalOf(error) : undefined;
      if (refusal !== undefined) this.setRefusal(refusal);
      throw queueUnavailable(`Redis at ${this.place}: ${messageOf(error)}`, error);
    } finally {
      timer.abort();
    }
    if (result !== LATE) return result;
    this.#hangUp();
    throw queueUnavailable(`Redis at ${this.place} does not answer`);
  }

  /** Logs that Redis is away, once until it is back. */
  reportAbsence(): void {
    if (this.problem === undefined || this.#wasReported) return;
    this.#wasReported = true;
    this.#log(`${this.problem}; tasktrail keeps trying to connect`);
  }

  close(): void {
    this.#isClosed = true;
    this.#readySince = undefined;
    this.client.disconnect();
  }

  /** A connection that a firewall has dropped stays silent for a quarter of an hour. A new one fails or works at once. */
  #hangUp(): void {
    if (this.#readySince === undefined) return;
    this.#lost = 'it does not answer';
    this.client.disconnect(true);
  }

  #onReady(): void {
    this.#readySince = performance.now();
    if (this.#wasReported) this.#log(`Redis at ${this.place} is back`);
    this.#wasReported = false;
    for (const wake of this.#waiters) wake();
    for (const listener of this.#listeners) listener();
  }

  #onClose(): void {
    if (this.#isClosed) return;
    if (this.#readySince === undefined) return;
    // A lost connection rarely has an error. Those of the following attempts come too late for this line.
    this.#lastError = this.#lost;
    this.#lost = LOST;
    this.#readySince = undefined;
    this.reportAbsence();
  }
}

/** Host, port and database of a URL, for messages. */
export function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  const database = /^\/\d+$/.test(pathname) && pathname !== '/0' ? pathname : '';
  return `${hostname || 'localhost'}:${port || '6379'}${database}`;
}
