import { expect, test } from 'vitest';
import { partsOf, toggled, valuesOf, withValues, wordsOf } from '../../../../src/page/browser/tasks/query.ts';

test('a query has words, phrases and fields, each negated or not', () => {
  const parts = partsOf('refund "build failed" status:failed,abandoned -tool:WebFetch agent:"my agent"');
  expect(parts.map(({ field, values, isNegated }) => [field, values, isNegated])).toEqual([
    [undefined, ['refund'], false],
    [undefined, ['build failed'], false],
    ['status', ['failed', 'abandoned'], false],
    ['tool', ['WebFetch'], true],
    ['agent', ['my agent'], false],
  ]);
});

test.each([
  ['', 'status', 'failed', 'status:failed'],
  ['refund', 'status', 'failed', 'refund status:failed'],
  ['status:failed refund', 'status', 'queued', 'refund status:failed,queued'],
  ['status:failed,queued', 'status', 'failed', 'status:queued'],
  ['status:failed', 'status', 'failed', ''],
  ['x', 'agent', 'my agent', 'x agent:"my agent"'],
  ['-status:failed', 'status', 'failed', '-status:failed status:failed'],
])('%j with %s toggled to %s', (q, field, value, expected) => {
  expect(toggled(q, field, value)).toBe(expected);
});

test('the values of a field, without those that are excluded', () => {
  expect(valuesOf('repo:a/b -repo:c/d repo:e/f', 'repo')).toEqual(['a/b', 'e/f']);
  expect(withValues('repo:a/b x -repo:c/d', 'repo', [])).toBe('x -repo:c/d');
});

test('the words that a text is searched for', () => {
  expect(wordsOf('deplo* "no space" -nothing status:failed')).toEqual(['deplo', 'no space']);
});

test('an open quotation and many quotes end', () => {
  expect(partsOf('"open').map(({ values }) => values)).toEqual([['open']]);
  expect(partsOf('"'.repeat(10_001)).length).toBeGreaterThan(0);
});
