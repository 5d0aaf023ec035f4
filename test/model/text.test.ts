import { expect, test } from 'vitest';
import {
  firstOfText,
  lastOfText,
  parseWellFormed,
  wellFormed,
  wellFormedJsonText,
  wellFormedValue,
} from '../../src/model/text.ts';
import { fc } from '../support/fast-check.ts';

/** Text with halves of characters in every place. */
const anyText = fc.string({ unit: fc.constantFrom('a', '\\', '"', '\ud83d', '\ude00', '😀', 'é', '\n') });

test('half a character becomes U+FFFD, a whole one stays', () => {
  expect(wellFormed('a\ud83d b\ude00 😀')).toBe('a\ufffd b\ufffd 😀');
  fc.assert(fc.property(anyText, (text) => wellFormed(text).isWellFormed()));
});

test('a cut falls between whole characters, at either end', () => {
  expect(firstOfText(`${'a'.repeat(199)}😀b`, 200)).toBe('a'.repeat(199));
  expect(firstOfText(`${'a'.repeat(198)}😀b`, 200)).toBe(`${'a'.repeat(198)}😀`);
  expect(lastOfText(`b😀${'a'.repeat(199)}`, 200)).toBe('a'.repeat(199));
  expect(firstOfText('😀', 0)).toBe('');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, max) => {
      for (const cut of [firstOfText(text, max), lastOfText(text, max)]) {
        expect(cut.isWellFormed()).toBe(true);
        expect(cut.length).toBeLessThanOrEqual(max);
        expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
        expect(text).toContain(cut);
      }
    }),
  );
});

test('JSON is read and written with U+FFFD for halves, in values and names, and nothing else changes', () => {
  const half = String.raw`{"\ud83dkey":["\ud83d","\ud83d\ude00","\\ud83d"],"__proto__":{"x":"\uDE00"},"n":[1,null,true]}`;
  expect(JSON.stringify(parseWellFormed(half))).toBe(
    String.raw`{"�key":["�","😀","\\ud83d"],"__proto__":{"x":"�"},"n":[1,null,true]}`,
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(parseWellFormed(JSON.stringify(value))).toEqual(
        wellFormedValue(JSON.parse(JSON.stringify(value))),
      );
    }),
  );
  fc.assert(
    fc.property(fc.array(anyText), (value) => {
      const text = wellFormedJsonText(JSON.stringify(value));
      expect(JSON.parse(text)).toEqual(wellFormedValue(value));
      expect(JSON.stringify(JSON.parse(text))).toBe(text);
    }),
  );
});

test('deep nesting and a megabyte of backslashes are read in linear time', () => {
  const depth = 200_000;
  const deep = `${'['.repeat(depth)}"\\ud83d"${']'.repeat(depth)}`;
  let value: unknown = parseWellFormed(deep);
  while (Array.isArray(value)) value = value[0];
  expect(value).toBe('\ufffd');
  const slashes = JSON.stringify(`${'\\'.repeat(1_000_000)}\ud83d`);
  expect(wellFormedJsonText(slashes).endsWith('\ufffd"')).toBe(true);
});
