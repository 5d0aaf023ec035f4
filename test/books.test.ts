import { expect, test } from 'vitest';
import { Books } from '../src/books.ts';

test('a snapshot has all counters, by name where there are several', () => {
  const books = new Books();
  books.countRecorded();
  books.countRecorded(2);
  books.countDelivered('holder', 2);
  books.countDelivered('http://collector/', 1);
  books.countReceived(9, 5, 4);
  books.countDropped('too_large');
  books.countDropped('too_large', 2);
  books.countSkippedLines(3);
  expect(books.snapshot()).toEqual({
    recorded: 3,
    delivered: { holder: 2, 'http://collector/': 1 },
    received: 9,
    accepted: 5,
    duplicates: 4,
    dropped: { too_large: 3 },
    skippedLines: 3,
    unattributed: {},
  });
});

test('the first unattributed record of a service is reported, further ones are only counted', () => {
  const books = new Books();
  expect([books.countUnattributed('a'), books.countUnattributed('a'), books.countUnattributed('b')]).toEqual([
    true,
    false,
    true,
  ]);
  expect(books.snapshot().unattributed).toEqual({ a: 2, b: 1 });
});

test('the number of sender names is limited: further senders count as other and are not reported', () => {
  const books = new Books();
  for (let n = 0; n < 200; n += 1) books.countUnattributed(`service-${n}`);
  expect(books.countUnattributed('one-more')).toBe(false);
  expect(books.countUnattributed('service-7')).toBe(false);
  const { unattributed } = books.snapshot();
  expect(Object.keys(unattributed)).toHaveLength(201);
  expect(unattributed).toMatchObject({ other: 1, 'service-7': 2 });
});

test('a reason and a notice stay until they are cleared', () => {
  const books = new Books();
  books.setReason('store', 'disk full');
  books.setReason('store', 'ENOSPC');
  books.setNotice('endpoint', 'no logs');
  expect([...books.reasons]).toEqual([['store', 'ENOSPC']]);
  expect([...books.notices]).toEqual([['endpoint', 'no logs']]);
  books.setReason('store', undefined);
  books.setNotice('endpoint', undefined);
  expect([books.reasons.size, books.notices.size]).toEqual([0, 0]);
});

test('the counts, reasons and notices of a thread are included, and its counts stay after its end', () => {
  const [books, thread] = [new Books(), new Books()];
  books.countRecorded(2);
  books.countDropped('journal_full', 1);
  books.setReason('journal', 'no space');
  thread.countRecorded(1);
  thread.countDelivered('holder', 2);
  thread.countDropped('journal_full', 3);
  thread.setReason('journal', 'unreadable');
  thread.setNotice('retention', 'late');
  thread.countFailedSyncs();
  books.include(thread.state());
  // The state is that of the time at which it was taken.
  thread.countDelivered('holder', 5);
  expect(books.snapshot()).toMatchObject({
    recorded: 3,
    delivered: { holder: 2 },
    dropped: { journal_full: 4 },
  });
  expect([...books.reasons]).toEqual([['journal', 'no space; unreadable']]);
  expect([...books.notices]).toEqual([['retention', 'late']]);
  books.keepIncluded();
  const next = new Books();
  next.countDelivered('holder', 1);
  books.include(next.state());
  expect(books.snapshot()).toMatchObject({
    recorded: 3,
    delivered: { holder: 3 },
    dropped: { journal_full: 4 },
    failedSyncs: 1,
  });
  expect([...books.reasons]).toEqual([['journal', 'no space']]);
  expect([...books.notices]).toEqual([]);
});

test('each change is reported, and a text that is set again is none', () => {
  let changes = 0;
  const books = new Books(() => {
    changes += 1;
  });
  books.countReceived(1, 1);
  books.setReason('store', 'full');
  books.setReason('store', 'full');
  books.setReason('store', undefined);
  expect(changes).toBe(3);
});
