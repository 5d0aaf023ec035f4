import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  nextTick,
  openJournal,
  readSegments,
  record,
  segmentsIn,
  takeAll,
  tempDir,
} from '../support/journal-records.ts';
import { until } from '../support/until.ts';

/** Mocks a disk that is full after `room` bytes, which a test cannot create, and counts its writes. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, writes: 0, open: 0 }));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return {
    ...actual,
    openSync: (path: string, flags: string, mode: number) => {
      const fd = actual.openSync(path, flags, mode);
      disk.open += 1;
      return fd;
    },
    closeSync: (fd: number) => {
      disk.open -= 1;
      actual.closeSync(fd);
    },
    writeSync: (fd: number, bytes: Buffer, offset = 0) => {
      disk.writes += 1;
      if (disk.room <= 0)
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      const written = actual.writeSync(fd, bytes, offset, Math.min(bytes.length - offset, disk.room));
      disk.room -= written;
      return written;
    },
  };
});

afterEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
});

test('all records of one tick are one write', async () => {
  const { journal } = openJournal(await tempDir());
  record(journal, 0);
  await nextTick();
  disk.writes = 0;
  for (let n = 1; n <= 100; n += 1) record(journal, n);
  await nextTick();
  expect(disk.writes).toBe(1);
});

test('while the disk is full nothing throws and the books give the reason; afterwards every record is sent in order', {
  tags: 'full',
}, async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory);
  record(journal, 0);
  journal.flush();
  disk.room = 25; // in the middle of a line
  for (let n = 1; n <= 10; n += 1) record(journal, n);
  journal.flush();
  expect(books.reasons.get('journal')).toContain('ENOSPC');
  expect(journal.unwritten).toBe(10);
  for (let n = 11; n <= 20; n += 1) record(journal, n);
  await nextTick();
  expect(journal.unwritten).toBe(20);
  // Complete lines are read, half a line is not.
  expect((await journal.next('holder'))?.entries.length).toBeLessThan(5);
  disk.room = Number.POSITIVE_INFINITY;
  await until(() => journal.unwritten === 0, 'the disk was tried again');
  expect(books.reasons.has('journal')).toBe(false);
  const text = await readSegments(directory);
  expect([...text.matchAll(/^L\{"n":(\d+)\}$/gm)].map((match) => Number(match[1]))).toEqual(
    Array.from({ length: 21 }, (_, n) => n),
  );
});

test('while the disk is full, not every tick retries', async () => {
  const { journal } = openJournal(await tempDir());
  record(journal, 0);
  journal.flush();
  disk.room = 0;
  record(journal, 1);
  await nextTick();
  disk.writes = 0;
  for (let n = 0; n < 20; n += 1) {
    record(journal, n);
    await nextTick();
  }
  expect(disk.writes).toBeLessThan(5);
});

test('a disk that is full from the start leaves no files or descriptors behind', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  const before = disk.open;
  disk.room = 0;
  record(journal, 1);
  for (let attempt = 0; attempt < 5; attempt += 1) journal.flush();
  expect(disk.open).toBe(before);
  expect(await readdir(directory)).toEqual([]);
  disk.room = Number.POSITIVE_INFINITY;
  journal.flush();
  expect(await takeAll(journal)).toEqual([1]);
});

test('a half-written line in a deleted file is written whole into the next one', async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory);
  record(journal, 0);
  journal.flush();
  expect(await takeAll(journal)).toEqual([0]);
  disk.room = 12;
  record(journal, 1);
  record(journal, 2);
  journal.flush();
  const [name = ''] = await segmentsIn(directory);
  await rm(join(directory, name));
  disk.room = Number.POSITIVE_INFINITY;
  journal.flush();
  expect(await readSegments(directory)).toMatch(/L\{"n":1\}\nL\{"n":2\}\n$/);
  expect(books.snapshot().skippedLines).toBe(0);
});

test('waiting records are bounded; those beyond the limit, and those that close cannot write, are counted', async () => {
  const { journal, books } = openJournal(await tempDir());
  disk.room = 0;
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 40; n += 1) record(journal, text);
  const dropped = books.snapshot().dropped.journal_full ?? 0;
  expect(dropped).toBeGreaterThan(5);
  expect(journal.unwritten + dropped).toBe(40);
  await journal.close();
  expect(books.snapshot().dropped).toEqual({ journal_full: 40 });
});

test('close counts only the records of a partial chunk that are incomplete on disk', async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory);
  record(journal, 0);
  journal.flush();
  disk.room = 25;
  for (let n = 1; n <= 5; n += 1) record(journal, n);
  journal.flush();
  record(journal, 6);
  await journal.close();
  expect(books.snapshot().dropped).toEqual({ journal_full: 4 });
  disk.room = Number.POSITIVE_INFINITY;
  const { journal: next } = openJournal(directory);
  await next.claimOrphans();
  expect(await takeAll(next)).toEqual([0, 1, 2]);
});

test('a directory that cannot be made shows in the books, and records are sent once it can', {
  tags: 'full',
}, async () => {
  const directory = join(await tempDir(), '_journal');
  await writeFile(directory, 'a file stands here');
  const { journal, books } = openJournal(directory);
  record(journal, 1);
  await nextTick();
  expect(books.reasons.get('journal')).toContain(directory);
  expect(await journal.claimOrphans()).toBe(0);
  await rm(directory);
  await until(() => journal.unwritten === 0, 'the directory was tried again');
  expect(await takeAll(journal)).toEqual([1]);
  expect(books.reasons.has('journal')).toBe(false);
});
