import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { messageOf, TasktrailError } from '../errors.ts';

/** Whoever pushes waits for the answer of a webhook: together with the next one, under two seconds. */
const READY_MS = 500;
const COMMAND_MS = 1_300;

/** Between tries to connect: a Redis that is back is noticed within a second, one that is away costs nothing. */
const RECONNECT_MS = 1_000;

/** A host that drops packets answers no SYN; the next try may find another one behind the name. */
const CONNECT_MS = 5_000;

export interface RedisLinkOptions {
  readonly url: string;
  /** One line when Redis goes, one when it is back. */
  log(line: string): void;
}

type RedisClass = typeof Redis;

/** Replies as BullMQ reads them, whatever version of the protocol carries them. */
type LinkOptions = RedisOptions & { readonly replyMapping?: 'legacy' };

/** For a connection that waits as long as it takes: nothing that a worker has to say is given up. */
export const PATIENT: LinkOptions = {
  maxRetriesPerRequest: null,
  connectTimeout: CONNECT_MS,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), RECONNECT_MS),
};

/** For commands that somebody waits for: what cannot be sent or is not answered fails, and is never sent again. */
const PROMPT: LinkOptions = {
  ...PATIENT,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_MS,
};

const LOST = 'the connection was lost';

/** The connection over which this process asks Redis, and what is known of Redis through it. */
export class RedisLink {
  readonly client: Redis;
  /** Where Redis is, without user and password. */
  readonly place: string;
  readonly #log: (line: string) => void;
  readonly #listeners: (() => void)[] = [];
  readonly #waiters = new Set<() => void>();
  /** When the connection that there is was made. */
  #readySince: number | undefined;
  #wasReported = false;
  #isClosed = false;
  #lastError = 'not connected yet';
  #lost = LOST;

  constructor(RedisClient: RedisClass, { url, log }: RedisLinkOptions) {
    this.place = placeOf(url);
    this.#log = log;
    this.client = new RedisClient(url, PROMPT);
    this.client.on('error', (error) => {
      this.#lastError = messageOf(error);
    });
    this.client.on('ready', () => this.#onReady());
    this.client.on('close', () => this.#onClose());
  }

  /** Why Redis cannot be used; undefined when it can. */
  get problem(): string | undefined {
    if (this.#readySince !== undefined) return undefined;
    return `Redis at ${this.place} cannot be reached: ${this.#lastError}`;
  }

  /** For how long the connection has stood; 0 when there is none. */
  get readyForMs(): number {
    return this.#readySince === undefined ? 0 : performance.now() - this.#readySince;
  }

  /** Called at each connect from now on. */
  onReady(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether Redis is there, at the latest then. */
  async isReady(withinMs: number): Promise<boolean> {
    if (this.#readySince !== undefined || this.#isClosed) return !this.#isClosed;
    const timer = new AbortController();
    // One list for all who wait: webhooks that come while Redis is away are many.
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

  /** Does something with Redis; rejects with `ERR_QUEUE_UNAVAILABLE` when that is not done in two seconds. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (!(await this.isReady(READY_MS))) throw unavailable(this.problem ?? 'the queue is closed');
    const answer = question();
    // It may fail after nobody waits for it any more.
    answer.catch(() => {});
    const timer = new AbortController();
    const late = delay(COMMAND_MS, undefined, { ref: false, signal: timer.signal }).then(() => {
      throw unavailable('timed out');
    });
    late.catch(() => {});
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      if (error instanceof TasktrailError || /timed out/i.test(messageOf(error))) {
        this.#hangUp();
        throw unavailable(`Redis at ${this.place} does not answer`, error);
      }
      throw unavailable(`Redis at ${this.place}: ${messageOf(error)}`, error);
    } finally {
      timer.abort();
    }
  }

  /** At the start: says that Redis is away, when it is. */
  reportAbsence(): void {
    if (this.problem === undefined || this.#wasReported) return;
    this.#wasReported = true;
    this.#log(`${this.problem}; it is tried again until it is there`);
  }

  close(): void {
    this.#isClosed = true;
    this.#readySince = undefined;
    this.client.disconnect();
  }

  /** A connection that a firewall forgot stays silent for a quarter of an hour; a new one tells at once. */
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
    // A connection that fell has no error of its own as a rule; the tries that follow say more, too late for this line.
    if (this.#readySince !== undefined) {
      this.#lastError = this.#lost;
      this.#lost = LOST;
      this.#readySince = undefined;
      this.reportAbsence();
    }
  }
}

/** Host, port and database of a URL, for people to read. */
export function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  const database = /^\/\d+$/.test(pathname) && pathname !== '/0' ? pathname : '';
  return `${hostname || 'localhost'}:${port || '6379'}${database}`;
}

export function unavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_QUEUE_UNAVAILABLE', reason, { retryable: true, cause });
}
