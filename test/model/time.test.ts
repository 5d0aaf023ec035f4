import { expect, test } from 'vitest';
import { isoFromMs } from '../../src/model/time.ts';

test('a time reads as Date writes it, whatever time was asked for before', () => {
  const times = [
    0, 999, 1_000, 1_750_000_000_123, 1_750_000_000_124, 5, 253_402_300_799_999, -1, -1_001, 7.9,
  ];
  for (const ms of [...times, ...times.reverse()]) expect(isoFromMs(ms)).toBe(new Date(ms).toISOString());
  expect(() => isoFromMs(Number.NaN)).toThrow(RangeError);
  expect(isoFromMs(1_750_000_000_001)).toBe('2025-06-15T15:06:40.001Z');
});
