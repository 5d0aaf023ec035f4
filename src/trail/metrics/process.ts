import { setTimeout as delay } from 'node:timers/promises';
import type {
  Attributes,
  BatchObservableResult,
  Meter,
  Observable,
  ObservableResult,
} from '@opentelemetry/api';
import type { Books, BooksSnapshot } from '../../books.ts';
import type { MetricLabels } from './labels.ts';

/** Longest wait in milliseconds of a scrape for the count of a long backlog; then it gets the previous count. */
const COUNT_WAIT_MS = 500;

/**
 * The pause after a count, as a multiple of its duration and at least in milliseconds. A count reads the whole backlog; at
 * one twentieth of the time it leaves the disk to the records.
 */
const PAUSE_FACTOR = 20;
const PAUSE_MIN_MS = 1_000;

/** The part of a journal that these metrics read. */
export interface PendingJournal {
  readonly destinations: readonly string[];
  countPending(destination: string): Promise<number>;
}

/** Observes the counters of this process. Returns a function that stops it. */
export function observeBooks(meter: Meter, books: Books, labels: MetricLabels): () => void {
  const counter = (name: string, description: string): Observable => {
    const unit = name.startsWith('lines.') ? '{line}' : '{record}';
    return meter.createObservableCounter(`tasktrail.${name}`, { description, unit });
  };
  const simple = SIMPLE.map(([name, description, read]) => ({ counter: counter(name, description), read }));
  const split = SPLIT.map(([name, description, attribute, read]) => ({
    counter: counter(name, description),
    attribute,
    read,
  }));
  const observe = (result: BatchObservableResult): void => {
    const snapshot = books.snapshot();
    for (const { counter, read } of simple) result.observe(counter, read(snapshot));
    for (const { counter, attribute, read } of split) {
      for (const { attributes, value } of summed(read(snapshot), attribute, labels)) {
        result.observe(counter, value, attributes);
      }
    }
  };
  const observed = [...simple, ...split].map(({ counter }) => counter);
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}

const SIMPLE: readonly (readonly [string, string, (books: BooksSnapshot) => number])[] = [
  ['records.recorded', 'Records and spans that entered the journal', ({ recorded }) => recorded],
  ['records.accepted', 'Records that the store wrote', ({ accepted }) => accepted],
  ['records.duplicate', 'Records that the store already had', ({ duplicates }) => duplicates],
  ['lines.skipped', 'Lines of the log directory that could not be read', ({ skippedLines }) => skippedLines],
];

type Counts = Readonly<Record<string, number>>;

const SPLIT: readonly (readonly [string, string, string, (books: BooksSnapshot) => Counts])[] = [
  [
    'records.delivered',
    'Records that a destination accepted',
    'tasktrail.destination',
    ({ delivered }) => delivered,
  ],
  [
    'records.unsent',
    'Records of a signal that a destination does not take',
    'tasktrail.destination',
    ({ unsent = {} }) => unsent,
  ],
  ['records.dropped', 'Records that were lost', 'tasktrail.reason', ({ dropped }) => dropped],
  [
    'records.unattributed',
    'Records that name no task, workflow or delivery',
    'tasktrail.sender',
    ({ unattributed }) => unattributed,
  ],
];

/** Names that are equal after the truncation are one series. */
function summed(
  counts: Counts,
  attribute: string,
  labels: MetricLabels,
): Iterable<{ readonly attributes: Attributes; readonly value: number }> {
  const sums = new Map<unknown, { attributes: Attributes; value: number }>();
  for (const [name, count] of Object.entries(counts)) {
    const attributes = labels.bounded({ [attribute]: name });
    const key = attributes[attribute];
    sums.set(key, { attributes, value: (sums.get(key)?.value ?? 0) + count });
  }
  return sums.values();
}

/** Observes the pending records of each destination. Returns a function that stops it. */
export function observeJournal(meter: Meter, journal: PendingJournal, labels: MetricLabels): () => void {
  const gauge = meter.createObservableGauge('tasktrail.journal.pending', {
    description: 'Records that a destination does not have yet',
    unit: '{record}',
  });
  const counts = journal.destinations.map((destination) => ({
    attributes: labels.bounded({ 'tasktrail.destination': destination }),
    count: new ThrottledCount(() => journal.countPending(destination)),
  }));
  const observe = async (result: ObservableResult): Promise<void> => {
    await Promise.all(
      counts.map(async ({ attributes, count }) => {
        const value = await count.read();
        if (value !== undefined) result.observe(value, attributes);
      }),
    );
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}

/** Throttles an expensive count: one at a time, with a pause after each. */
class ThrottledCount {
  readonly #count: () => Promise<number>;
  #last: number | undefined;
  #running: Promise<void> | undefined;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(count: () => Promise<number>) {
    this.#count = count;
  }

  /** Undefined while there is no count yet. */
  async read(): Promise<number | undefined> {
    if (this.#running === undefined && performance.now() >= this.#pausedUntil) {
      this.#running = this.#recount();
    }
    if (this.#running !== undefined) {
      const timer = new AbortController();
      const late = delay(COUNT_WAIT_MS, undefined, { ref: false, signal: timer.signal }).catch(() => {});
      await Promise.race([this.#running, late]);
      timer.abort();
    }
    return this.#last;
  }

  async #recount(): Promise<void> {
    const startedAt = performance.now();
    try {
      this.#last = await this.#count();
    } catch {
      // A segment was removed during the count, or cannot be read, which the sender reports. The next count is right again.
    }
    const tookMs = performance.now() - startedAt;
    this.#pausedUntil = performance.now() + Math.max(PAUSE_MIN_MS, PAUSE_FACTOR * tookMs);
    this.#running = undefined;
  }
}
