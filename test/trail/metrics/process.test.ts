import type { Meter, ObservableResult } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { MetricLabels } from '../../../src/trail/metrics/labels.ts';
import { observeBooks, observeJournal, type PendingJournal } from '../../../src/trail/metrics/process.ts';

type Observe = (result: ObservableResult) => Promise<void> | void;

/** A meter that keeps the callbacks that are registered at it. */
function fakeMeter(): { meter: Meter; callbacks: Observe[] } {
  const callbacks: Observe[] = [];
  const add = (callback: Observe): number => callbacks.push(callback);
  const remove = (callback: Observe): unknown => callbacks.splice(callbacks.indexOf(callback), 1);
  const instrument = (name: string): unknown => ({ name, addCallback: add, removeCallback: remove });
  const meter = {
    createObservableCounter: instrument,
    createObservableGauge: instrument,
    addBatchObservableCallback: add,
    removeBatchObservableCallback: remove,
  };
  return { meter: meter as unknown as Meter, callbacks };
}

async function pendingOf(callbacks: readonly Observe[]): Promise<number[]> {
  const values: number[] = [];
  for (const observe of callbacks) await observe({ observe: (value) => values.push(value) });
  return values;
}

test('the counters of the books are observed until it is stopped', () => {
  const { meter, callbacks } = fakeMeter();
  const books = new Books();
  const stop = observeBooks(meter, books, new MetricLabels());
  books.countRecorded(3);
  books.countDropped('refused', 2);
  const seen: [string, number, unknown][] = [];
  const result = {
    observe: (counter: { name: string }, value: number, attributes: unknown) =>
      seen.push([counter.name, value, attributes]),
  };
  void callbacks[0]?.(result as never);
  expect(seen).toContainEqual(['tasktrail.records.recorded', 3, undefined]);
  expect(seen).toContainEqual(['tasktrail.records.dropped', 2, { 'tasktrail.reason': 'refused' }]);
  stop();
  expect(callbacks).toEqual([]);
});

test('names that are equal after truncation are one series', () => {
  const { meter, callbacks } = fakeMeter();
  const books = new Books();
  observeBooks(meter, books, new MetricLabels());
  for (const end of ['a', 'b']) books.countUnattributed(`${'x'.repeat(100)}${end}`);
  const values: number[] = [];
  const observe = (counter: { name: string }, value: number): void => {
    if (counter.name === 'tasktrail.records.unattributed') values.push(value);
  };
  void callbacks[0]?.({ observe } as never);
  expect(values).toEqual([2]);
});

test('a count of pending records is not repeated at once, and concurrent scrapes share it', async () => {
  const { meter, callbacks } = fakeMeter();
  let counts = 0;
  const journal: PendingJournal = {
    destinations: ['holder'],
    countPending: async () => {
      counts += 1;
      return 7;
    },
  };
  observeJournal(meter, journal, new MetricLabels());
  const both = await Promise.all([pendingOf(callbacks), pendingOf(callbacks)]);
  expect(both).toEqual([[7], [7]]);
  expect(await pendingOf(callbacks)).toEqual([7]);
  expect(counts).toBe(1);
});

test('a scrape does not wait for a count that takes long, and reports no value before the first one', {
  tags: 'full',
}, async () => {
  const { meter, callbacks } = fakeMeter();
  const countPending = (): Promise<number> => new Promise(() => {});
  observeJournal(meter, { destinations: ['holder'], countPending }, new MetricLabels());
  expect(await pendingOf(callbacks)).toEqual([]);
});

test('a count that fails keeps the previous value', async () => {
  const { meter, callbacks } = fakeMeter();
  const countPending = async (): Promise<number> => {
    throw new Error('EBADF');
  };
  observeJournal(meter, { destinations: ['holder'], countPending }, new MetricLabels());
  expect(await pendingOf(callbacks)).toEqual([]);
});
