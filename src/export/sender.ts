import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import pRetry from 'p-retry';
import type { Books } from '../books.ts';
import { messageOf } from '../errors.ts';
import type { Journal, QueuedBatch } from '../journal/journal.ts';
import { partsOf, type RequestPart, requestBody } from './request.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

/** After the first record of a batch, how long others may join it: unnoticed by a reader, far fewer requests. */
const LINGER_MS = 20;

/** First and longest pause between two tries at the same request. */
const RETRY_MIN_MS = 100;

/** How often the end of a backlog is looked for at shutdown. */
const DRAIN_POLL_MS = 5;

export interface SenderOptions {
  /** Key of the destination in the journal's cursors. */
  readonly destination: string;
  readonly transport: Transport;
  readonly journal: Journal;
  readonly books: Books;
  /** The longest pause between two tries. */
  readonly retryMaxMs: number;
}

/**
 * Carries the journal to one destination, in order, one request at a time, for ever. The cursor moves when a batch is
 * settled: taken, or dropped and counted.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #stop = new AbortController();
  readonly #unsupported = new Set<Signal>();
  #running: Promise<void> | undefined;
  #idle = true;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get destination(): string {
    return this.#options.destination;
  }

  start(): void {
    // What we send is not to be traced by a user's http instrumentation: it would never end.
    this.#running ??= context.with(suppressTracing(ROOT_CONTEXT), () => this.#run());
  }

  /** Resolves true when the destination has everything, false when the deadline passes first. */
  async drain(deadlineMs: number): Promise<boolean> {
    const until = Date.now() + deadlineMs;
    this.#options.journal.flush();
    do {
      // Before the first look, too: what was flushed just now wakes the sender in the next tick.
      await delay(DRAIN_POLL_MS);
      if (this.#idle) return true;
    } while (Date.now() < until);
    return false;
  }

  /** Stops after the request in flight, or without waiting for it when it does not end within the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.race([this.#running, delay(deadlineMs, undefined, { ref: false })]);
    await Promise.race([this.#options.transport.close(), delay(deadlineMs, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { journal, destination, books } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const version = journal.version;
        const batch = await journal.next(destination);
        if (batch === undefined) {
          this.#idle = true;
          await journal.changed(version, signal);
          this.#idle = false;
          await delay(LINGER_MS, undefined, { ref: false });
          continue;
        }
        this.#idle = false;
        if (!(await this.#settle(batch))) return;
        await journal.done(destination, batch);
      } catch (error) {
        // The journal's own files cannot be read or its cursors not be written: nothing is lost, all is late.
        books.setReason(`journal ${destination}`, messageOf(error));
        await delay(RETRY_MIN_MS, undefined, { ref: false });
      }
    }
  }

  /** False when stopped before the batch was settled. */
  async #settle(batch: QueuedBatch): Promise<boolean> {
    const parts = partsOf(batch.entries);
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      if (this.#unsupported.has(part.signal)) continue;
      const result = await this.#sendUntilAnswered(part);
      if (result === undefined) return false;
      parts.unshift(...this.#account(part, result));
    }
    return true;
  }

  /** Counts what came of a part. Returns what is left of it: its halves when it was too large. */
  #account(part: RequestPart, result: SendResult): readonly RequestPart[] {
    const { books, destination } = this.#options;
    const count = part.entries.length;
    switch (result.kind) {
      case 'taken':
        books.countDelivered(destination, count - result.rejected);
        if (result.rejected > 0) {
          books.countDropped('rejected', result.rejected);
          books.setNotice(`${destination} rejected`, result.reason ?? 'no reason given');
        }
        return [];
      case 'too_large': {
        if (count === 1) {
          books.countDropped('too_large');
          return [];
        }
        const half = Math.ceil(count / 2);
        return [
          { signal: part.signal, entries: part.entries.slice(0, half) },
          { signal: part.signal, entries: part.entries.slice(half) },
        ];
      }
      case 'unsupported':
        this.#unsupported.add(part.signal);
        books.setNotice(destination, `takes no ${part.signal}: they are not sent there`);
        return [];
      case 'refused':
        books.countDropped('refused', count);
        books.setNotice(`${destination} refused`, result.reason);
        return [];
      case 'retry':
        return [part];
    }
  }

  /** Tries until the destination has answered for good; undefined when stopped before. */
  async #sendUntilAnswered(part: RequestPart): Promise<SendResult | undefined> {
    const { books, destination, retryMaxMs, transport } = this.#options;
    const { signal } = this.#stop;
    const body = requestBody(part);
    const attempt = async (): Promise<SendResult> => {
      const result = await transport.send(part.signal, body);
      if (result.kind !== 'retry') return result;
      books.setReason(destination, `not reachable: ${result.reason}`);
      if (result.afterMs !== undefined) await delay(result.afterMs, undefined, { ref: false, signal });
      throw new Error(result.reason);
    };
    try {
      const result = await pRetry(attempt, {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: RETRY_MIN_MS,
        maxTimeout: retryMaxMs,
        randomize: true,
        unref: true,
        signal,
      });
      books.setReason(destination, undefined);
      return result;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }
}
