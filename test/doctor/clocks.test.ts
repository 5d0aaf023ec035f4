import { expect, test } from 'vitest';
import { checkClocks, noteClock } from '../../src/doctor/clocks.ts';
import { linesOf } from './subject.ts';

test('the offset of our clock is noted from the Date header', () => {
  const clocks = new Map<string, number>();
  const date = new Date(Date.now() - 3_600_000).toUTCString();
  noteClock({ clocks }, 'http://jaeger', { status: 200, headers: { date }, text: '' });
  // The header has whole seconds.
  expect(Math.round((clocks.get('http://jaeger') ?? 0) / 60_000)).toBe(60);
});

test.each([undefined, 'yesterday'])('without a valid Date header (%s) nothing is noted', (date) => {
  const clocks = new Map<string, number>();
  noteClock({ clocks }, 'http://jaeger', {
    status: 200,
    headers: date === undefined ? {} : { date },
    text: '',
  });
  expect(clocks.size).toBe(0);
});

test.each<[number, string]>([
  [0, 'ok this machine: agrees with http://a'],
  [60_000, 'ok this machine: agrees with http://a'],
  [60_001, 'warning this machine: 60 s ahead of the clock of http://a -> synchronise both clocks (NTP)'],
  [-90_000, 'warning this machine: 90 s behind the clock of http://a -> synchronise both clocks (NTP)'],
])('an offset of %d ms is judged', (offsetMs, expected) => {
  expect(linesOf(checkClocks(new Map([['http://a', offsetMs]])))).toContain(expected);
});

test('only the servers whose clock differs are named', () => {
  const clocks = new Map([
    ['http://a', 0],
    ['http://b', 120_000],
  ]);
  expect(linesOf(checkClocks(clocks))).toMatch(/^warning .* http:\/\/b -> [^\n]*$/);
  expect(
    linesOf(
      checkClocks(
        new Map([
          ['http://a', 0],
          ['http://c', 1],
        ]),
      ),
    ),
  ).toContain('agrees with http://a, http://c');
  expect(checkClocks(new Map())).toEqual([]);
});
