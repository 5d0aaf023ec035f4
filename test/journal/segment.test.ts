import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Segment } from '../../src/journal/segment.ts';
import { tempDir } from '../support/journal-records.ts';

async function segmentIn(directory: string): Promise<Segment> {
  const path = join(directory, 'one');
  await writeFile(path, '');
  return new Segment({ directory, id: 'one', path, growing: true, known: ['holder'], onBadLine: () => {} });
}

async function savedIn(directory: string): Promise<unknown> {
  return JSON.parse(await readFile(join(directory, 'one.cursors'), 'utf8'));
}

test('concurrent advances of several destinations are all saved', async () => {
  for (let round = 0; round < 100; round += 1) {
    const directory = await tempDir();
    const segment = await segmentIn(directory);
    const names = ['holder', 'http://one/', 'http://two/'];
    await Promise.all(names.map((name, n) => segment.advance(name, n + round)));
    expect(await savedIn(directory)).toEqual(Object.fromEntries(names.map((name, n) => [name, n + round])));
  }
});

test('an advance resolves after its own cursor is saved, also under concurrent advances', async () => {
  const directory = await tempDir();
  const segment = await segmentIn(directory);
  const advances = Array.from({ length: 200 }, async (_, n) => {
    await segment.advance(`http://${n % 7}/`, n);
    const saved = (await savedIn(directory)) as Record<string, number>;
    expect(saved[`http://${n % 7}/`]).toBeGreaterThanOrEqual(n);
  });
  await Promise.all(advances);
});

test('a failed save rejects every advance that waits for it, and the next save is tried', async () => {
  const directory = await tempDir();
  const segment = await segmentIn(join(directory));
  const gone = new Segment({
    directory: join(directory, 'gone'),
    id: 'one',
    path: join(directory, 'one'),
    growing: true,
    known: ['holder'],
    onBadLine: () => {},
  });
  await expect(gone.advance('holder', 1)).rejects.toThrow('ENOENT');
  await expect(gone.advance('holder', 2)).rejects.toThrow('ENOENT');
  await segment.advance('holder', 3);
  expect(await savedIn(directory)).toEqual({ holder: 3 });
});
