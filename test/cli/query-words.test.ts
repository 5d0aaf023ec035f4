import { expect, test } from 'vitest';
import { queryOf } from '../../src/cli/query-words.ts';

test.each([
  [[], undefined],
  [['refund "credit card"'], 'refund "credit card"'],
  [['status:failed', 'no space'], 'status:failed "no space"'],
  [['agent:my agent', 'x'], 'agent:"my agent" x'],
  [['-agent:my agent', 'x'], '-agent:"my agent" x'],
  [['error: disk full', 'status:failed'], '"error: disk full" status:failed'],
  [['-error: disk full', 'x'], '-"error: disk full" x'],
  [['say "a b"', 'x'], 'say "a b" x'],
])('the arguments %j are one query', (words, query) => {
  expect(queryOf(words)).toBe(query);
});
