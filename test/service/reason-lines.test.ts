import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { ReasonLines } from '../../src/service/reason-lines.ts';

function watching(): { books: Books; lines: string[]; after: (ms: number) => void } {
  const books = new Books();
  const lines: string[] = [];
  let nowMs = 0;
  const watch = new ReasonLines({ books, log: (line) => lines.push(line), now: () => nowMs });
  onTestFinished(() => watch.close());
  return {
    books,
    lines,
    after: (ms) => {
      nowMs += ms;
      watch.poll();
    },
  };
}

test('a part that is not ready for some seconds is logged once, and so is its recovery', () => {
  const { books, lines, after } = watching();
  books.setReason('http://collector/', 'not reachable: ECONNREFUSED');
  after(0);
  after(2_999);
  expect(lines).toEqual([]);
  after(1);
  after(5_000);
  expect(lines).toEqual(['http://collector/: not reachable: ECONNREFUSED']);
  books.setReason('http://collector/', undefined);
  after(1_000);
  after(1_000);
  expect(lines.slice(1)).toEqual(['http://collector/: ready again']);
});

test('a short outage is not logged', () => {
  const { books, lines, after } = watching();
  for (let round = 0; round < 5; round += 1) {
    books.setReason('endpoint', 'away');
    after(1_000);
    books.setReason('endpoint', undefined);
    after(1_000);
  }
  expect(lines).toEqual([]);
});

test('a part that keeps changing is logged once a minute, another part at once', () => {
  const { books, lines, after } = watching();
  const breakFor = (part: string, ms: number): void => {
    books.setReason(part, 'away');
    after(0);
    after(ms);
    books.setReason(part, undefined);
    after(0);
  };
  breakFor('endpoint', 4_000);
  breakFor('endpoint', 4_000);
  breakFor('disk', 4_000);
  expect(lines.filter((line) => line.endsWith('away'))).toEqual(['endpoint: away', 'disk: away']);
  after(60_000);
  breakFor('endpoint', 4_000);
  expect(lines.filter((line) => line === 'endpoint: away')).toHaveLength(2);
});
