import { expect, test } from 'vitest';
import { numbersOf } from '../../../../../../src/page/browser/run/transcript/lines/line-numbers.ts';

test.each([
  [10, 3, null, [10, 11, 12], 13],
  [10, 3, '11', [10, 12, 13], 14],
  [10, 4, '10,12-14,17', [11, 15, 16, 18], 19],
  [10, 2, '12-14', [10, 11], 15],
  [0, 2, '5-9', [0, 1], 2],
  [0, 0, '0-3', [], 4],
])('from line %i, %i lines without %s have the numbers %j', (first, count, leftOut, numbers, behind) => {
  expect(numbersOf(first, count, leftOut)).toEqual({ numbers, behind });
});
