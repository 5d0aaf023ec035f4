import { expect, test } from 'vitest';
import { type Column, createTable } from '../../../src/cli/terminal/table.ts';
import { createPaint, textWidth } from '../../../src/cli/terminal/terminal-text.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID', rank: 0 },
  { title: 'AGE', rank: 2, align: 'right' },
  { title: 'FROM', rank: 3, widthMax: 6 },
  { title: 'MESSAGE', rank: 1 },
];

const ROWS = [
  ['task-1', '5m', 'webhook', 'a message of some length that does not fit'],
  ['task-22', '12m', 'cli', 'short'],
].map((texts) => texts.map((text) => ({ text })));

/** Header and rows. */
function lines(width: number | undefined): string[] {
  const table = createTable(COLUMNS, ROWS, { width, paint: createPaint(false) });
  return [table.header, ...ROWS.map((row) => table.row(row))];
}

test('columns are as wide as their rows need, numbers to the right, without trailing blanks', () => {
  expect(lines(undefined)).toEqual([
    'ID       AGE  FROM    MESSAGE',
    'task-1    5m  webho\u2026  a message of some length that does not fit',
    'task-22  12m  cli     short',
  ]);
});

test('the last column is cut to the width that is left', () => {
  const [, first = ''] = lines(45);
  expect(first).toBe('task-1    5m  webho\u2026  a message of some leng\u2026');
  expect(textWidth(first)).toBe(45);
});

test.each([
  [42, 'ID       AGE  FROM    MESSAGE'],
  [41, 'ID       AGE  MESSAGE'],
  [33, 'ID       MESSAGE'],
  [28, 'ID'],
  [3, 'ID'],
])('in %d cells the header is %s: the highest rank is left out first', (width, header) => {
  expect(lines(width)[0]).toBe(header);
});

test('the column of rank 0 is whole, however narrow the terminal is', () => {
  expect(lines(3)).toEqual(['ID', 'task-1', 'task-22']);
});

test('a style colours the text, not the blanks around it', () => {
  const table = createTable(COLUMNS, ROWS, { width: undefined, paint: createPaint(true) });
  const cells = [{ text: 'x', style: 'red' as const }, { text: '1' }, { text: '' }, { text: '' }];
  expect(table.row(cells)).toBe(`\x1b[31mx\x1b[0m${' '.repeat(6)}    1  ${' '.repeat(6)}  `);
});
