import { setTimeout as delay } from 'node:timers/promises';
import type { Books } from '../../books.ts';
import { TasktrailError } from '../../errors.ts';
import type { JournalWriter } from '../../export/processors.ts';
import type { SendResult } from '../../export/transport.ts';
import { type JournalEntry, sourceLine, type TelemetrySource } from '../../journal/line.ts';
import type { BatchEntry } from '../../journal/segment-reader.ts';
import type { Sink } from '../../receive/sink.ts';
import type { Recorder } from '../../record/recorder.ts';
import { storeEntries } from '../../trail/thread/own-store.ts';
import type { Forwarding } from './forwarding.ts';

/** The destination of the records in the books. */
export const STORE = 'store';

/** Records and characters that wait in memory while the store is away: some minutes of refused webhooks. */
const WAITING_MAX = 20_000;
const WAITING_CHARS_MAX = 32 * 1_048_576;

/** Records of one request to the store. */
const BATCH_MAX = 512;

/** Milliseconds before a failed request is sent again: the first pause, doubled up to the longest. A webhook ends a pause. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 5_000;

export interface RowJournalOptions {
  readonly sink: Sink;
  readonly books: Books;
  /** Where stored records go on to. */
  readonly forwarding?: Pick<Forwarding, 'destinations' | 'add'>;
}

interface Waiter {
  /** Number of records that must be stored. */
  readonly upTo: number;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The records of a process without a disk: in memory until the store has them. What must not be lost is stored with `keep`, or
 * waited for with `synced`, before an answer promises it.
 */
export class RowJournal implements JournalWriter, Pick<Recorder, 'flush' | 'synced'> {
  readonly #options: RowJournalOptions;
  /** What `keep` collects. */
  #collected: BatchEntry[] | undefined;
  readonly #waiting: BatchEntry[] = [];
  #waitingChars = 0;
  /** Records that were ever in `#waiting`, and those of them that are no more. */
  #appended = 0;
  #done = 0;
  readonly #waiters = new Set<Waiter>();
  #isSending = false;
  #endPause: (() => void) | undefined;
  #isClosed = false;

  constructor(options: RowJournalOptions) {
    this.#options = options;
  }

  get #destinations(): readonly string[] {
    return [STORE, ...(this.#options.forwarding?.destinations ?? [])];
  }

  append(source: TelemetrySource, { kind, json }: JournalEntry): void {
    const { books } = this.#options;
    // Resource and scope without the letter of the line, and without the braces.
    const entry = { kind, json, source: sourceLine(source).slice(2, -2) };
    if (this.#collected !== undefined) {
      this.#collected.push(entry);
      return;
    }
    books.countRecorded();
    const isFull =
      this.#waiting.length >= WAITING_MAX || this.#waitingChars + json.length > WAITING_CHARS_MAX;
    if (isFull || this.#isClosed) {
      books.countUnwritten(this.#destinations, this.#isClosed ? 'journal_closed' : 'journal_full', 1);
      return;
    }
    this.#waiting.push(entry);
    this.#waitingChars += json.length;
    this.#appended += 1;
    this.flush();
  }

  /** Sends what waits, with everything that is recorded in the same turn. Returns at once. */
  flush(): void {
    if (this.#isSending || this.#waiting.length === 0) return;
    this.#isSending = true;
    setImmediate(() => void this.#send());
  }

  /** Rejects with `ERR_STORE_UNAVAILABLE` when the next try fails. */
  synced(): Promise<void> {
    if (this.#done >= this.#appended) return Promise.resolve();
    this.#endPause?.();
    return new Promise((resolve, reject) => {
      this.#waiters.add({ upTo: this.#appended, resolve, reject });
    });
  }

  /** As `Recorder.keep`. */
  async keep(record: () => void): Promise<void> {
    const entries: BatchEntry[] = [];
    this.#collected = entries;
    try {
      record();
    } finally {
      this.#collected = undefined;
    }
    const result = await storeEntries(this.#options.sink, entries);
    if (result.kind === 'retry') throw unavailable(result.reason);
    this.#options.books.countRecorded(entries.length);
    this.#count(result, entries);
  }

  /** Stores what waits, within the deadline. What is left then is lost. */
  async close(deadlineMs: number): Promise<void> {
    const untilMs = performance.now() + deadlineMs;
    while (this.#waiting.length > 0 && performance.now() < untilMs) {
      const left = untilMs - performance.now();
      const late = new Promise<void>((resolve) => setTimeout(resolve, left).unref());
      await Promise.race([this.synced().catch(() => delay(RETRY_MS)), late]);
    }
    this.#isClosed = true;
    this.#endPause?.();
    this.#fail(unavailable('the service is shutting down'));
    if (this.#waiting.length > 0)
      this.#options.books.countUnwritten(this.#destinations, 'journal_closed', this.#waiting.length);
  }

  async #send(): Promise<void> {
    let pauseMs = RETRY_MS;
    while (this.#waiting.length > 0 && !this.#isClosed) {
      const batch = this.#waiting.slice(0, BATCH_MAX);
      const result = await storeEntries(this.#options.sink, batch);
      if (this.#isClosed) return;
      if (result.kind === 'retry') {
        this.#fail(unavailable(result.reason));
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS);
        continue;
      }
      pauseMs = RETRY_MS;
      this.#waiting.splice(0, batch.length);
      this.#waitingChars -= batch.reduce((sum, { json }) => sum + json.length, 0);
      this.#done += batch.length;
      this.#count(result, batch);
      for (const waiter of this.#waiters) {
        if (waiter.upTo > this.#done) continue;
        this.#waiters.delete(waiter);
        waiter.resolve();
      }
    }
    this.#isSending = false;
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = undefined;
  }

  #count(result: SendResult, entries: readonly BatchEntry[]): void {
    const { books, forwarding } = this.#options;
    const rejected = result.kind === 'accepted' ? result.rejected : entries.length;
    countStored(books, entries.length, rejected);
    forwarding?.add(entries);
  }
}

/** Of records of this process. */
export function countStored(books: Books, count: number, rejected: number): void {
  if (count > rejected) books.countDelivered(STORE, count - rejected);
  if (rejected > 0) books.countLost(STORE, 'rejected', rejected);
}

function unavailable(reason: string): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true });
}
