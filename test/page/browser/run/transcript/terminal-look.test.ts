import { expect, test } from 'vitest';
import {
  ansiLines,
  withoutMovements,
} from '../../../../../src/page/browser/run/transcript/content/ansi-text.ts';
import {
  cutText,
  piecesOf,
  shownText,
  sizeText,
} from '../../../../../src/page/browser/run/transcript/content/shown-text.ts';

const ESC = '\u001b';

const looks = (...texts: string[]): unknown =>
  ansiLines(texts).map((line) => line.map(({ text, classes }) => (classes === '' ? text : [text, classes])));

test('colours become names of classes, and go on in the next text until they end', () => {
  expect(looks(`${ESC}[1;31mbad${ESC}[0m good`)).toEqual([[['bad', 'ansi-red ansi-bold'], ' good']]);
  expect(looks(`${ESC}[32mone`, 'two', `three${ESC}[0m`, 'four')).toEqual([
    [['one', 'ansi-green']],
    [['two', 'ansi-green']],
    [['three', 'ansi-green']],
    ['four'],
  ]);
  expect(looks('', 'a', '')).toEqual([[], ['a'], []]);
});

test('colours of the palette and true colours become the nearest of eight', () => {
  expect(looks(`${ESC}[38;5;196mx`)).toEqual([[['x', 'ansi-red']]]);
  expect(looks(`${ESC}[38;5;21mx`)).toEqual([[['x', 'ansi-blue']]]);
  expect(looks(`${ESC}[38;2;10;200;20mx`)).toEqual([[['x', 'ansi-green']]]);
  expect(looks(`${ESC}[48;2;250;250;0mx`)).toEqual([[['x', 'ansi-on-yellow']]]);
  expect(looks(`${ESC}[38;2;250;250;250;48;2;250;250;250mx`)).toEqual([[['x', 'ansi-white ansi-on-white']]]);
  expect(looks(`${ESC}[38;5;240mx`)).toEqual([[['x', 'ansi-black']]]);
});

test('hidden text is shown, and blinking text stands still', () => {
  expect(looks(`${ESC}[8msecret${ESC}[0m`)).toEqual([['secret']]);
  expect(looks(`${ESC}[5mloud${ESC}[0m`)).toEqual([['loud']]);
});

test.each([
  ['a link of the terminal', `${ESC}]8;;javascript:alert(1)\u0007click${ESC}]8;;\u0007`, 'click'],
  ['a title', `a${ESC}]0;evil${ESC}\\b`, 'ab'],
  ['a title without its end', `a${ESC}]0;evil`, `a${ESC}]0;evil`],
  ['a title with a line in it', `a${ESC}]0;\nevil\u0007b`, `a${ESC}]0;\nevil\u0007b`],
  ['a string of a device without its end', `a${ESC}_evil\nb`, 'aevil\nb'],
  ['a title that is as long as a text', `a${ESC}]0;${'x'.repeat(300)}\u0007b`, 'a⟦305 hidden⟧b'],
  ['movements of the cursor', `a${ESC}[2J${ESC}[H${ESC}[10;20Hb${ESC}[?25l`, 'ab'],
  ['a mode that looks like a colour', `a${ESC}[>4;1mb`, 'ab'],
  ['the string of a device', `a${ESC}Pq#0${ESC}\\b`, 'ab'],
  ['a single escape', `a${ESC}cb${ESC}7c`, 'abc'],
  ['a progress bar', '\r1 %\r50 %\r100 %\nnext\r\n', '⟦2 overwritten⟧ 100 %\nnext\n'],
  ['the eight-bit form', 'a\u009b2Jb', 'ab'],
])('%s hides no text', (_name, text, left) => {
  expect(withoutMovements(text)).toBe(left);
});

test('what hides or reorders text is shown by its name', () => {
  expect(shownText('user\u202egnp.exe')).toBe('user⟦U+202E⟧gnp.exe');
  expect(shownText('a\u2066b\u2069 \u200bc\ufeff')).toBe('a⟦U+2066⟧b⟦U+2069⟧ ⟦U+200B⟧c⟦U+FEFF⟧');
  expect(shownText('a\u0000b\u0008c\u007fd\u0085')).toBe('a␀b␈c␡d⟦U+0085⟧');
  expect(shownText('tab\tline\nä 漢 👩‍💻')).toBe('tab\tline\nä 漢 👩‍💻');
  expect(looks(`\u0000${ESC}[31m\u202ex`)).toEqual([['␀', ['⟦U+202E⟧x', 'ansi-red']]]);
});

test('a text is cut between characters, and its pieces are the text', () => {
  expect(cutText('abc', 3)).toBe('abc');
  expect(cutText('ab👍', 3)).toBe('ab');
  for (const text of [
    '',
    'short',
    'x'.repeat(95),
    'line\n'.repeat(30),
    `${'👍'.repeat(20)}\n${'y'.repeat(30)}`,
  ]) {
    const pieces = piecesOf(text, 10);
    expect(pieces.join('')).toBe(text);
    for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(10);
    for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
  }
  expect(piecesOf('12345678\n90123', 10)).toEqual(['12345678\n', '90123']);
  expect([sizeText(10), sizeText(20_400), sizeText(10_000_000)]).toEqual(['1 kB', '20 kB', '10.0 MB']);
});
