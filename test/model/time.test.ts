import { expect, test } from 'vitest';
import { isoFromMs, msFromNanos } from '../../src/model/time.ts';

test('a time is formatted like toISOString of Date, independent of earlier calls', () => {
  const times = [
    0, 999, 1_000, 1_750_000_000_123, 1_750_000_000_124, 5, 253_402_300_799_999, -1, -1_001, 7.9,
  ];
  for (const ms of [...times, ...times.reverse()]) expect(isoFromMs(ms)).toBe(new Date(ms).toISOString());
  expect(() => isoFromMs(Number.NaN)).toThrow(RangeError);
  expect(isoFromMs(1_750_000_000_001)).toBe('2025-06-15T15:06:40.001Z');
});

test('nanoseconds are truncated to milliseconds; malformed times and times out of range become 0', () => {
  for (const nanos of [0n, 1n, 999_999n, 1_000_000n, 1_999_999n, 1_750_000_000_123_999_999n]) {
    expect(msFromNanos(String(nanos)), String(nanos)).toBe(Number(nanos / 1_000_000n));
  }
  expect(msFromNanos('253402300799999999999')).toBe(253_402_300_799_999);
  for (const nanos of [
    '253402300800000000000',
    '9'.repeat(40),
    '-1',
    '-1000000',
    '-5000000000',
    '',
    'x',
    'tomorrow',
  ]) {
    expect(msFromNanos(nanos), nanos).toBe(0);
  }
});
