import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { Refusals } from '../../../src/store/write/refusals.ts';
import { tempDir } from '../../support/log-dir.ts';

const FULL = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
const BROKEN = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

interface Disk {
  readonly books: Books;
  readonly refusals: Refusals;
  /** What a new file gets now. */
  error: Error | undefined;
  nowMs: number;
}

async function diskOf(error: Error | undefined): Promise<Disk> {
  const books = new Books();
  const refusals = new Refusals({
    directories: [await tempDir()],
    books,
    now: () => disk.nowMs,
    probe: async () => {
      if (disk.error !== undefined) throw disk.error;
    },
  });
  const disk: Disk = { books, refusals, error, nowMs: 1_000 };
  return disk;
}

test('a disk counts as full until the refused file is written, also when it accepts other writes', async () => {
  const { books, refusals } = await diskOf(FULL);
  await expect(refusals.refuse('task a', FULL)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  refusals.clear('task b');
  expect(books.reasons.get('store')).toMatch(/ENOSPC.*df -i/s);
  refusals.clear('task a');
  expect(books.reasons.size).toBe(0);
});

test('a full disk is well again with the first new file that it takes, though the refused sender never comes again', async () => {
  const disk = await diskOf(FULL);
  const { books, refusals } = disk;
  await expect(refusals.refuse('task a', FULL)).rejects.toThrow('task a');
  expect(await refusals.look()).toBe(false);
  expect(books.reasons.get('store')).toContain('ENOSPC');
  disk.error = undefined;
  expect(await refusals.look()).toBe(true);
  expect(books.reasons.size).toBe(0);
});

test('an error of the disk stays while its sender comes again, and for a while after that', async () => {
  const disk = await diskOf(undefined);
  const { books, refusals } = disk;
  for (let times = 0; times < 3; times += 1) {
    await expect(refusals.refuse('task a', BROKEN)).rejects.toThrow('task a');
    disk.nowMs += 5_900;
    expect(await refusals.look()).toBe(true);
    expect(books.reasons.get('store')).toContain('EIO');
  }
  disk.nowMs += 200;
  await refusals.look();
  expect(books.reasons.size).toBe(0);
});

test('the real directory takes a new file, which is removed again', async () => {
  const books = new Books();
  const dir = await tempDir();
  const refusals = new Refusals({ directories: [dir, `${dir}/not-made-yet`], books, now: () => 0 });
  await expect(refusals.refuse('task a', FULL)).rejects.toThrow('task a');
  expect(await refusals.look()).toBe(true);
  expect(books.reasons.size).toBe(0);
  expect(readdirSync(dir)).toEqual([]);
});

test('an error that Node has no name for is one of the disk: the records wait, and are not refused', async () => {
  const { refusals } = await diskOf(undefined);
  const error = Object.assign(new Error('UNKNOWN: unknown error, write'), { code: 'UNKNOWN', errno: -9_999 });
  await expect(refusals.refuse('task a', error)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
});
