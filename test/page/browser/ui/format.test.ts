import { expect, test } from 'vitest';
import {
  ago,
  amount,
  bytes,
  cost,
  count,
  duration,
  exact,
  valueText,
} from '../../../../src/page/browser/ui/format.ts';

test.each([
  [null, '–'],
  [Number.NaN, '–'],
  [0, '0 s'],
  [0.25, '250 ms'],
  [3.21, '3.2 s'],
  [59.4, '59 s'],
  [60, '1 m'],
  [200, '3 m 20 s'],
  [7_500, '2 h 5 m'],
  [273_600, '3 d 4 h'],
])('a duration of %s is %s', (seconds, shown) => {
  expect(duration(seconds)).toBe(shown);
});

test.each([
  [null, '–'],
  [0, '$0'],
  [0.00001, '<$0.0001'],
  [0.03212, '$0.032'],
  [1.5, '$1.50'],
  [12_345.678, '$12,345.68'],
])('a cost of %s is %s', (usd, shown) => {
  expect(cost(usd)).toBe(shown);
});

test.each([
  [undefined, '–'],
  [999, '999'],
  [1_234, '1.2k'],
  [15_465, '15k'],
  [999_600, '1.0M'],
  [12_000_000, '12M'],
])('an amount of %s is %s', (n, shown) => {
  expect(amount(n)).toBe(shown);
});

test('times are relative, and a date after six days', () => {
  const now = Date.parse('2026-03-10T12:00:00Z');
  expect(ago('2026-03-10T11:59:30Z', now)).toBe('30 s ago');
  expect(ago('2026-03-10T09:00:00Z', now)).toBe('3 h ago');
  expect(ago('2026-03-08T12:00:00Z', now)).toBe('2 d ago');
  expect(ago('2026-01-05T12:00:00Z', now)).toBe('2026-01-05');
  expect(ago('no time', now)).toBe('–');
});

test('the exact time has the offset of its zone', () => {
  expect(exact('2026-03-10T12:00:00.123Z')).toMatch(/^2026-03-1\d \d\d:\d\d:00\.123 [+-]\d\d:\d\d$/);
  expect(exact(null)).toMatch(/^$|1970/);
});

test('a long value is cut, with how much is left', () => {
  expect(valueText('a')).toBe('a');
  expect(valueText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(valueText(undefined)).toBe('');
  expect(valueText('x'.repeat(3_000), 1_000)).toBe(`${'x'.repeat(1_000)}… (2,000 more characters)`);
});

test('sizes and counts', () => {
  expect(bytes(1_536)).toBe('1.5 KiB');
  expect(count(1, 'task')).toBe('1 task');
  expect(count(2_000, 'entry', 'entries')).toBe('2,000 entries');
});
