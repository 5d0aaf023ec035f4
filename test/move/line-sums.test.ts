import { expect, test } from 'vitest';
import { LineSums } from '../../src/move/line-sums.ts';

function sumsOf(...lines: readonly (readonly [kind: string, text: string])[]): LineSums {
  const sums = new LineSums();
  for (const [kind, text] of lines) sums.add(kind, text);
  return sums;
}

test('the same lines add up to the same in any order, and nothing else does', () => {
  const one = sumsOf(['fact', 'a'], ['output', 'b'], ['output', 'c']);
  expect(one.isSame(sumsOf(['output', 'c'], ['fact', 'a'], ['output', 'b']))).toBe(true);
  for (const other of [
    sumsOf(['fact', 'a'], ['output', 'b']),
    sumsOf(['fact', 'a'], ['output', 'b'], ['output', 'b']),
    sumsOf(['output', 'a'], ['output', 'b'], ['fact', 'c']),
    sumsOf(['fact', 'a'], ['output', 'b'], ['output', 'c'], ['output', 'c']),
  ])
    expect(one.isSame(other)).toBe(false);
});
