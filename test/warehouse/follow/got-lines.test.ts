import { expect, test } from 'vitest';
import { GotLines, type LineName } from '../../../src/warehouse/follow/got-lines.ts';
import { fc } from '../../support/fast-check.ts';

/** Lines of some runs, each a nanosecond later than the one before. */
const lines = (count: number): readonly LineName[] =>
  Array.from({ length: count }, (_, at) => ({
    arrived: `2026-01-02T03:04:05.${String(at * 1_000 + 7).padStart(9, '0')}Z`,
    run: ['aaaaaa', 'bbbbbb', '0z'][at % 3] ?? '',
    seq: Math.floor(at / 3),
  }));

const ALL = lines(60);

const order = fc.shuffledSubarray([...ALL], { minLength: 0, maxLength: ALL.length });

test('a place names exactly the lines that were added, in any order, also as a text', () => {
  fc.assert(
    fc.property(order, (added) => {
      const got = new GotLines().with(added);
      const read = GotLines.parse(got.text);
      for (const line of ALL) {
        expect(got.has(line)).toBe(added.includes(line));
        expect(read?.has(line)).toBe(added.includes(line));
      }
      expect(read?.text).toBe(got.text);
    }),
  );
});

test('all lines up to a time are got, and nothing behind it is forgotten', () => {
  fc.assert(
    fc.property(order, fc.nat({ max: ALL.length - 1 }), (added, at) => {
      const until = ALL[at]?.arrived ?? '';
      const got = new GotLines().with(added).upTo(until);
      for (const one of [got, GotLines.parse(got.text)])
        for (const line of ALL) expect(one?.has(line)).toBe(line.arrived <= until || added.includes(line));
    }),
  );
});

test('the text of what came in order is short, however much it is', () => {
  const got = new GotLines('2026-01-02T03:04:05.000000000Z').with(lines(3_000));
  expect(got.text.length).toBeLessThan(50);
  expect(new GotLines().with(ALL).upTo(ALL.at(-1)?.arrived ?? '').text).toMatch(/^[0-9a-z]{12}$/);
});

test('the first number that is missing, and how many are known', () => {
  const of = (...seqs: number[]): GotLines =>
    new GotLines().with(
      seqs.map((seq) => ({ arrived: `2026-01-02T03:04:05.00000000${seq}Z`, run: 'a', seq })),
    );
  expect(of(0, 1, 2, 4).firstMissing('a', 0)).toBe(3);
  expect(of(0, 1, 2, 4).firstMissing('a', 4)).toBe(5);
  expect(of(3).firstMissing('a', 0)).toBe(0);
  expect(of(3).firstMissing('b', 7)).toBe(7);
  expect(of(0, 1, 2, 4, 5).count('a', 1, 4)).toBe(3);
  expect(of(0, 1, 2).covers(of(1, 2))).toBe(true);
  expect(of(0, 2).covers(of(1))).toBe(false);
  expect(of(0, 2).and(of(1)).text).toBe(of(0, 1, 2).text);
});

test.each([
  '',
  'nothing',
  '-',
  '0.a',
  '0.a_',
  '0.a_5_3',
  '0.a_0_3_2_5',
  '0.a_1_2_3',
  '0.aaaaaaaaa_1',
  'zzzzzzzzzzzzz',
  '0.A_1',
  `0.a${'_1'.repeat(5_000)}`,
])('what is no place is refused: %s', (text) => {
  expect(GotLines.parse(text)).toBeUndefined();
});
