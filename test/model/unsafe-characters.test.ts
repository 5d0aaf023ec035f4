import { expect, test } from 'vitest';
import { UNSAFE, UNSAFE_IN_TEXT } from '../../src/model/unsafe-characters.ts';

const marked = (text: string, pattern = UNSAFE_IN_TEXT): string => text.replaceAll(pattern, '!');

test.each([
  ['a bidirectional override', 'a\u202eb'],
  ['a character without a width', 'a\u200bb'],
  ['a soft hyphen', 'a\u00adb'],
  ['a filler of Hangul, which is a letter by its category', 'a\u3164b'],
  ['another filler', 'a\u115fb'],
  ['a joiner of graphemes, which is a mark', 'a\u034fb'],
  ['a tag', 'a\u{e0041}b'],
  ['an escape', 'a\u001bb'],
])('%s is unsafe', (_name, text) => {
  expect(marked(text)).toBe('a!b');
  expect(marked(text, UNSAFE)).toBe('a!b');
});

test('emoji, scripts with joiners and variants of characters stay as they are', () => {
  for (const text of ['❤️‍🔥 👩‍👩‍👧', 'می‌خواهم', 'क्‍ष', '葛\u{e0100}城', '☂︎', 'ä 漢'])
    expect(marked(text)).toBe(text);
});

test('a row of joiners or of selectors, which can carry a text, is seen', () => {
  expect(marked('😀\ufe00\ufe01\u{e0120}')).toBe('😀\ufe00!!');
  expect(marked('a\u200c\u200d\u200cb')).toBe('a\u200c!!b');
});

test('lines are left in a text that may have them', () => {
  expect(marked('a\n\tb')).toBe('a\n\tb');
  expect(marked('a\n\tb', UNSAFE)).toBe('a!!b');
});
