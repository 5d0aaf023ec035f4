import type { Meter, ObservableResult } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { MetricLabels } from '../../../src/trail/metrics/labels.ts';
import { observeBooks } from '../../../src/trail/metrics/process.ts';

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

test('the counters of the books are observed until it is stopped', () => {
  const { meter, callbacks } = fakeMeter();
  const books = new Books();
  const stop = observeBooks(meter, books, new MetricLabels());
  books.countRecorded(3);
  books.countDropped('refused', 2);
  books.countFailedSyncs();
  books.countThreadRestart();
  const seen: [string, number, unknown][] = [];
  const result = {
    observe: (counter: { name: string }, value: number, attributes: unknown) =>
      seen.push([counter.name, value, attributes]),
  };
  void callbacks[0]?.(result as never);
  expect(seen).toContainEqual(['tasktrail.records.recorded', 3, undefined]);
  expect(seen).toContainEqual(['tasktrail.records.dropped', 2, { 'tasktrail.reason': 'refused' }]);
  expect(seen).toContainEqual(['tasktrail.syncs.failed', 1, undefined]);
  expect(seen).toContainEqual(['tasktrail.holder.restarts', 1, undefined]);
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

test('at every scrape what a destination has not got is what was recorded and claimed, without what became of it', () => {
  const { meter, callbacks } = fakeMeter();
  const books = new Books();
  books.setDestinations(['holder', 'http://collector/']);
  observeBooks(meter, books, new MetricLabels());
  books.countRecorded(10);
  books.countClaimed('holder', 5);
  books.countTally('holder', { delivered: 6, unsent: 1, dropped: new Map([['refused', 2]]) });
  books.countLeft('holder', 1);
  books.countUnwritten(['holder', 'http://collector/'], 'journal_full', 3);
  const seen: [string, number, unknown][] = [];
  const observe = (counter: { name: string }, value: number, attributes: unknown): void => {
    seen.push([counter.name, value, attributes]);
  };
  void callbacks[0]?.({ observe } as never);
  const holder = { 'tasktrail.destination': 'holder' };
  const collector = { 'tasktrail.destination': 'http://collector/' };
  expect(seen).toContainEqual(['tasktrail.journal.pending', 2, holder]);
  expect(seen).toContainEqual(['tasktrail.journal.pending', 7, collector]);
  expect(seen).toContainEqual(['tasktrail.journal.claimed', 5, holder]);
  expect(seen).toContainEqual(['tasktrail.journal.left', 1, holder]);
  expect(seen).toContainEqual(['tasktrail.journal.dropped', 2, { ...holder, 'tasktrail.reason': 'refused' }]);
  expect(seen).toContainEqual(['tasktrail.records.dropped', 3, { 'tasktrail.reason': 'journal_full' }]);
});
