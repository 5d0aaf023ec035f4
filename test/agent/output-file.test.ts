import { appendFile, type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OutputFile, type OutputPiece, pieceOf, type ReadPiece } from '../../src/agent/output-file.ts';
import type { ReadMark } from '../../src/agent/read-log.ts';
import { LineSplitter } from '../../src/system/lines.ts';
import { fc } from '../support/fast-check.ts';

let directory: string;
let path: string;
let handle: FileHandle;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tasktrail-output-'));
  path = join(directory, 'stdout');
  await writeFile(path, '');
  handle = await open(path, 'r');
});

afterEach(async () => {
  await handle.close();
  await rm(directory, { recursive: true, force: true });
});

function split(chunks: readonly Buffer[], bytesMax?: number): OutputPiece[] {
  const splitter = new LineSplitter({ longLines: 'split', ...(bytesMax !== undefined && { bytesMax }) });
  const pieces = chunks.flatMap((chunk) => splitter.push(chunk).map(pieceOf));
  const rest = splitter.end();
  return rest === undefined ? pieces : [...pieces, pieceOf(rest)];
}

test('lines keep their newline and carriage return, and the last one may lack both', () => {
  const texts = split([Buffer.from('\uFEFFa\r\n\nb\rc\nd')]).map((piece) => piece.text);
  expect(texts).toEqual(['\uFEFFa\r\n', '\n', 'b\rc\n', 'd']);
});

test('the lines do not depend on the chunks, also for invalid bytes', () => {
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

test('a line over the limit becomes partial pieces within the limit, cut between characters', () => {
  const long = '𝄞'.repeat(25);
  const pieces = split([Buffer.from(`ab\n${long}\ncd\n`)], 9);
  expect(pieces.map((piece) => piece.text).join('')).toBe(`ab\n${long}\ncd\n`);
  for (const { text } of pieces) {
    expect(Buffer.byteLength(text.trimEnd())).toBeLessThanOrEqual(9);
    expect(text).not.toContain('\ufffd');
  }
  expect(pieces.filter((piece) => !piece.partial).map((piece) => piece.text)).toEqual(['ab\n', 'cd\n']);
});

test('a line of exactly the limit is whole, and one character more is not', () => {
  expect(split([Buffer.from('123456789\n')], 9)).toEqual([{ text: '123456789\n', partial: false }]);
  expect(split([Buffer.from('1234567890\n')], 9)).toEqual([
    { text: '123456789', partial: true },
    { text: '0\n', partial: true },
  ]);
});

/** Reads the file to its end. Returns the pieces and the marks. */
function openFile(now = Date.now): { file: OutputFile; pieces: ReadPiece[]; marks: ReadMark[] } {
  const pieces: ReadPiece[] = [];
  const marks: ReadMark[] = [];
  const file = new OutputFile({
    fd: handle.fd,
    now,
    onRead: (mark) => marks.push(mark),
    onPiece: (piece) => pieces.push(piece),
  });
  return { file, pieces, marks };
}

test('numbered lines are passed on while the file grows, a torn last line at the end', async () => {
  const { file, pieces } = openFile();
  await appendFile(path, 'one\nhal');
  expect(file.next()).toBe(7);
  expect(file.next()).toBe(0);
  expect(pieces.map(({ text }) => text)).toEqual(['one\n']);
  await appendFile(path, 'f\nend');
  file.next();
  file.end();
  expect(pieces.map(({ text, line }) => [line, text])).toEqual([
    [0, 'one\n'],
    [1, 'half\n'],
    [2, 'end'],
  ]);
});

test('a file of any size is read to its end, in chunks of at most the requested size', async () => {
  const whole = Array.from({ length: 30_000 }, (_, n) => `line ${n}\n`).join('');
  await writeFile(path, whole);
  const { file, pieces } = openFile();
  while (file.position < file.size()) file.next(file.size() - file.position);
  expect(pieces.map(({ text }) => text).join('')).toBe(whole);
  const other = openFile();
  other.file.next(6);
  expect(other.pieces.map(({ text }) => text)).toEqual([]);
  expect(other.file.position).toBe(6);
});

test('reading to the same marks again gives the same pieces with the same times', async () => {
  let clock = 1_000;
  const first = openFile(() => clock);
  for (const text of ['one\ntw', 'o\nthree\nfo\xff', 'ur\n']) {
    await appendFile(path, Buffer.from(text, 'latin1'));
    first.file.next();
    // The clock steps back in between; the times do not.
    clock += text.startsWith('o\n') ? -500 : 100;
  }
  const again = openFile(() => 9_999);
  for (const mark of first.marks) expect(again.file.again(mark)).toBe(true);
  expect(again.pieces).toEqual(first.pieces);
  expect(again.marks).toEqual([]);
  expect(first.pieces.map(({ timeMs }) => timeMs)).toEqual([1_000, 1_100, 1_100, 1_100]);
  expect(again.file.again({ endBytes: 1_000, timeMs: 2_000 })).toBe(false);
});
