import { expect, test } from 'vitest';
import { align } from '../../src/compare/alignment.ts';
import { compareRecords } from '../../src/compare/compare-runs.ts';
import { editPath } from '../../src/compare/edit-path.ts';
import type { RunEntry, RunRecord } from '../../src/compare/run-record.ts';
import { fc } from '../support/fast-check.ts';
import { entryOf, mirrored, runOf } from './runs.ts';

const word = fc.constantFrom('a', 'b', 'c');

/** Few names and inputs, so that many entries are alike. */
const entry: fc.Arbitrary<RunEntry> = fc
  .record({
    kind: fc.constantFrom('phase', 'step', 'tool'),
    name: word,
    phase: fc.option(word),
    seconds: fc.option(fc.double({ min: 0, max: 1_000, noNaN: true })),
    isFailed: fc.boolean(),
    input: word,
    result: word,
    eventId: fc.option(word),
  })
  .map(({ kind, name, ...more }) => entryOf(kind, name, more));

const amount = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }));
const text = fc.option(word);

const run: fc.Arbitrary<RunRecord> = fc
  .record({
    entries: fc.array(entry, { maxLength: 30 }),
    more: fc.record({
      ...{ status: text, result: text, error: text, seconds: amount, costUsd: amount },
      ...{ inputTokens: amount, outputTokens: amount, leftOut: fc.nat(3) },
      artifacts: fc.array(word, { maxLength: 4 }),
      amountsFrom: fc.constantFrom('result', 'spans'),
    }),
  })
  .map(({ entries, more }) => runOf(entries, more));

const RUNS = { numRuns: 500 };

test('swapped sides mirror every answer', () => {
  fc.assert(
    fc.property(run, run, fc.constantFrom('all', 'different'), (a, b, rows) => {
      expect(compareRecords(b, a, rows)).toEqual(mirrored(compareRecords(a, b, rows)));
    }),
    RUNS,
  );
});

test('a run beside an equal one has no difference', () => {
  fc.assert(
    fc.property(run, (a) => {
      const { first_divergence: first, differences, rows } = compareRecords(a, structuredClone(a));
      expect([first, differences, rows]).toEqual([null, [], []]);
    }),
    RUNS,
  );
});

test('each entry is in one row, in its order, beside one of its kind and name', () => {
  fc.assert(
    fc.property(run, run, (one, other) => {
      const [a, b] = [one.entries, other.entries];
      const { rows } = align(a, b);
      expect(rows.flatMap((row) => row.a ?? [])).toEqual(a.map((_, at) => at));
      expect(rows.flatMap((row) => row.b ?? [])).toEqual(b.map((_, at) => at));
      for (const row of rows) {
        if (row.a === null || row.b === null) continue;
        const nameOf = (found: RunEntry | undefined): unknown => [found?.kind, found?.phase, found?.name];
        expect(nameOf(a[row.a])).toEqual(nameOf(b[row.b]));
      }
    }),
    RUNS,
  );
});

/** The length of the longest common subsequence, by the table of all beginnings. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const value of a) {
    const next = [0];
    b.forEach((other, at) => {
      next.push(value === other ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0));
    });
    row = next;
  }
  return row.at(-1) ?? 0;
}

const numbers = fc.array(fc.nat(3), { maxLength: 40 });

test('a path keeps as much as can be kept', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const { stretches, aEnd, bEnd } = editPath(Int32Array.from(a), Int32Array.from(b));
      const equal = stretches.filter(({ isEqual }) => isEqual);
      for (const { aFrom, aTo, bFrom, bTo } of equal)
        expect(a.slice(aFrom, aTo)).toEqual(b.slice(bFrom, bTo));
      const kept = equal.reduce((sum, { aFrom, aTo }) => sum + aTo - aFrom, 0);
      expect([kept, aEnd, bEnd]).toEqual([commonLength(a, b), a.length, b.length]);
    }),
    RUNS,
  );
});

test('a path with too many edits covers a beginning of both', () => {
  fc.assert(
    fc.property(numbers, numbers, fc.nat(6), (a, b, max) => {
      const { stretches, aEnd, bEnd } = editPath(Int32Array.from(a), Int32Array.from(b), max);
      let [atA, atB] = [0, 0];
      for (const { isEqual, aFrom, aTo, bFrom, bTo } of stretches) {
        expect([aFrom, bFrom]).toEqual([atA, atB]);
        if (isEqual) expect(a.slice(aFrom, aTo)).toEqual(b.slice(bFrom, bTo));
        [atA, atB] = [aTo, bTo];
      }
      expect([atA, atB]).toEqual([aEnd, bEnd]);
      expect(aEnd <= a.length && bEnd <= b.length).toBe(true);
    }),
    RUNS,
  );
});
