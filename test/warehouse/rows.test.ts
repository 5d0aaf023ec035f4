import { expect, test } from 'vitest';
import { ArrivalClock } from '../../src/warehouse/arrival.ts';
import type { Row } from '../../src/warehouse/client.ts';
import { type NewLine, readLines, rowsOf } from '../../src/warehouse/rows.ts';
import { fc } from '../support/fast-check.ts';

/** VictoriaLogs leaves out longer rows by default. */
const ROW_BYTES_MAX = 262_144;

function line(text: string, more: Partial<NewLine> = {}): NewLine {
  return {
    ...{
      kind: 'output',
      unit: 'task-1',
      id: 'A',
      timestamp: '2026-01-02T03:04:05.000Z',
      sender: 'trail',
      text,
    },
    ...more,
  };
}

function rowsIn(text: string): Row[] {
  return text
    .split('\n')
    .filter((one) => one !== '')
    .map((one) => JSON.parse(one) as Row);
}

test('a line is put together again, whatever its length, its characters and the order of its rows', () => {
  const pieces = fc.constantFrom('a', '"', '\\', '\u{1d4b3}', '\u20ac', '\u007f');
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 200_000 }), (piece, count) => {
      const text = JSON.stringify(piece.repeat(Math.ceil(count / piece.length)));
      const written = rowsOf(line(text, { fields: { name: piece.repeat(4_000) } }), '1');
      for (const row of written.split('\n')) expect(Buffer.byteLength(row)).toBeLessThan(ROW_BYTES_MAX);
      const [read, ...more] = readLines(rowsIn(written).reverse());
      expect(more).toEqual([]);
      expect(read?.text).toBe(text);
    }),
    { numRuns: 30 },
  );
});

test('of copies the first one stays, of copies of which one is torn the whole one', () => {
  const clock = new ArrivalClock(() => 1_000);
  const [first, second] = [rowsOf(line('{"n":1}'), clock.next()), rowsOf(line('{"n":2}'), clock.next())];
  expect(readLines(rowsIn(second + first)).map(({ text }) => text)).toEqual(['{"n":1}']);
  const long = JSON.stringify('x'.repeat(100_000));
  const [head, ...tail] = rowsIn(rowsOf(line(long), clock.next()));
  expect(tail.length).toBeGreaterThan(0);
  const again = rowsIn(rowsOf(line(long), clock.next()));
  expect(readLines(head === undefined ? [] : [head]).map(({ text }) => text)).toEqual([undefined]);
  expect(readLines([...(head === undefined ? [] : [head]), ...again]).map(({ text }) => text)).toEqual([
    long,
  ]);
});

test('lines are in the order of their times and ids, whatever ids look like', () => {
  const ids = ['10', '9', '1e3', '5s', '2KB', 'A', '02'];
  const rows = ids.flatMap((id) => rowsIn(rowsOf(line('{}', { id }), '1')));
  expect(readLines(rows).map(({ id }) => id)).toEqual([...ids].sort());
  const later = rowsIn(rowsOf(line('{}', { id: '0', timestamp: '2026-01-02T03:04:05.001Z' }), '1'));
  expect(readLines([...later, ...rows]).at(-1)?.id).toBe('0');
});

test('no two lines of a process come at the same time', () => {
  const clock = new ArrivalClock(() => 1_000);
  const times = Array.from({ length: 100 }, () => clock.next());
  expect(new Set(times).size).toBe(100);
  expect(times).toEqual([...times].sort());
  expect(times[0]).toBe('1000000000');
});
