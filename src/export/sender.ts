import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { Books, Tally } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import { emptyTally } from '../journal/journal-books.ts';
import type { BatchEntry } from '../journal/segment-reader.ts';
import { parseJson } from '../model/json.ts';
import { partsOf, requestBody } from './otlp-request.ts';
import { type Counting, RefusedSignals } from './refused-signals.ts';
import { MALFORMED, type RequestPart, type SendResult, type Signal, type Transport } from './transport.ts';

/**
 * Delay after the first record of a batch, in milliseconds: too short for a reader to notice, and it saves most
 * requests.
 */
const LINGER_MS = 20;

/** First pause before a retry; doubles with each retry up to `retryMaxMs`. */
const RETRY_MIN_MS = 100;

/** `Retry-After` is limited to an hour: a wrong clock on the server must not stop the sender for days. */
const RETRY_AFTER_MAX_MS = 3_600_000;

/**
 * Refusals one after another before the destination is asked whether it takes the signal at all. One bad record among
 * 512 causes nine at most.
 */
const REFUSALS_BEFORE_PROBE = 16;

/** Refusals without any acceptance after which a signal counts as not taken, whatever the answer to the question is. */
const REFUSALS_MAX = 64;

/** The records have to be sent. */
const NOT_TAKEN: SendResult = { kind: 'refused', status: MALFORMED, reason: 'not taken' };

/** Poll interval of `drain`. */
const DRAIN_POLL_MS = 5;

/** Records of a queue, in order. */
export interface SenderBatch {
  readonly entries: readonly BatchEntry[];
  /** Where the next one begins in its segment. */
  readonly next: number;
  readonly segment: object;
}

/** Where the records come from: the journal, as a rule. */
export interface SenderQueue {
  readonly unwritten: number;
  /** Increases with each record; `changed` compares it. */
  readonly version: number;
  flush(): void;
  next(destination: string, recordsMax?: number): Promise<SenderBatch | undefined>;
  settle(destination: string, batch: SenderBatch, tally: Tally): void;
  done(destination: string, batch: SenderBatch): Promise<void>;
  changed(version: number, signal: AbortSignal): Promise<void>;
}

export type SenderBooks = Pick<Books, 'setReason' | 'setNotice' | 'noteRefusal'>;

export interface SenderOptions {
  /** Key of the destination in the journal's cursors. */
  readonly destination: string;
  readonly transport: Transport;
  readonly journal: SenderQueue;
  readonly books: SenderBooks;
  /** The signals that go there. Default: all. */
  readonly signals?: ReadonlySet<Signal>;
  /** Records of a batch. Default 512. */
  readonly recordsMax?: number;
  /** Longest pause before a retry. */
  readonly retryMaxMs: number;
  /** Whether a `Retry-After` of the destination may make a pause longer than that. Default: yes. */
  readonly obeysRetryAfter?: boolean;
}

