import { appendFileSync } from 'node:fs';
import { appendFile, type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { followFile, LineSplitter, type OutputPiece } from '../../src/agent/output-file.ts';

let directory: string;
let path: string;
let file: FileHandle;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tasktrail-output-'));
  path = join(directory, 'stdout');
  await writeFile(path, '');
  file = await open(path, 'r');
});

afterEach(async () => {
  await file.close();
  await rm(directory, { recursive: true, force: true });
});

function split(chunks: readonly Uint8Array[], lineCharsMax?: number): OutputPiece[] {
  const splitter = new LineSplitter(lineCharsMax);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

test('lines keep their newline and carriage return, and the last one may lack both', () => {
  const texts = split([Buffer.from('\uFEFFa\r\n\nb\rc\nd')]).map((piece) => piece.text);
  expect(texts).toEqual(['\uFEFFa\r\n', '\n', 'b\rc\n', 'd']);
});

test('wherever the bytes are cut, the lines are those of the whole, invalid bytes included', () => {
  const text = fc
    .array(fc.constantFrom('a', '\n', '\r\n', 'é', '€', '𝄞', '\uFEFF'))
    .map((parts) => Buffer.from(parts.join('')));
  const bytes = fc
    .array(fc.oneof(text, fc.uint8Array({ maxLength: 6 })))
    .map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(bytes, fc.array(fc.nat({ max: 9 })), (whole, lengths) => {
      const chunks: Buffer[] = [];
      let start = 0;
      for (const length of lengths) {
        chunks.push(whole.subarray(start, start + length));
        start += length;
      }
      chunks.push(whole.subarray(start));
      const expected = whole.toString('utf8').match(/[^\n]*\n|[^\n]+$/g) ?? [];
      expect(split(chunks).map((piece) => piece.text)).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

test('a line beyond the bound comes in marked pieces that are never longer and never cut a character', () => {
  const long = '𝄞'.repeat(25);
  const pieces = split([Buffer.from(`ab\n${long}\ncd\n`)], 9);
  expect(pieces.map((piece) => piece.text).join('')).toBe(`ab\n${long}\ncd\n`);
  for (const { text } of pieces) {
    expect(text.length).toBeLessThanOrEqual(9);
    expect(Buffer.from(text).toString()).toBe(text);
  }
  expect(pieces.filter((piece) => !piece.partial).map((piece) => piece.text)).toEqual(['ab\n', 'cd\n']);
});

test('a line of exactly the bound is whole, and one character more is not', () => {
  expect(split([Buffer.from('12345678\n')], 9)).toEqual([{ text: '12345678\n', partial: false }]);
  expect(split([Buffer.from('123456789\n')], 9)).toEqual([
    { text: '123456789', partial: true },
    { text: '\n', partial: true },
  ]);
});

test('lines are handed out while the file grows, and the half line at the end waits for the exit', async () => {
  const exited = new AbortController();
  const texts: string[] = [];
  const following = followFile(file, { exited: exited.signal, pollMs: 5 }, (piece) => texts.push(piece.text));
  await appendFile(path, 'one\nhal');
  await vi.waitFor(() => expect(texts).toEqual(['one\n']), 5000);
  await appendFile(path, 'f\nend');
  await vi.waitFor(() => expect(texts).toEqual(['one\n', 'half\n']), 5000);
  exited.abort();
  await following;
  expect(texts).toEqual(['one\n', 'half\n', 'end']);
});

test('what is in the file at the exit is read to its end, however much it is', async () => {
  const whole = Array.from({ length: 30_000 }, (_, n) => `line ${n}\n`).join('');
  await writeFile(path, whole);
  const texts: string[] = [];
  await followFile(file, { exited: AbortSignal.abort() }, (piece) => texts.push(piece.text));
  expect(texts.join('')).toBe(whole);
});

test('a writer that goes on after the exit does not keep the reader', async () => {
  await writeFile(path, 'before\n');
  const texts: string[] = [];
  await followFile(file, { exited: AbortSignal.abort() }, (piece) => {
    texts.push(piece.text);
    appendFileSync(path, 'after\n');
  });
  expect(texts).toEqual(['before\n']);
});
