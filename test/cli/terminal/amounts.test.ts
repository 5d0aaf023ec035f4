import { expect, test } from 'vitest';
import { ageText, costText, countText, secondsText } from '../../../src/cli/terminal/amounts.ts';

test.each([
  [0, '$0.00'],
  [0.0234, '$0.0234'],
  [0.00004, '$0.0000'],
  [-0.5, '$-0.5000'],
  [1, '$1.00'],
  [12.345, '$12.35'],
  [null, '-'],
  ['0.5', '-'],
])('a cost of %j is %s', (usd, text) => {
  expect(costText(usd)).toBe(text);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1_000, '1.0k'],
  [12_345, '12.3k'],
  [999_949, '999.9k'],
  [999_950, '1.0M'],
  [4_500_000, '4.5M'],
  [undefined, '-'],
])('%j tokens are %s', (count, text) => {
  expect(countText(count)).toBe(text);
});

test.each([
  [0, '0.0s'],
  [4.24, '4.2s'],
  [59.94, '59.9s'],
  [59.95, '1m00s'],
  [125, '2m05s'],
  [3_599.4, '59m59s'],
  [3_600, '1h00m'],
  [3_720, '1h02m'],
  [null, '-'],
])('%j seconds are %s', (seconds, text) => {
  expect(secondsText(seconds)).toBe(text);
});

test.each([
  [-5_000, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [47 * 3_600_000, '47h'],
  [48 * 3_600_000, '2d'],
  [100 * 86_400_000, '100d'],
])('%d ms ago is %s', (ms, text) => {
  expect(ageText(ms)).toBe(text);
});
