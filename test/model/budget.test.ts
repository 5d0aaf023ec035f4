import { expect, test } from 'vitest';
import { shareOf, spentText } from '../../src/model/budget.ts';

test.each([
  [0.09, 0.1, 90],
  [0.29, 0.29 / 0.29, 29],
  [802, 1_002, 80],
  [0.0999999, 0.1, 99],
])('%d of %d are %d %%', (used, limit, share) => {
  expect(shareOf(used, limit)).toBe(share);
});

test('seconds are said with one digit, dollars with those of a token', () => {
  expect(spentText('seconds', 3.308588, 3)).toBe('3.3 of 3 seconds');
  expect(spentText('usd', 0.090_000_01, 0.1)).toBe('0.09 of 0.1 USD');
});
