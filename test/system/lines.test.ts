import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Line, LineSplitter, readLines } from '../../src/system/lines.ts';
import { fc } from '../support/fast-check.ts';

interface Seen {
  readonly text: string | undefined;
  readonly start: number;
  readonly end: number;
  readonly isTerminated: boolean;
}

async function tempFile(content: string | Uint8Array): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-lines-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'lines');
  await writeFile(path, content);
  return path;
}

async function linesOf(path: string, options?: Parameters<typeof readLines>[1]): Promise<Seen[]> {
  const file = await open(path, 'r');
  const seen: Seen[] = [];
  try {
    for await (const batch of readLines(file, options)) seen.push(...batch.map(seenOf));
  } finally {
    await file.close();
  }
  return seen;
}

function seenOf({ bytes, start, end, isTerminated }: Line): Seen {
  return { text: bytes?.toString('utf8'), start, end, isTerminated };
}

test('each line has its content, its offsets and whether it is terminated', async () => {
  expect(await linesOf(await tempFile('ä\n\nb\r\nrest'))).toEqual([
    { text: 'ä', start: 0, end: 3, isTerminated: true },
    { text: '', start: 3, end: 4, isTerminated: true },
    { text: 'b\r', start: 4, end: 7, isTerminated: true },
    { text: 'rest', start: 7, end: 11, isTerminated: false },
  ]);
  expect(await linesOf(await tempFile(''))).toEqual([]);
});

test('lines of a range have offsets from the start of the file', async () => {
  const path = await tempFile('first\nsecond\nthird\n');
  expect(await linesOf(path, { from: 6 })).toMatchObject([
    { text: 'second', start: 6, end: 13 },
    { text: 'third', start: 13, end: 19 },
  ]);
  expect(await linesOf(path, { from: 6, to: 10 })).toEqual([
    { text: 'seco', start: 6, end: 10, isTerminated: false },
  ]);
});

test('lines do not depend on how the input is cut into pieces', () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((values) => values.map((value) => value % 12));
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(9)), (input, cuts) => {
      const splitter = new LineSplitter({ from: 5 });
      const lines: Seen[] = [];
      for (let from = 0, turn = 0; from < input.length; turn += 1) {
        const to = Math.min(input.length, from + 1 + (cuts[turn] ?? 3));
        lines.push(...splitter.push(Buffer.from(input.subarray(from, to))).map(seenOf));
        from = to;
      }
      const rest = splitter.end();
      if (rest !== undefined) lines.push(seenOf(rest));
      const texts = Buffer.from(input).toString('utf8').split('\n');
      if (texts.at(-1) === '') texts.pop();
      expect(lines.map(({ text }) => text)).toEqual(texts);
      expect(lines.map(({ start }) => start)).toEqual(
        [5, ...lines.map(({ end }) => end)].slice(0, lines.length),
      );
      expect(lines.at(-1)?.end ?? 5).toBe(5 + input.length);
    }),
  );
});

test('a line over the limit has no content, and its neighbours are complete', () => {
  const splitter = new LineSplitter({ bytesMax: 4 });
  const lines = ['ab\nlong', 'er\n1234\n12345\nc\n'].flatMap((piece) => splitter.push(Buffer.from(piece)));
  expect(lines.map(seenOf)).toEqual([
    { text: 'ab', start: 0, end: 3, isTerminated: true },
    { text: undefined, start: 3, end: 10, isTerminated: true },
    { text: '1234', start: 10, end: 15, isTerminated: true },
    { text: undefined, start: 15, end: 21, isTerminated: true },
    { text: 'c', start: 21, end: 23, isTerminated: true },
  ]);
});

test('splitting a long line keeps every byte and cuts no character', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ä', '語', '🦉', '\n'), maxLength: 40 });
  fc.assert(
    fc.property(
      text,
      fc.integer({ min: 4, max: 9 }),
      fc.integer({ min: 1, max: 7 }),
      (input, bytesMax, step) => {
        const splitter = new LineSplitter({ bytesMax, longLines: 'split' });
        const bytes = Buffer.from(input);
        let joined = '';
        const take = ({ bytes: part, isTerminated, start, end, isPart }: Line): void => {
          const content = part?.toString('utf8') ?? '';
          expect(content).not.toContain('\ufffd');
          expect(part?.length ?? bytesMax + 1).toBeLessThanOrEqual(bytesMax);
          expect(bytes.toString('utf8', start, end)).toBe(content + (isTerminated ? '\n' : ''));
          if (!isTerminated && end < bytes.length) expect(isPart).toBe(true);
          joined += content + (isTerminated ? '\n' : '');
        };
        for (let from = 0; from < bytes.length; from += step)
          for (const line of splitter.push(Buffer.from(bytes.subarray(from, from + step)))) take(line);
        const rest = splitter.end();
        if (rest !== undefined) take(rest);
        expect(joined).toBe(input);
      },
    ),
  );
});

test('bytes that are not UTF-8 are split too', () => {
  const splitter = new LineSplitter({ bytesMax: 4, longLines: 'split' });
  const lines = splitter.push(Buffer.alloc(10, 0xbf)).map(seenOf);
  expect(lines.map(({ start, end }) => [start, end])).toEqual([
    [0, 4],
    [4, 8],
  ]);
  expect(splitter.end()).toMatchObject({ start: 8, end: 10, isPart: true });
});

test('memory stays flat over a tail of 600 MiB without a newline', { tags: 'full' }, async () => {
  const path = await tempFile('{"a":1}\n');
  // A sparse file: it reads as NUL and takes no space.
  await truncate(path, 600 * 1_048_576);
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const file = await open(path, 'r');
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }, 5);
  try {
    const seen: Seen[] = [];
    for await (const batch of readLines(file)) seen.push(...batch.map(seenOf));
    expect(seen).toEqual([
      { text: '{"a":1}', start: 0, end: 8, isTerminated: true },
      { text: undefined, start: 8, end: 600 * 1_048_576, isTerminated: false },
    ]);
  } finally {
    clearInterval(sampler);
    await file.close();
  }
  expect(peak).toBeLessThan(64 * 1_048_576);
});
