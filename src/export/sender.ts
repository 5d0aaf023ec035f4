import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { Books } from '../books.ts';
import { messageOf } from '../errors.ts';
import type { Journal, QueuedBatch } from '../journal/journal.ts';
import type { BatchEntry } from '../journal/segment-reader.ts';
import { parseJson } from '../model/json.ts';
import { partsOf, type RequestPart, requestBody } from './otlp-request.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

/** After the first record of a batch, how long others may join it: unnoticed by a reader, far fewer requests. */
const LINGER_MS = 20;

/** First pause between two tries at the same request; each next one is twice as long, up to the longest. */
const RETRY_MIN_MS = 100;

/** `Retry-After` is honoured up to an hour: a wrong clock over there must not silence us for days. */
const RETRY_AFTER_MAX_MS = 3_600_000;

/** OTLP over HTTP: what was sent is no request. */
const MALFORMED = 400;

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
  #idle = false;

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
      if (this.#idle && this.#options.journal.unwritten === 0) return true;
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
    const part = `journal ${destination}`;
    let unsaved: QueuedBatch | undefined;
    while (!signal.aborted) {
      try {
        // Also when nothing more comes that would be saved with it.
        if (unsaved !== undefined) await journal.done(destination, unsaved);
        unsaved = undefined;
        const version = journal.version;
        const batch = await journal.next(destination);
        books.setReason(part, undefined);
        if (batch === undefined) {
          this.#idle = true;
          await journal.changed(version, signal);
          this.#idle = false;
          await delay(LINGER_MS, undefined, { ref: false });
          continue;
        }
        this.#idle = false;
        if (!(await this.#settle(batch))) return;
        unsaved = batch;
        await journal.done(destination, batch);
        unsaved = undefined;
      } catch (error) {
        // The journal's own files cannot be read or its cursors not be written: nothing is lost, all is late.
        this.#idle = false;
        books.setReason(part, messageOf(error));
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
        books.countDelivered(destination, Math.max(0, count - result.rejected));
        if (result.rejected > 0) {
          books.countDropped('rejected', Math.min(count, result.rejected));
          books.setNotice(`${destination} rejected`, result.reason ?? 'no reason given');
        }
        return [];
      case 'too_large': {
        if (count > 1) return halvesOf(part);
        books.countDropped('too_large');
        return [];
      }
      case 'unsupported':
        this.#unsupported.add(part.signal);
        books.setNotice(destination, `takes no ${part.signal}: they are not sent there`);
        return [];
      case 'refused': {
        const readable = part.entries.filter(isJson);
        if (readable.length < count) {
          // Damaged lines of the journal, which spoil the whole request: the others go again without them.
          books.countDropped('damaged', count - readable.length);
          return readable.length === 0 ? [] : [{ signal: part.signal, entries: readable }];
        }
        // One that cannot be read spoils the request for all: those beside it go again without it.
        if (result.status === MALFORMED && count > 1) return halvesOf(part);
        books.countDropped('refused', count);
        books.setNotice(`${destination} refused`, result.reason);
        return [];
      }
      case 'retry':
        return [part];
    }
  }

  /** Tries until the destination has answered for good; undefined when stopped before. */
  async #sendUntilAnswered(part: RequestPart): Promise<SendResult | undefined> {
    const { books, destination, retryMaxMs, transport } = this.#options;
    const body = requestBody(part);
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, retryMaxMs)) {
      // Here again: a context manager that was set after `start` knows nothing of what is around us.
      const result = await context.with(suppressTracing(ROOT_CONTEXT), () =>
        transport.send(part.signal, body),
      );
      if (result.kind !== 'retry') {
        books.setReason(destination, undefined);
        return result;
      }
      books.setReason(destination, `not reachable: ${result.reason}`);
      // Spread, so that the many that wait for one endpoint do not come back at the same moment.
      const ownMs = Math.min(pauseMs, retryMaxMs) * (0.5 + Math.random() / 2);
      if (!(await this.#pause(Math.max(ownMs, Math.min(result.afterMs ?? 0, RETRY_AFTER_MAX_MS))))) {
        return undefined;
      }
    }
  }

  /** False when stopped meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#stop;
    if (signal.aborted) return false;
    try {
      await delay(ms, undefined, { ref: false, signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}

function halvesOf({ signal, entries }: RequestPart): readonly RequestPart[] {
  const half = Math.ceil(entries.length / 2);
  return [
    { signal, entries: entries.slice(0, half) },
    { signal, entries: entries.slice(half) },
  ];
}

function isJson({ json }: BatchEntry): boolean {
  return parseJson(json) !== undefined;
}
