import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SegmentReader } from '../../src/journal/segment-reader.ts';
import { tempDir } from '../support/journal-records.ts';

const HEADER = 'H{"version":1,"destinations":["holder"]}\n';
const source = (name: string): string => `C{"resource":{"name":"${name}"},"scope":{"name":"s"}}\n`;
const log = (n: number): string => `L{"n":${n}}\n`;

interface Opened {
  readonly path: string;
  readonly reader: SegmentReader;
  /** Offsets of the invalid lines, as reported. */
  readonly bad: number[];
}

async function openReader(text: string, offset = 0): Promise<Opened> {
  const path = join(await tempDir(), 'segment');
  writeFileSync(path, text);
  const bad: number[] = [];
  const reader = await SegmentReader.open(path, offset, (at) => bad.push(at));
  onTestFinished(() => reader.close());
  return { path, reader, bad };
}

const jsonOf = ({ entries }: { entries: readonly { json: string }[] }): string[] =>
  entries.map(({ json }) => json);

test('records are read with the source in force, and the header is kept', async () => {
  const lines = [HEADER, source('a'), log(1), 'S{"name":"span"}\n', source('b'), log(2)];
  const { reader } = await openReader(lines.join(''));
  const { entries } = await reader.read();
  expect(entries.map(({ kind, json, source: text }) => [kind, json, text])).toEqual([
    ['L', '{"n":1}', '"resource":{"name":"a"},"scope":{"name":"s"}'],
    ['S', '{"name":"span"}', '"resource":{"name":"a"},"scope":{"name":"s"}'],
    ['L', '{"n":2}', '"resource":{"name":"b"},"scope":{"name":"s"}'],
  ]);
  expect(reader.header).toEqual({ version: 1, destinations: ['holder'] });
});

test('a batch is read again until the reader advances', async () => {
  const { reader } = await openReader(HEADER + log(1) + log(2));
  const first = await reader.read(1);
  expect(jsonOf(first)).toEqual(['{"n":1}']);
  expect(jsonOf(await reader.read(1))).toEqual(['{"n":1}']);
  expect([reader.index, (await reader.count(reader.position)).records]).toEqual([0, 2]);
  await reader.advance(first.next);
  expect([reader.index, (await reader.count(reader.position)).records]).toEqual([1, 1]);
  expect(jsonOf(await reader.read(1))).toEqual(['{"n":2}']);
});

test('a reader that opens at an offset knows the source from before it', async () => {
  const before = HEADER + source('a') + log(1);
  const { reader, bad } = await openReader(`${before}${log(2)}`, before.length);
  expect((await reader.read()).entries).toEqual([
    { kind: 'L', json: '{"n":2}', source: '"resource":{"name":"a"},"scope":{"name":"s"}' },
  ]);
  expect(bad).toEqual([]);
});

test('data after the last newline is read once it is complete', async () => {
  const { path, reader } = await openReader(`${HEADER}${log(1)}L{"n":`);
  const first = await reader.read();
  expect(jsonOf(first)).toEqual(['{"n":1}']);
  await reader.advance(first.next);
  expect(jsonOf(await reader.read())).toEqual([]);
  appendFileSync(path, '2}\n');
  expect(jsonOf(await reader.read())).toEqual(['{"n":2}']);
});

test('invalid lines are skipped and reported with their offset', async () => {
  const lines = [HEADER, 'nonsense\n', log(1), 'L{"half":\n', 'C{"scope":1}\n', log(2)];
  const { reader, bad } = await openReader(lines.join(''));
  expect(jsonOf(await reader.read())).toEqual(['{"n":1}', '{"n":2}']);
  const offsetOf = (index: number): number => lines.slice(0, index).join('').length;
  expect(bad).toEqual([offsetOf(1), offsetOf(3), offsetOf(4)]);
});

test('a cursor past the end of a truncated segment waits for later records', async () => {
  const text = HEADER + log(1);
  const { path, reader } = await openReader(text, text.length + 100);
  expect(reader.position).toBe(text.length + 100);
  expect(jsonOf(await reader.read())).toEqual([]);
  truncateSync(path, text.length + 100);
  appendFileSync(path, log(2));
  expect(jsonOf(await reader.read())).toEqual(['{"n":2}']);
});

test('a block of NUL, as a power cut leaves one, takes no record before or after it', async () => {
  const nul = '\0'.repeat(4096);
  const text = [HEADER, source('a'), log(1), nul, log(2), nul, '"n":3}\n', log(4), nul].join('');
  const { reader, bad } = await openReader(text);
  const batch = await reader.read();
  expect(jsonOf(batch)).toEqual(['{"n":1}', '{"n":2}', '{"n":4}']);
  expect(bad).toEqual([text.indexOf('"n":3}')]);
  await reader.advance(batch.next);
  expect(jsonOf(await reader.read())).toEqual([]);
  expect(reader.tornAt).toBe(text.lastIndexOf(nul));
});

test('nothing behind the given offset is read', async () => {
  const to = (HEADER + log(1)).length;
  const { reader } = await openReader(HEADER + log(1) + log(2));
  expect(jsonOf(await reader.read(10, to))).toEqual(['{"n":1}']);
  expect(jsonOf(await reader.read(10))).toEqual(['{"n":1}', '{"n":2}']);
});
