import { expect, test } from 'vitest';
import { TaskWords } from '../../../src/search/text/task-words.ts';
import { TextMatch, textTerm } from '../../../src/search/text/text-match.ts';
import { textPieces } from '../../../src/search/text/text-pieces.ts';
import { forEachWord, normalized } from '../../../src/search/text/text-words.ts';
import { fc } from '../../support/fast-check.ts';

const PIECE = 65_536;

function wordsOf(texts: Iterable<string>): ReadonlySet<string> {
  const words = new Set<string>();
  for (const text of texts) forEachWord(normalized(text), (word) => words.add(word));
  return words;
}

function filled(part: string, length: number): string {
  return part.repeat(Math.ceil(length / part.length)).slice(0, length);
}

test.each([
  ['numbered words without a space', Array.from({ length: 60_000 }, (_, at) => `w${at}`).join(',')],
  ['minified JSON', JSON.stringify(Array.from({ length: 20_000 }, (_, at) => ({ [`k${at}`]: `v.${at}` })))],
  ['a dotted list', Array.from({ length: 60_000 }, (_, at) => `w${at}`).join('.')],
  ['Greek with full stops', Array.from({ length: 60_000 }, (_, at) => `ΑΣ${at}Σ`).join('.')],
  ['Cyrillic between full-width commas', Array.from({ length: 60_000 }, (_, at) => `ж${at}`).join('，')],
  ['Cyrillic between emojis', Array.from({ length: 60_000 }, (_, at) => `ж${at}`).join('🚀')],
])('%s: no word is cut', (_, text) => {
  expect(wordsOf(textPieces(text))).toEqual(wordsOf([text]));
});

test('Chinese without a sign: each pair of neighbours is in one piece', () => {
  const text = Array.from({ length: 4 * PIECE }, (_, at) =>
    String.fromCodePoint(0x4e00 + (at % 20_011)),
  ).join('');
  expect([...textPieces(text)].length).toBeGreaterThan(2);
  expect(wordsOf(textPieces(text))).toEqual(wordsOf([text]));
});

test('Thai, Korean in parts, kana with half-width marks and characters of two halves are cut where the whole text allows', () => {
  for (const part of ['ภาษาไทยง่ายกำ', '한국어', 'ｶﾞｷﾞｸﾞが', '𠀀𠀁𠀂', '👨‍👩‍👧🇩🇪', '文é①２ß'])
    for (const shift of [0, 1, 2, 3]) {
      const text = filled('x', shift) + filled(part, 3 * PIECE);
      expect(wordsOf(textPieces(text)), part).toEqual(wordsOf([text]));
    }
});

test('pieces together have the words of the text, whatever stands at their ends', () => {
  const sign = fc.constantFrom(
    ...[
      'a',
      'Z',
      '9',
      ' ',
      ',',
      '.',
      ':',
      "'",
      '-',
      '=',
      'ж',
      'Σ',
      'σ',
      'é',
      '\u0301',
      '\u0338',
      'ｶ',
      'ﾞ',
      'ー',
    ],
    ...[
      '中',
      '文',
      '，',
      'ภ',
      'า',
      'ำ',
      '\u1100',
      '\u1161',
      '\u11a8',
      '한',
      '🚀',
      '\u200d',
      '\ufe0f',
      '①',
      '𠀀',
      '\ud800',
    ],
  );
  fc.assert(
    fc.property(fc.array(sign, { minLength: 1, maxLength: 40 }), fc.nat(50), (signs, shift) => {
      const around = signs.join('');
      const text = `${' '.repeat(PIECE - shift)}${around}${around}${filled('ж', 2 * PIECE)}`;
      const [pieces, whole] = [wordsOf(textPieces(text)), wordsOf([text])];
      // Half of a character is compared as it is.
      expect([...pieces].sort()).toEqual([...whole].sort());
    }),
    { numRuns: 40 },
  );
});

test('an endless word has its beginning in the index, and nothing from its middle', async () => {
  const blob = filled('abcdefghij', 2_000_000);
  const words = new TaskWords();
  await words.add(`start ${blob} end`);
  const found = words
    .text()
    .split(/\s/)
    .filter((word) => word !== '');
  expect(found.sort()).toEqual([blob.slice(0, 64), 'end', 'start']);
  await words.add(`${filled('ж', 2_000_000)} behind`);
  expect(words.text()).toContain('behind');
});

test('what the files have is found with the words of the index', async () => {
  const text = Array.from({ length: 60_000 }, (_, at) => `w${String(at).padStart(5, '0')}`).join(',');
  const words = new Set<string>();
  for (const piece of textPieces(text)) forEachWord(normalized(piece), (word) => words.add(word));
  const inFile = (sought: string): boolean => {
    const term = textTerm(sought, false);
    const match = new TextMatch(term === undefined ? [] : [term]);
    match.read(text);
    return match.isComplete;
  };
  for (const sought of ['w09362', 'w18724', 'w18725', 'w37448', 'w59999']) {
    expect(inFile(sought), sought).toBe(true);
    expect(
      textTerm(sought, false)?.words.every((word) => words.has(word)),
      sought,
    ).toBe(true);
  }
});
