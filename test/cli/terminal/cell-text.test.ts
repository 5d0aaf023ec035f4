import { expect, test } from 'vitest';
import { isText, textOf, timeOf } from '../../../src/cli/terminal/cell-text.ts';

test('a recorded text is shown on one line, without control characters; an absent one as a dash', () => {
  expect(textOf('review')).toBe('review');
  expect(textOf('a\u001b[31m\nb')).not.toMatch(/\n/);
  expect(textOf('a\u001bb')).not.toContain('\u001b');
  for (const absent of ['', null, undefined, 7]) expect(textOf(absent)).toBe('-');
  expect([isText('a'), isText('')]).toEqual([true, false]);
});

test('a time is read in milliseconds, and what is no time is unknown', () => {
  expect(timeOf('2026-01-02T03:04:05.000Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  for (const absent of ['soon', null, 7]) expect(timeOf(absent)).toBeUndefined();
});
