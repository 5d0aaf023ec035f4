import { expect, test } from 'vitest';
import {
  createPaint,
  cutText,
  escapeJson,
  escapeLine,
  escapeText,
  textWidth,
} from '../../../src/cli/terminal/terminal-text.ts';
import { fc } from '../../support/fast-check.ts';

const UNSAFE = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u;

test.each([
  ['plain text', 'plain text'],
  ['\x1b[2J', '\\x1b[2J'],
  ['a\r\nb', 'a\\x0d\\x0ab'],
  ['\x9b31m', '\\x9b31m'],
  ['\u202egnp', '\\u202egnp'],
  ['a\u2028b', 'a\\u2028b'],
  ['\x7f', '\\x7f'],
  ['é漢😀', 'é漢😀'],
])('%j on one line is %s', (text, escaped) => {
  expect(escapeLine(text)).toBe(escaped);
});

test('a text keeps its newlines and tabs, and nothing else that is unsafe', () => {
  expect(escapeText('a\n\tb\r\x07')).toBe('a\n\tb\\x0d\\x07');
});

test('no unsafe character is left in any text', { tags: 'full' }, () => {
  const anyText = fc.string({ unit: 'binary' });
  fc.assert(fc.property(anyText, (text) => !UNSAFE.test(escapeLine(text))));
  fc.assert(fc.property(anyText, (text) => !UNSAFE.test(escapeText(text).replaceAll(/[\n\t]/g, ''))));
});

test('escaped JSON has the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = escapeJson(JSON.stringify(value));
      expect(UNSAFE.test(json)).toBe(false);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('invisible characters are shown, except the joiners of a text', () => {
  const hidden = ['\u200b', '\u2060', '\ufeff', '\u00ad', '\u200e', '\u202e', '\u2066', '\u{e0041}'];
  for (const character of hidden) {
    expect(escapeText(`a${character}b`)).toMatch(/^a\\[xu]\{?[0-9a-f]+\}?b$/);
    expect(escapeLine(character)).not.toContain(character);
    expect(escapeJson(JSON.stringify(character))).not.toContain(character);
    expect(JSON.parse(escapeJson(JSON.stringify(character)))).toBe(character);
  }
  const family = '\u{1f468}\u200d\u{1f469}';
  expect(escapeText(family)).toBe(family);
  expect(escapeJson(JSON.stringify(family))).toBe(JSON.stringify(family).replace('\u200d', '\\u200d'));
});

test('indented JSON keeps its lines', () => {
  expect(escapeJson(JSON.stringify({ a: '\x9b' }, null, 2))).toBe('{\n  "a": "\\u009b"\n}');
});

test('a style is added only where colours are shown and there is a text', () => {
  expect(createPaint(true)('failed', 'red')).toBe('\x1b[31mfailed\x1b[0m');
  expect(createPaint(true)('failed', undefined)).toBe('failed');
  expect(createPaint(true)('', 'red')).toBe('');
  expect(createPaint(false)('failed', 'red')).toBe('failed');
});

test.each([
  ['abc', 3],
  ['漢字', 4],
  ['😀', 2],
  ['e\u0301', 1],
  ['', 0],
])('%s is %d cells wide', (text, width) => {
  expect(textWidth(text)).toBe(width);
});

test.each([
  ['abcdef', 6, 'abcdef'],
  ['abcdef', 5, 'abcd\u2026'],
  ['abcdef', 1, '\u2026'],
  ['abcdef', 0, ''],
  ['漢字漢', 5, '漢字\u2026'],
  ['漢字漢', 4, '漢\u2026'],
])('%s cut to %d cells is %s', (text, width, cut) => {
  expect(cutText(text, width)).toBe(cut);
});

test('a cut text is never wider than asked for', () => {
  const anyText = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(anyText, fc.nat({ max: 40 }), (text, width) => textWidth(cutText(text, width)) <= width),
  );
});
