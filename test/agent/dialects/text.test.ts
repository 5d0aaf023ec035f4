import { expect, test } from 'vitest';
import { text } from '../../../src/agent/dialects/text.ts';

test('each line is output with its newline, and only the exit code decides', () => {
  const reader = text.open();
  const outputs = ['one\r\n', '\n', 'last'].flatMap((line) => reader.read(line, false));
  expect(outputs).toEqual([
    { type: 'output', content: 'one\r\n' },
    { type: 'output', content: '\n' },
    { type: 'output', content: 'last' },
  ]);
  expect(reader.end()).toEqual([]);
  expect(reader.verdict()).toMatchObject({ success: undefined, result: 'one\r\n\nlast', error: null });
  expect(reader.model).toBeNull();
});

test('a program that prints nothing, or only blank lines, has no result', () => {
  const reader = text.open();
  expect(reader.verdict().result).toBeNull();
  reader.read('\n', false);
  reader.read('  \n', false);
  expect(reader.verdict().result).toBeNull();
});

test('the result of a long output is its end, in whole lines', () => {
  for (const count of [8_000, 20_000, 13_107]) {
    const reader = text.open();
    for (let n = 1; n <= count; n++) reader.read(`line ${n}\n`, false);
    const result = reader.verdict().result ?? '';
    expect(result.length).toBeGreaterThan(60 * 1024);
    expect(result.length).toBeLessThanOrEqual(64 * 1024);
    const lines = result.split('\n');
    expect(lines.at(-1)).toBe(`line ${count}`);
    expect(lines[0]).toBe(`line ${count - lines.length + 1}`);
  }
});

test('a line without its start is not part of the result', () => {
  const reader = text.open();
  // 7711 lines of 17 characters: the last one is the first that goes past twice 64 KiB.
  for (let n = 1; n <= 7711; n++) reader.read(`line ${String(n).padStart(11)}\n`, false);
  for (const line of reader.verdict().result?.split('\n') ?? []) expect(line).toMatch(/^line +\d+$/);
});

test('the result of one endless line is its last 64 KiB', () => {
  const reader = text.open();
  reader.read('x'.repeat(300_000), true);
  expect(reader.verdict().result).toBe('x'.repeat(64 * 1024));
});
