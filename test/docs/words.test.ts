import { expect, test } from 'vitest';
import { isDocumentation, readPages } from './markdown.ts';

/** Words that make a reader guess who is meant, or that English lacks in this sense. */
const AVOIDED =
  /\b(?:who(?:m)?ever|some(?:body|one)|any(?:body|one)|nobody|no one|whatever|whichever|anew|in vain|of its own accord|the one that|speaks of|is none)\b/gi;

const pages = readPages().filter(isDocumentation);

test('the pages are in plain words', () => {
  const found = pages.flatMap(({ path, prose }) =>
    prose
      .split('\n')
      .flatMap((line, index) => [...line.matchAll(AVOIDED)].map(([word]) => `${path}:${index + 1}: ${word}`)),
  );
  expect(found).toEqual([]);
});

test('the README is at most 250 lines', () => {
  const readme = pages.find(({ path }) => path === 'README.md');
  expect(readme?.text.split('\n').length).toBeLessThanOrEqual(251);
});
