import type { Books, Tally } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import type { SenderQueue } from '../../export/sender.ts';
import type { BatchEntry } from '../../journal/segment-reader.ts';
import { createEndpointSenders, endpointsOf } from '../../trail/destinations.ts';

/** Records and characters that wait for an endpoint that is away. */
const WAITING_MAX = 20_000;
const WAITING_CHARS_MAX = 32 * 1_048_576;

const BATCH_MAX = 512;

/** What this process records itself goes on to `OTEL_EXPORTER_OTLP_ENDPOINT` from here, as from the journal of a process with a disk. */
export interface Forwarding {
  /** Destination keys. */
  readonly destinations: readonly string[];
  /** Each record once, when it is stored. Returns at once. */
  add(entries: readonly BatchEntry[]): void;
  /** Sends what waits, within the deadline. What is left then is not sent. */
  close(deadlineMs: number): Promise<void>;
}

export async function openForwarding(config: Config, books: Books): Promise<Forwarding> {
  const endpoints = config.enabled ? endpointsOf(config) : [];
  if (endpoints.length === 0) return { destinations: [], add: () => {}, close: async () => {} };
  const destinations = endpoints.map(({ key }) => key);
  const queue = new MemoryQueue(destinations, books);
  const senders = await createEndpointSenders(config, {
    journal: queue,
    books: {
      // One that is away keeps no service from storing.
      setReason: (part, reason) => books.setNotice(part, reason),
      setNotice: (part, notice) => books.setNotice(part, notice),
      noteRefusal: (destination, reason) => books.noteRefusal(destination, reason),
    },
  });
  for (const sender of senders) sender.start();
  return {
    destinations,
    add: (entries) => queue.add(entries),
    close: async (deadlineMs) => {
      await Promise.all(
        senders.map(async (sender) => {
          sender.hurry();
          await sender.drain(deadlineMs);
          await sender.stop(0);
        }),
      );
      queue.close();
    },
  };
}

interface MemoryBatch {
  readonly entries: readonly BatchEntry[];
  /** How many were taken from the queue with it, and before. */
  readonly next: number;
  readonly segment: MemoryQueue;
}

/** Records in memory, with a place for each destination. */
class MemoryQueue implements SenderQueue {
  readonly #books: Books;
  readonly #waiting = new Map<string, { entries: BatchEntry[]; characters: number; taken: number }>();
  readonly #listeners = new Set<() => void>();
  #version = 0;

  constructor(destinations: readonly string[], books: Books) {
    this.#books = books;
    for (const key of destinations) this.#waiting.set(key, { entries: [], characters: 0, taken: 0 });
  }

  readonly unwritten = 0;

  get version(): number {
    return this.#version;
  }

  add(entries: readonly BatchEntry[]): void {
    for (const [destination, place] of this.#waiting) {
      for (const entry of entries) {
        if (place.entries.length >= WAITING_MAX || place.characters + entry.json.length > WAITING_CHARS_MAX) {
          this.#books.countLost(destination, 'journal_full', 1);
          continue;
        }
        place.entries.push(entry);
        place.characters += entry.json.length;
      }
    }
    this.#version += 1;
    for (const wake of this.#listeners) wake();
  }

  flush(): void {}

  async next(destination: string, recordsMax: number = BATCH_MAX): Promise<MemoryBatch | undefined> {
    const place = this.#waiting.get(destination);
    const entries = place?.entries.slice(0, recordsMax) ?? [];
    if (place === undefined || entries.length === 0) return undefined;
    return { entries, next: place.taken + entries.length, segment: this };
  }

  settle(destination: string, _batch: MemoryBatch, tally: Tally): void {
    this.#books.countTally(destination, tally);
  }

  async done(destination: string, { entries, next }: MemoryBatch): Promise<void> {
    const place = this.#waiting.get(destination);
    if (place === undefined) return;
    place.entries.splice(0, entries.length);
    for (const { json } of entries) place.characters -= json.length;
    place.taken = next;
  }

  async changed(version: number, signal: AbortSignal): Promise<void> {
    if (version !== this.#version || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#listeners.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#listeners.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  /** Counts what is left. */
  close(): void {
    for (const [destination, { entries }] of this.#waiting)
      if (entries.length > 0) this.#books.countLost(destination, 'journal_closed', entries.length);
  }
}
