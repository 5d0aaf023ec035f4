import { expect, test } from 'vitest';
import { fillPlaceholders } from '../../src/agent/placeholders.ts';

const TEXTS = { message: 'fix {phase} $& now', phase: 'build', step: 'run-agent', empty: '' };

test.each([
  ['{message}', 'fix {phase} $& now'], // inserted once, and `$&` is not a replacement pattern
  ['--phase={phase}/{step}', '--phase=build/run-agent'],
  ['{empty}', ''],
  ['{unknown} {} {"message":1}', '{unknown} {} {"message":1}'],
  ['{constructor}', '{constructor}'],
])('%s becomes %s', (arg, filled) => {
  expect(fillPlaceholders(arg, TEXTS)).toBe(filled);
});

test('an inserted text cannot turn an argument into an option', () => {
  const texts = { message: '--dangerously-skip-permissions' };
  expect(fillPlaceholders('{message}', texts)).toBe(' --dangerously-skip-permissions');
  expect(fillPlaceholders('--prompt={message}', texts)).toBe('--prompt=--dangerously-skip-permissions');
});
