import type { Attributes, BatchObservableResult, Meter, Observable } from '@opentelemetry/api';
import type { Books, BooksSnapshot } from '../../books.ts';
import type { MetricLabels } from './labels.ts';

/** Observes the counters of this process. Returns a function that stops it. */
export function observeBooks(meter: Meter, books: Books, labels: MetricLabels): () => void {
  const counter = (name: string, description: string): Observable => {
    const unit = UNITS[name] ?? '{record}';
    return meter.createObservableCounter(name, { description, unit });
  };
  const simple = SIMPLE.map(([name, description, read]) => ({ counter: counter(name, description), read }));
  const split = SPLIT.map(([name, description, attribute, read]) => ({
    counter: counter(name, description),
    attribute,
    read,
  }));
  const lost = counter('tasktrail.journal.dropped', 'Records that a destination does not get');
  const pending = meter.createObservableGauge('tasktrail.journal.pending', {
    description: 'Records that a destination does not have yet',
    unit: '{record}',
  });
  const due = counter('tasktrail.notifications.due', 'Notifications that a receiver is to get');
  const arrived = counter('tasktrail.notifications.delivered', 'Notifications that a receiver has taken');
  const given = counter('tasktrail.notifications.dropped', 'Notifications that a receiver does not get');
  const waiting = meter.createObservableGauge('tasktrail.notifications.pending', {
    description: 'Notifications that a receiver does not have yet',
    unit: '{notification}',
  });
  const observeNotifications = (result: BatchObservableResult, snapshot: BooksSnapshot): void => {
    for (const [receiver, counts] of Object.entries(snapshot.notifications ?? {})) {
      const attributes = labels.bounded({ [RECEIVER]: receiver });
      result.observe(due, counts.due, attributes);
      result.observe(arrived, counts.delivered, attributes);
      result.observe(waiting, counts.pending, attributes);
      for (const [reason, value] of Object.entries(counts.dropped))
        result.observe(given, value, { ...attributes, [REASON]: reason });
    }
  };
  // All of them from one snapshot: they balance at every scrape.
  const observe = (result: BatchObservableResult): void => {
    const snapshot = books.snapshot();
    observeNotifications(result, snapshot);
    for (const [destination, reasons] of Object.entries(snapshot.lost ?? {}))
      for (const { attributes, value } of summed(reasons, REASON, labels))
        result.observe(lost, value, { ...labels.bounded({ [DESTINATION]: destination }), ...attributes });
    for (const { attributes, value } of summed(snapshot.pending ?? {}, DESTINATION, labels))
      result.observe(pending, value, attributes);
    for (const { counter, read } of simple) result.observe(counter, read(snapshot));
    for (const { counter, attribute, read } of split) {
      for (const { attributes, value } of summed(read(snapshot), attribute, labels)) {
        result.observe(counter, value, attributes);
      }
    }
  };
  const own = [lost, pending, due, arrived, given, waiting];
  const observed = [...[...simple, ...split].map(({ counter }) => counter), ...own];
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}

const UNITS: Readonly<Record<string, string>> = {
  'tasktrail.lines.skipped': '{line}',
  'tasktrail.syncs.failed': '{file}',
  'tasktrail.holder.restarts': '{restart}',
  'tasktrail.notifications.due': '{notification}',
  'tasktrail.notifications.delivered': '{notification}',
  'tasktrail.notifications.dropped': '{notification}',
};

const SIMPLE: readonly (readonly [string, string, (books: BooksSnapshot) => number])[] = [
  ['tasktrail.records.recorded', 'Records and spans that entered the journal', ({ recorded }) => recorded],
  ['tasktrail.records.accepted', 'Records that the store wrote', ({ accepted }) => accepted],
  ['tasktrail.records.duplicate', 'Records that the store already had', ({ duplicates }) => duplicates],
  [
    'tasktrail.store.received',
    'Records that the store was given, once for each file or document that they are for',
    ({ received = 0 }) => received,
  ],
  [
    'tasktrail.lines.skipped',
    'Lines of the log directory that could not be read',
    ({ skippedLines }) => skippedLines,
  ],
  [
    'tasktrail.syncs.failed',
    'Files whose fsync has failed; they were written again',
    ({ failedSyncs = 0 }) => failedSyncs,
  ],
  [
    'tasktrail.holder.restarts',
    "How often the holder's thread was started again",
    ({ threadRestarts = 0 }) => threadRestarts,
  ],
];

const DESTINATION = 'tasktrail.destination';
const REASON = 'tasktrail.reason';
const RECEIVER = 'tasktrail.receiver';

type Counts = Readonly<Record<string, number>>;

const SPLIT: readonly (readonly [string, string, string, (books: BooksSnapshot) => Counts])[] = [
  [
    'tasktrail.records.delivered',
    'Records that a destination accepted',
    DESTINATION,
    ({ delivered }) => delivered,
  ],
  [
    'tasktrail.records.unsent',
    'Records of a signal that a destination does not take',
    DESTINATION,
    ({ unsent = {} }) => unsent,
  ],
  ['tasktrail.records.dropped', 'Records that were lost', REASON, ({ dropped }) => dropped],
  [
    'tasktrail.journal.claimed',
    'Records that earlier processes left for a destination',
    DESTINATION,
    ({ claimed = {} }) => claimed,
  ],
  [
    'tasktrail.journal.left',
    'Records for a destination that another process has taken over',
    DESTINATION,
    ({ left = {} }) => left,
  ],
  [
    'tasktrail.store.rejected',
    'Records that the store did not take',
    REASON,
    ({ rejected = {} }) => rejected,
  ],
  ['tasktrail.store.passed', 'Records that are for no file', 'tasktrail.kind', ({ passed = {} }) => passed],
  [
    'tasktrail.records.unattributed',
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
