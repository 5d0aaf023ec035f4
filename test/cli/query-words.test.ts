import { expect, test } from 'vitest';
import { queryOf, withoutOptionWords } from '../../src/cli/query-words.ts';

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

test('a word with one dash is a part of the query and no option', () => {
  const given = ['node', 'tasktrail', 'tasks', 'x', '-tool:WebFetch', '--limit', '3', '-h', '--', '-y'];
  const argv = withoutOptionWords(given);
  expect(argv.filter((word) => word.startsWith('-'))).toEqual(['--limit', '-h', '--', '-y']);
  expect(queryOf(argv.slice(3, 5))).toBe('x -tool:WebFetch');
  expect(withoutOptionWords(['node', 'tasktrail', 'logs', '-f'])).toEqual([
    'node',
    'tasktrail',
    'logs',
    '-f',
  ]);
});
