import { expect, test } from 'vitest';
import { readPages } from './markdown.ts';

test('the README has at most 250 lines', () => {
  const readme = readPages().find(({ path }) => path === 'README.md');
  expect(readme?.text.trimEnd().split('\n').length).toBeLessThanOrEqual(250);
});
