import { expect, test } from 'vitest';
import { fitLine, listRows, row, wholeRow } from '../../../src/cli/demo/sheet.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';

const SHEET = { width: 30, paint: createPaint(false) };

test('a row is cut to the width, a whole row is not', () => {
  const text = 'a text that is longer than that';
  expect(row(SHEET, 'result', text)).toBe('result     a text that is lon\u2026');
  expect(wholeRow(SHEET, 'files', text)).toBe(`files      ${text}`);
});

test('the text and the label have styles, the blanks have none', () => {
  const sheet = { width: 30, paint: createPaint(true) };
  expect(row(sheet, 'a', 'b', 'red')).toBe(`\x1b[1ma\x1b[0m${' '.repeat(10)}\x1b[31mb\x1b[0m`);
  expect(row(sheet, '', 'b')).toBe(`${' '.repeat(11)}b`);
});

test('words take as many rows as they need', () => {
  expect(listRows(SHEET, 'stages', ['received', 'validation', 'queue'])).toEqual([
    'stages     received,',
    '           validation, queue',
  ]);
  expect(listRows(SHEET, 'stages', [])).toEqual([]);
});

test('a text becomes one line: white space folded, control characters escaped', () => {
  expect(fitLine('  a\n\t b\x1b[2J ', 40)).toBe('a b\\x1b[2J');
  expect(fitLine('x'.repeat(1_000_000), 5)).toBe('xxxx\u2026');
});
