import { expect, test } from 'vitest';
import { fitJson } from '../../src/mcp/fit-json.ts';
import { visibleJson, visibleLine } from '../../src/mcp/visible-text.ts';
import type { JsonObject } from '../../src/model/json.ts';
import { fc } from '../support/fast-check.ts';

/** One of each kind: controls, escapes of a terminal, bidi, zero width, tags, fillers, variation selectors, line ends. */
const HIDDEN = [
  '\u0000',
  '\u0007',
  '\u001b[2J',
  '\u007f',
  '\u0085',
  '\u009b',
  '\u061c',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u200d',
  '\u2028',
  '\u2029',
  '\ufeff',
  '\u{e0041}',
  '\u3164',
  '\u115f',
  '\u034f',
  '\ufe0f',
  '\u{e0101}',
  '\u180e',
  '\r',
  '\n',
  '\ud800',
];

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

test.each(HIDDEN.map((text) => [JSON.stringify(text), text]))(
  '%s is shown as an escape of the same value',
  (_, text) => {
    const json = visibleJson({ text: `a${text}b` });
    expect(json).not.toMatch(INVISIBLE);
    expect(JSON.parse(json)).toEqual({ text: `a${text}b` });
  },
);

test('words of many scripts and emoji stay as they are', () => {
  const text = 'Grüße, 你好, שלום, नमस्ते, 😀 #4711 src/a.ts';
  expect(visibleLine(text)).toBe(text);
});

test('any JSON has a visible text of the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = visibleJson(value);
      expect(text).not.toMatch(INVISIBLE);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a fitted value is one line of JSON, within its bytes and visible', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
      fc.integer({ min: 60, max: 3_000 }),
      (value, max) => {
        const text = fitJson(value as JsonObject, max);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(max);
        expect(text).not.toMatch(INVISIBLE);
        expect(JSON.parse(text)).toBeTypeOf('object');
      },
    ),
  );
});

test('a value that fits is whole', () => {
  const value = { event_id: 'E1', content: 'x'.repeat(3_999), deep: { list: [1, null, 'a'] } };
  expect(JSON.parse(fitJson(value, 10_000))).toEqual(value);
});

test('a long text is cut between characters, and its length is shown', () => {
  const content = '😀'.repeat(500_000);
  const text = fitJson({ event_id: 'E1', content, other: 'kept' }, 2_000);
  const shown = JSON.parse(text) as Record<string, unknown>;
  expect(shown).toMatchObject({ event_id: 'E1', other: 'kept', cut_characters: { content: 1_000_000 } });
  expect(String(shown.content).isWellFormed()).toBe(true);
  expect(String(shown.content).length).toBeGreaterThan(100);
});

test('ids stay whole when there is room for little', () => {
  const id = 'i'.repeat(128);
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`member_${at}`, 'y'.repeat(300)]));
  expect(JSON.parse(fitJson({ task_id: id, ...many }, 400))).toMatchObject({ task_id: id, left_out: true });
});

test('deep, wide and strangely named values are cut', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`) as JsonObject;
  expect(fitJson(deep, 1_000)).toContain('(more levels)');
  const wide = { list: Array.from({ length: 100_000 }, (_, at) => at) };
  expect(fitJson(wide, 1_000)).toMatch(/\(\d+ more\)/);
  const odd = JSON.parse('{"__proto__":{"x":1},"constructor":2}') as JsonObject;
  expect(fitJson(odd, 1_000)).toBe('{"__proto__":{"x":1},"constructor":2}');
});
