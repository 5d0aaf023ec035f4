import { expect, test } from 'vitest';
import {
  luminance,
  paletteColour,
  readable,
} from '../../../../../src/page/browser/run/transcript/content/ansi-colour.ts';
import { ansiLines } from '../../../../../src/page/browser/run/transcript/content/ansi-text.ts';
import {
  cutText,
  piecesOf,
  shownText,
  sizeText,
} from '../../../../../src/page/browser/run/transcript/content/shown-text.ts';
import {
  withoutMovements,
  withoutSequences,
} from '../../../../../src/page/browser/run/transcript/content/terminal-text.ts';

import { fc } from '../../../../support/fast-check.ts';

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

const stylesOf = (text: string): unknown => ansiLines([text])[0]?.map(({ style }) => style);

test('colours of the palette and true colours keep their hue, as light or dark as the page needs', () => {
  expect(stylesOf(`${ESC}[38;5;21mx`)).toEqual([{ color: 'light-dark(rgb(0 0 255), rgb(145 145 255))' }]);
  expect(stylesOf(`${ESC}[38;2;255;135;0mx`)).toEqual([
    { color: 'light-dark(rgb(161 83 0), rgb(255 135 0))' },
  ]);
  expect(stylesOf(`${ESC}[38;2;300;0;0mx`)).toEqual([undefined]);
  expect(stylesOf(`${ESC}[38:2::0:0:255mx`)).toEqual(stylesOf(`${ESC}[38;2;0;0;255mx`));
  expect(stylesOf(`${ESC}[38:5:21mx`)).toEqual(stylesOf(`${ESC}[38;5;21mx`));
  expect(looks(`${ESC}[4:3mx${ESC}[4:0my`)).toEqual([[['x', 'ansi-underline'], 'y']]);
});

test('a ground of its own is as it was given, and the text on it is black, white, or its colour where that can be read', () => {
  expect(stylesOf(`${ESC}[48;5;21mx`)).toEqual([
    { color: 'rgb(255 255 255)', backgroundColor: 'rgb(0 0 255)' },
  ]);
  expect(stylesOf(`${ESC}[43mx`)).toEqual([{ color: 'rgb(0 0 0)', backgroundColor: 'rgb(200 160 0)' }]);
  expect(stylesOf(`${ESC}[7;34mx`)).toEqual([
    { color: 'rgb(255 255 255)', backgroundColor: 'rgb(36 114 200)' },
  ]);
  expect(looks(`${ESC}[7mx`)).toEqual([[['x', 'ansi-reverse']]]);
});

test('text of any colour can be read on any ground: a contrast of at least 4.5', () => {
  const part = fc.integer({ min: 0, max: 255 });
  const colour = fc.tuple(part, part, part);
  const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  fc.assert(
    fc.property(colour, colour, (text, ground) => {
      const own = luminance(ground);
      expect(contrast(luminance(readable(text, own)), own)).toBeGreaterThanOrEqual(4.5 - 1e-9);
    }),
  );
  const all = Array.from({ length: 256 }, (_, index) => paletteColour(index));
  expect(all.every((one) => one !== undefined)).toBe(true);
  expect([paletteColour(256), paletteColour(-1), paletteColour(Number.NaN)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect([paletteColour(16), paletteColour(208), paletteColour(231), paletteColour(255)]).toEqual([
    [0, 0, 0],
    [255, 135, 0],
    [255, 255, 255],
    [238, 238, 238],
  ]);
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

test('a message is shown without the sequences of a terminal', () => {
  const link = `${ESC}]8;;http://evil.example${ESC}\\a link${ESC}]8;;${ESC}\\`;
  expect(withoutSequences(`${ESC}[1;31m**bold**${ESC}[0m ${link} \u009b2Jx`)).toBe('**bold** a link x');
  expect(withoutSequences('plain\r\ntext')).toBe('plain\r\ntext');
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
