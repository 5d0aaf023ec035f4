import { expect, test } from 'vitest';
import { TextMatch, textTerm } from '../../../src/search/text/text-match.ts';
import { forEachWord, normalized } from '../../../src/search/text/text-words.ts';
import { fc } from '../../support/fast-check.ts';

function wordsOf(text: string): ReadonlySet<string> {
  const words = new Set<string>();
  forEachWord(normalized(text), (word) => words.add(word));
  return words;
}

function has(text: string, sought: string, isPrefix = false): boolean {
  const term = textTerm(sought, isPrefix);
  if (term === undefined) throw new Error('no term');
  const match = new TextMatch([term]);
  match.read(text);
  return match.isComplete;
}

/** As the index does it: all words are there. */
function mayHave(text: string, sought: string): boolean {
  const words = wordsOf(text);
  return textTerm(sought, false)?.words.every((word) => words.has(word)) === true;
}

test.each([
  ['see src/a.ts:12', 'src/a.ts'],
  ['call foo_bar()', 'foo_bar'],
  ['fixes #4711.', '#4711'],
  ['fixes #4711.', '4711'],
  ['学习中文很好', '中文'],
  ['学习中文很好', '中文很'],
  ['学习中文很好', '文'],
  ['ship it 🚀 now', '🚀'],
  ['family 👨‍👩‍👧 here', '👨‍👩‍👧'],
  ['I ❤️ this', '❤'],
  ['Ｆｕｌｌ width', 'full'],
  ['Straße', 'STRASSE'.toLowerCase().replace('ss', 'ß')],
  ['line one\n  line two', 'one line'],
  ['UPPER case', 'upper'],
  ['flag 🇩🇪', '🇩🇪'],
  ['ภาษาไทยง่าย', 'ไทย'],
])('%j has %j', (text, sought) => {
  expect(has(text, sought)).toBe(true);
  expect(mayHave(text, sought)).toBe(true);
});

test.each([
  ['errors', 'error'],
  ['myfoo_bar', 'foo_bar'],
  ['foo_barn', 'foo_bar'],
  ['a.ts in src', 'src/a.ts'],
  ['4711', '#4711'],
  ['文中', '中文'],
])('%j does not have %j', (text, sought) => {
  expect(has(text, sought)).toBe(false);
});

test('a prefix is the beginning of a word', () => {
  expect(has('deployment', 'deplo', true)).toBe(true);
  expect(has('redeployment', 'deplo', true)).toBe(false);
});

test('punctuation alone is nothing to search for', () => {
  expect(textTerm('->', false)).toBeUndefined();
});

test('a text that has a term has its words, and words that are exact say that it has the term', () => {
  const unit = fc.constantFrom(
    'a',
    'B',
    'ß',
    '1',
    '_',
    '/',
    '.',
    ' ',
    '\n',
    '中',
    '文',
    '한',
    'é',
    '🚀',
    '\u200d',
    '#',
    'İ',
  );
  const text = fc.array(unit, { maxLength: 24 }).map((units) => units.join(''));
  fc.assert(
    fc.property(text, text, text, (before, sought, after) => {
      const term = textTerm(sought, false);
      if (term === undefined) return;
      const whole = before + sought + after;
      if (has(whole, sought)) expect(mayHave(whole, sought)).toBe(true);
      if (term.isExact && mayHave(whole, sought)) expect(has(whole, sought)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('a word of a megabyte is found by its whole and not by its beginning', () => {
  const long = 'x'.repeat(1_000_000);
  expect(has(`a ${long} b`, long)).toBe(true);
  expect(has(`a ${long} b`, 'x'.repeat(100))).toBe(false);
  expect(wordsOf(long)).toEqual(new Set(['x'.repeat(64)]));
});

test('a term is looked for at the borders of words only: the time is linear in the text', () => {
  expect(has(`${'a'.repeat(1_048_576)} b`, 'a'.repeat(4_000))).toBe(false);
  expect(has('xa.b a.bc a.b', 'a.b')).toBe(true);
  expect(has('xab abc aab', 'ab')).toBe(false);
  expect(has('xab 🚀ab', 'ab')).toBe(true);
  expect(has('##a ###a', '##a')).toBe(true);
});
