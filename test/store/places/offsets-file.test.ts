import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  checkOffsets,
  INDEXED_BYTES,
  readOffsets,
  refreshOffsets,
} from '../../../src/store/places/offsets-file.ts';
import { openBytes } from '../../../src/store/places/stored-bytes.ts';
import { LineFile } from '../../../src/store/write/lines/line-file.ts';
import { eventKey } from '../../../src/store/write/lines/line-keys.ts';
import { tempDir } from '../../support/log-dir.ts';

const line = (n: number): { id: string; timestamp: string; text: string } => {
  const fields = { timestamp: '2026-01-02T03:04:05.000Z', event_id: `id-${n}` };
  return {
    id: fields.event_id,
    timestamp: fields.timestamp,
    text: JSON.stringify({ ...fields, content: 'x'.repeat(200) }),
  };
};

async function indexOf(path: string): Promise<{ lines: number; size: number } | undefined> {
  const bytes = await openBytes({ path, what: 'a file' });
  if (bytes === undefined) return undefined;
  try {
    const index = await readOffsets({ path, what: 'a file' }, bytes.identity, (await bytes.size()) ?? 0);
    return index && { lines: index.lines, size: index.size };
  } finally {
    await bytes.close();
  }
}

test('a file that is written has an index once it is large, which grows with it', async () => {
  const path = join(await tempDir(), 'a.jsonl');
  const file = await LineFile.open(path, eventKey, { isFollowed: true });
  let count = 0;
  const write = async (lines: number): Promise<void> => {
    await file.append(Array.from({ length: lines }, (_, n) => line(count + n)));
    count += lines;
  };
  await write(100);
  expect(existsSync(`${path}.offsets`)).toBe(false);
  for (let round = 0; round < 60; round += 1) await write(200);
  const { lines = 0 } = (await indexOf(path)) ?? {};
  expect(lines).toBeGreaterThan(4_000);
  await file.settle();
  expect(await indexOf(path)).toEqual({ lines: count, size: readFileSync(path).length });
});

test('an index that is damaged, or that of another file, is not used and is made again', async () => {
  const path = join(await tempDir(), 'a.jsonl');
  const text = Array.from({ length: 5_000 }, (_, n) => `${line(n).text}\n`).join('');
  expect(text.length).toBeGreaterThan(INDEXED_BYTES);
  writeFileSync(path, text);
  const whole = { lines: 5_000, size: text.length };
  const damages: readonly (() => void)[] = [
    () => truncateSync(`${path}.offsets`, 100),
    () => writeFileSync(`${path}.offsets`, ''),
    () => {
      const bytes = readFileSync(`${path}.offsets`);
      bytes[bytes.length - 50] = (bytes[bytes.length - 50] ?? 0) ^ 1;
      writeFileSync(`${path}.offsets`, bytes);
    },
    () => truncateSync(path, 2_000_000 < text.length ? 2_000_000 : text.length - 10),
    () => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
    () => rmSync(`${path}.offsets`),
  ];
  for (const damage of damages) {
    writeFileSync(path, text);
    await refreshOffsets(path);
    expect(await indexOf(path)).toEqual(whole);
    damage();
    expect(await indexOf(path)).toBeUndefined();
    writeFileSync(path, text);
    await refreshOffsets(path);
    expect(await indexOf(path)).toEqual(whole);
  }
  appendFileSync(path, `${line(5_000).text}\n`);
  await refreshOffsets(path);
  expect((await indexOf(path))?.lines).toBe(5_001);
});

test('a check tells an index of this file from a wrong, a damaged and another one', async () => {
  const path = join(await tempDir(), 'a.jsonl');
  const check = () => checkOffsets({ path, what: 'a file' });
  const text = Array.from({ length: 5_000 }, (_, n) => `${line(n).text}\n`).join('');
  writeFileSync(path, text);
  expect(await check()).toBeUndefined();
  await refreshOffsets(path);
  expect(await check()).toBe('right');
  appendFileSync(path, `${line(5_000).text}\n`);
  expect(await check()).toBe('right');
  // Changed in place by another program: the same ids at other offsets, or other lines.
  for (const other of [
    text.replace('xxx', 'x'),
    text.replace('id-4000', 'id-4xxx'),
    text.slice(0, 1_200_000),
  ]) {
    writeFileSync(path, other);
    expect(await check()).toBe('wrong');
  }
  writeFileSync(path, text);
  expect(await check()).toBe('right');
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  expect(await check()).toBe('other');
  const bytes = readFileSync(`${path}.offsets`);
  for (const damaged of [bytes.subarray(0, 100), Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(500, 10)]) {
    writeFileSync(`${path}.offsets`, damaged);
    expect(await check()).toBe('damaged');
  }
});
