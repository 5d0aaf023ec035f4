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
      watch.look();
    },
  };
}

test('what is broken for some seconds is said once, and so is that it is in order again', () => {
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
  expect(lines.slice(1)).toEqual(['http://collector/: in order again']);
});

test('what goes and comes within a moment is not worth a line', () => {
  const { books, lines, after } = watching();
  for (let round = 0; round < 5; round += 1) {
    books.setReason('endpoint', 'away');
    after(1_000);
    books.setReason('endpoint', undefined);
    after(1_000);
  }
  expect(lines).toEqual([]);
});

test('of a part that comes and goes there is a line a minute, of another one at once', () => {
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