/**
 * Sends the journal to one destination, in order, one request at a time. The cursor advances when every record of a
 * batch is accepted, or dropped and counted.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #stop = new AbortController();
  /** Aborted to end a pause between retries. */
  #pauses = new AbortController();
  #isHurried = false;
  readonly #refused = new RefusedSignals(() => performance.now());
  /** Refusals since the last acceptance. */
  readonly #refusals = new Map<Signal, number>();
  /** Signals of which a record was accepted. */
  readonly #known = new Set<Signal>();
  #running: Promise<void> | undefined;
  /** What became of the records of the batch so far: it is counted as a whole. */
  #tally: Tally = emptyTally();
  #idle = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get destination(): string {
    return this.#options.destination;
  }

  start(): void {
    // A user's HTTP instrumentation must not trace these requests: each trace would cause another request.
    this.#running ??= context.with(suppressTracing(ROOT_CONTEXT), () => this.#run());
  }

  /** Resolves true when everything is delivered, false when the deadline passes first. */
  async drain(deadlineMs: number): Promise<boolean> {
    const until = performance.now() + deadlineMs;
    this.#options.journal.flush();
    do {
      // Also before the first check: a flush wakes the sender in the next tick.
      await delay(DRAIN_POLL_MS);
      if (this.#idle && this.#options.journal.unwritten === 0) return true;
    } while (performance.now() < until);
    return false;
  }

  /** Ends a pause between retries: this process is about to end. Later pauses are as short as the destination permits. */
  hurry(): void {
    this.#isHurried = true;
    this.#pauses.abort();
    this.#pauses = new AbortController();
  }

  /** Stops after the request in flight, or at the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stop.abort();
    this.#pauses.abort();
    await Promise.race([this.#running, delay(deadlineMs, undefined, { ref: false })]);
    await Promise.race([this.#options.transport.close(), delay(deadlineMs, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { journal, destination, books, recordsMax } = this.#options;
    const { signal } = this.#stop;
    const part = `journal ${destination}`;
    let unsaved: SenderBatch | undefined;
    while (!signal.aborted) {
      try {
        const version = journal.version;
        const batch = await journal.next(destination, recordsMax);
        books.setReason(part, undefined);
        if (batch !== undefined) {
          this.#idle = false;
          // The place was not advanced: it is delivered already.
          const isRepeat = unsaved?.segment === batch.segment && unsaved.next === batch.next;
          if (!isRepeat) {
            this.#tally = emptyTally();
            if (!(await this.#deliver(batch))) return;
            journal.settle(destination, batch, this.#tally);
          }
          unsaved = (await this.#save(batch)) ? undefined : batch;
          continue;
        }
        this.#idle = true;
        // Tried again here too, because no later batch may come.
        if (unsaved !== undefined && !(await this.#save(unsaved))) continue;
        unsaved = undefined;
        await journal.changed(version, signal);
        this.#idle = false;
        await delay(LINGER_MS, undefined, { ref: false });
      } catch (error) {
        this.#idle = false;
        books.setReason(part, `the journal cannot be read, so its records wait: ${messageOf(error)}`);
        await delay(RETRY_MIN_MS, undefined, { ref: false });
      }
    }
  }

  /**
   * Stores that a batch is delivered; false when that failed. The next batches are sent all the same: after a restart
   * these records are sent once more, which their ids make harmless.
   */
  async #save(batch: SenderBatch): Promise<boolean> {
    const { journal, destination, books } = this.#options;
    const part = `journal cursors ${destination}`;
    try {
      await journal.done(destination, batch);
      books.setReason(part, undefined);
      return true;
    } catch (error) {
      const why = messageOf(error);
      books.setReason(part, `what was sent cannot be noted, so a restart sends it again: ${why}`);
      await delay(RETRY_MIN_MS, undefined, { ref: false });
      return false;
    }
  }

  /** False when stopped before the batch was delivered. */
  async #deliver({ entries }: SenderBatch): Promise<boolean> {
    const { transport } = this.#options;
    if (transport.take === undefined) return this.#sendAll(partsOf(entries));
    const taken = await this.#repeat(async () => transport.take?.(entries) ?? NOT_TAKEN);
    if (taken === undefined) return false;
    // A damaged record, too: the others are sent without it.
    if (taken.kind !== 'accepted') return this.#sendAll(partsOf(entries));
    this.#countAccepted({ signal: 'logs', entries }, taken);
    return true;
  }

  /** False when stopped before all were sent. */
  async #sendAll(parts: RequestPart[]): Promise<boolean> {
    const { signals } = this.#options;
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      if (signals?.has(part.signal) === false) {
        this.#tally.unsent += part.entries.length;
        continue;
      }
      if (this.#refused.has(part.signal)) {
        this.#countUnsent(part);
        continue;
      }
      const result = await this.#sendWithRetries(part.signal, requestBody(part));
      if (result === undefined) return false;
      const more = await this.#countResult(part, result);
      if (more === undefined) return false;
      parts.unshift(...more);
    }
    return true;
  }

  /**
   * Counts the outcome of a part. Returns the parts to send next: halves of one that was too large, or the valid
   * entries of one that was refused. Undefined when stopped before.
   */
  async #countResult(part: RequestPart, result: SendResult): Promise<readonly RequestPart[] | undefined> {
    const { books } = this.#options;
    const count = part.entries.length;
    switch (result.kind) {
      case 'accepted':
        this.#countAccepted(part, result);
        return [];
      case 'too_large': {
        if (count > 1) return halvesOf(part);
        this.#drop('too_large', 1);
        books.noteRefusal(this.destination, 'the record is too large');
        return [];
      }
      case 'unsupported':
        this.#refuse(part, result.reason ?? `status ${result.status}`, 'unsent');
        return [];
      case 'refused': {
        const readable = part.entries.filter(isJson);
        if (readable.length < count) {
          // Damaged journal lines make the whole request invalid: the other records are sent again without them.
          this.#drop('damaged', count - readable.length);
          return readable.length === 0 ? [] : [{ signal: part.signal, entries: readable }];
        }
        if (result.status === MALFORMED) return this.#isolate(part, result.reason);
        this.#countRefused(part, result.reason);
        return [];
      }
      case 'retry':
        return [part];
    }
  }

  /**
   * A 400 is about the data, or about everything that comes to this path. One invalid record makes the whole request
   * invalid: halving isolates it. A path that refuses also a request without records refuses the signal.
   */
  async #isolate(part: RequestPart, reason: string): Promise<readonly RequestPart[] | undefined> {
    const { signal, entries } = part;
    const refusals = (this.#refusals.get(signal) ?? 0) + 1;
    this.#refusals.set(signal, refusals);
    const isUnknown = !this.#known.has(signal);
    let takes: boolean | undefined = true;
    if (isUnknown ? refusals === 1 : refusals % REFUSALS_BEFORE_PROBE === 0)
      takes = await this.#takes(signal);
    if (takes === undefined) return undefined;
    if (!takes || (isUnknown && refusals >= REFUSALS_MAX)) {
      this.#refuse(part, reason, 'refused');
      return [];
    }
    if (entries.length > 1) return halvesOf(part);
    this.#countRefused(part, reason);
    return [];
  }

  /** Whether the destination takes a request without records. Undefined when stopped before the answer. */
  async #takes(signal: Signal): Promise<boolean | undefined> {
    const { transport } = this.#options;
    const probe = transport.probe?.bind(transport);
    if (probe === undefined) return true;
    const answer = await this.#repeat(() => probe(signal));
    return answer === undefined ? undefined : answer.kind === 'accepted';
  }

  #countAccepted({ signal, entries }: RequestPart, result: SendResult & { kind: 'accepted' }): void {
    const { books, destination } = this.#options;
    const rejected = Math.min(entries.length, result.rejected);
    this.#tally.delivered += entries.length - rejected;
    if (rejected > 0) {
      this.#drop('rejected', rejected);
      books.setNotice(`${destination} rejected`, result.reason ?? 'no reason given');
      books.noteRefusal(destination, result.reason ?? 'no reason given');
    }
    this.#known.add(signal);
    this.#refusals.delete(signal);
    this.#refused.remove(signal);
    books.setNotice(destination, this.#refused.notice);
  }

  #countRefused({ signal, entries }: RequestPart, reason: string): void {
    const { books, destination } = this.#options;
    this.#drop('refused', entries.length);
    books.setNotice(`${destination} refused`, `${signal}: ${reason}`);
    books.noteRefusal(destination, reason);
  }

  #refuse(part: RequestPart, why: string, counting: Counting): void {
    this.#refusals.delete(part.signal);
    this.#refused.add(part.signal, why, counting);
    this.#countUnsent(part);
  }

  #countUnsent({ signal, entries }: RequestPart): void {
    const { books, destination } = this.#options;
    const counting = this.#refused.count(signal, entries.length);
    if (counting === 'unsent') this.#tally.unsent += entries.length;
    else this.#drop(counting, entries.length);
    books.setNotice(destination, this.#refused.notice);
  }

  #drop(reason: string, count: number): void {
    const { dropped } = this.#tally;
    dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  }

  #sendWithRetries(signal: Signal, body: Uint8Array): Promise<SendResult | undefined> {
    return this.#repeat(() => this.#options.transport.send(signal, body));
  }

  /** Repeats a request until the destination gives a final answer; undefined when stopped before. */
  async #repeat(request: () => Promise<SendResult>): Promise<SendResult | undefined> {
    const { books, destination, retryMaxMs, obeysRetryAfter = true } = this.#options;
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, retryMaxMs)) {
      // Needed again: a context manager that was set after `start` does not know the suppression from there.
      const result = await context.with(suppressTracing(ROOT_CONTEXT), request);
      if (result.kind !== 'retry') {
        books.setReason(destination, undefined);
        return result;
      }
      books.setReason(destination, `not reachable: ${result.reason}`);
      // Jitter, so that clients of one endpoint do not retry at the same moment.
      const ownMs = Math.min(pauseMs, retryMaxMs) * (0.5 + Math.random() / 2);
      const askedMs = obeysRetryAfter ? Math.min(result.afterMs ?? 0, RETRY_AFTER_MAX_MS) : 0;
      const isShort = this.#isHurried && !obeysRetryAfter;
      if (!(await this.#pause(isShort ? RETRY_MIN_MS : Math.max(ownMs, askedMs)))) return undefined;
    }
  }

  /** False when stopped during the pause. */
  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#stop;
    if (signal.aborted) return false;
    try {
      await delay(ms, undefined, { ref: false, signal: this.#pauses.signal });
    } catch (error) {
      if (errnoOf(error) !== 'ABORT_ERR') throw error;
    }
    return !signal.aborted;
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
