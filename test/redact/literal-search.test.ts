import { expect, test } from 'vitest';
import { literalSearch } from '../../src/redact/literal-search.ts';
import { fc } from '../support/fast-check.ts';

/** Of few characters, so that literals overlap; with some that are not ASCII. */
const texts = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom('a', 'b', 'c', 'é', '€'), { minLength, maxLength }).map((chars) => chars.join(''));

test('a text has a literal exactly when the search says so', () => {
  fc.assert(
    fc.property(fc.array(texts(3, 9), { maxLength: 6 }), texts(0, 60), (literals, text) => {
      expect(literalSearch(literals)(text)).toBe(literals.some((literal) => text.includes(literal)));
    }),
    { numRuns: 2_000 },
  );
});

test('a literal is found wherever it stands between other texts', () => {
  const literals = ['trail.vdZpINr2HRDAU24spwb8', 'YSBzZWNyZXQg', `${'x'.repeat(400)}!`];
  const search = literalSearch(literals);
  for (const literal of literals)
    for (let before = 0; before < 40; before += 1) {
      expect(search('-'.repeat(before) + literal + '-'.repeat(39 - before))).toBe(true);
      expect(search('-'.repeat(before) + literal.slice(1))).toBe(false);
      expect(search('-'.repeat(before) + literal.slice(0, -1))).toBe(false);
    }
  expect(literalSearch([])('any')).toBe(false);
});
