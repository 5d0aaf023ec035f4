import { expect, test } from 'vitest';
import { StderrTail } from '../../src/agent/outcome.ts';

test('a token that a cut would leave the beginning of is masked first', () => {
  const tail = new StderrTail();
  tail.add(`${'x'.repeat(285)} ghp_${'a'.repeat(36)} and more\n`);
  expect(tail.text()).toContain('[redacted]');
  expect(tail.text()).not.toContain('ghp_');
});

test('the last lines that say something are kept', () => {
  const tail = new StderrTail();
  for (let number = 0; number < 20; number += 1) tail.add(`line ${number}\n\n`);
  tail.add('   \n');
  expect(tail.text().split('\n')).toEqual(Array.from({ length: 10 }, (_, index) => `line ${index + 10}`));
});
