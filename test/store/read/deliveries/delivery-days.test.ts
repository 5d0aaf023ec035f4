import { appendFileSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type DayIndex, indexDay } from '../../../../src/store/read/deliveries/delivery-days.ts';
import { readDelivery } from '../../../../src/store/read/deliveries/delivery-line.ts';
import { countReads } from '../../../support/count-reads.ts';
import { tempDir } from '../../../support/log-dir.ts';

const DAY = '2026-01-02';

function line(second: number, note = ''): string {
  const timestamp = `${DAY}T00:00:${String(second).padStart(2, '0')}.000Z`;
  return `${JSON.stringify({ timestamp, event_id: `id-${second}`, note })}\n`;
}

async function openDay(text: string): Promise<{ path: string; handle: FileHandle }> {
  const path = join(await tempDir(), `${DAY}.jsonl`);
  writeFileSync(path, text);
  const handle = await open(path, 'r');
  onTestFinished(() => handle.close());
  return { path, handle };
}

const rangesOf = ({ blocks }: DayIndex): string[] =>
  blocks.map(({ oldest, newest }) => `${oldest.id}..${newest.id}`);

test('adjacent lines share a block up to its size, with the range of their keys', async () => {
  const wide = 'x'.repeat(70_000);
  const { handle } = await openDay(line(3) + line(1) + line(2, wide) + line(7, wide) + line(5));
  const index = await indexDay(handle, DAY, undefined);
  expect(rangesOf(index)).toEqual(['id-1..id-7', 'id-5..id-5']);
  expect(index.blocks[0]?.end).toBe(index.blocks[1]?.start);
  expect(index.end).toBe(index.size);
});

test('lines that are no deliveries of the day are in no block, and a torn line is left for later', async () => {
  const other = line(4).replace(DAY, '1999-01-01');
  const { handle } = await openDay(`${line(1)}nonsense\n${other}${line(2)}${line(3).slice(0, 30)}`);
  const index = await indexDay(handle, DAY, undefined);
  expect(rangesOf(index)).toEqual(['id-1..id-1', 'id-2..id-2']);
  expect(index.end).toBe(index.size - 30);
});

test('a file that grew is read from the end of its index, and an unchanged one not at all', async () => {
  const { path, handle } = await openDay(line(1));
  const first = await indexDay(handle, DAY, undefined);
  const reads = await countReads();
  expect(await indexDay(handle, DAY, first)).toBe(first);
  expect(reads.calls).toBe(0);
  appendFileSync(path, line(2));
  expect(rangesOf(await indexDay(handle, DAY, first))).toEqual(['id-1..id-2']);
  expect(reads.bytes).toBe(line(2).length);
});

test('a file that was truncated or replaced is indexed again', async () => {
  const { path, handle } = await openDay(line(1) + line(2));
  const first = await indexDay(handle, DAY, undefined);
  writeFileSync(path, line(9));
  expect(rangesOf(await indexDay(handle, DAY, first))).toEqual(['id-9..id-9']);
  const other = await openDay(line(5) + line(6) + line(7));
  expect(rangesOf(await indexDay(other.handle, DAY, first))).toEqual(['id-5..id-7']);
});

test('a delivery needs a time of its day and an id', () => {
  expect(readDelivery(line(1), DAY)).toMatchObject({ at: `${DAY}T00:00:01.000Z`, id: 'id-1' });
  for (const text of ['', '{}', '[]', '{"timestamp":5,"event_id":"x"}', line(1).replace(DAY, '1999-01-01')])
    expect(readDelivery(text, DAY)).toBeUndefined();
});
