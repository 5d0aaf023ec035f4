import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../src/books.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { FsyncMode } from '../../src/model/fsync-mode.ts';
import { nextTick, record, SOURCE, takeAll, tempDir } from '../support/journal-records.ts';
import { DEADLINE, until } from '../support/until.ts';

/** Mocks a disk whose syncs fail or take long, which a test cannot make, and counts them. */
const disk = vi.hoisted(() => ({
  fails: 0,
  syncs: 0,
  waiting: undefined as (() => void)[] | undefined,
  closeFails: false,
}));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return {
    ...actual,
    closeSync: (fd: number) => {
      actual.closeSync(fd);
      if (disk.closeFails) throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' });
    },
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      disk.syncs += 1;
      if (disk.fails > 0) {
        disk.fails -= 1;
        setImmediate(() => done(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' })));
      } else if (disk.waiting === undefined) actual.fdatasync(fd, done);
      else disk.waiting.push(() => actual.fdatasync(fd, done));
    },
  };
});

afterEach(() => {
  Object.assign(disk, { fails: 0, syncs: 0, waiting: undefined, closeFails: false });
});

async function open(fsync: FsyncMode): Promise<{ directory: string; journal: Journal; books: Books }> {
  const directory = await tempDir();
  const books = new Books();
  const journal = new Journal({ directory, destinations: ['holder'], books, fsync });
  onTestFinished(async () => {
    for (const go of disk.waiting?.splice(0) ?? []) go();
    disk.waiting = undefined;
    await journal.close();
  });
  return { directory, journal, books };
}

test('those who wait at the same time share a sync', async () => {
  const { journal } = await open('interval');
  await Promise.all(
    [1, 2, 3].map((n) => {
      record(journal, n);
      return journal.synced();
    }),
  );
  expect(disk.syncs).toBe(1);
  await journal.synced();
  expect(disk.syncs).toBe(1);
});

test('with interval, records that nothing waits for are synced soon', async () => {
  const { journal } = await open('interval');
  for (let n = 0; n < 20; n += 1) {
    record(journal, n);
    await nextTick();
  }
  expect(disk.syncs).toBe(0);
  await expect.poll(() => disk.syncs, DEADLINE).toBe(1);
});

test('with never nothing is synced, and waiting only writes', async () => {
  const { directory, journal } = await open('never');
  record(journal, 1);
  await journal.synced();
  expect(disk.syncs).toBe(0);
  const [name = ''] = readdirSync(directory);
  expect(readFileSync(join(directory, name), 'utf8')).toContain('L{"n":1}');
});

test('with always nothing is sent before it is synced', async () => {
  const { journal } = await open('always');
  disk.waiting = [];
  record(journal, 1);
  await nextTick();
  await expect.poll(() => disk.waiting?.length, DEADLINE).toBe(1);
  expect(await journal.next('holder')).toBeUndefined();
  expect(journal.unwritten).toBe(1);
  const waiting = disk.waiting.splice(0);
  disk.waiting = undefined;
  record(journal, 2);
  await nextTick();
  for (const go of waiting) go();
  await journal.synced();
  expect(await takeAll(journal)).toEqual([1, 2]);
  expect(journal.unwritten).toBe(0);
});

test.each(['interval', 'always'] as const)(
  'with %s, records whose sync has failed go to another segment, in order and once',
  async (mode) => {
    const { directory, journal, books } = await open(mode);
    record(journal, 1);
    await journal.synced();
    const [first] = readdirSync(directory);
    disk.fails = 1;
    record(journal, 2);
    record(journal, 3, { ...SOURCE, scope: { name: 'other' } });
    await journal.synced();
    expect(books.snapshot().failedSyncs).toBe(1);
    record(journal, 4);
    await journal.synced();
    expect(readdirSync(directory).filter((name) => name !== first)).toHaveLength(1);
    const batch = await journal.next('holder');
    expect(batch?.entries.map(({ json }) => json)).toEqual(['{"n":1}']);
    if (batch !== undefined) await journal.done('holder', batch);
    const rest = await journal.next('holder');
    expect(rest?.entries.map(({ json, source }) => [json, /"name":"(\w+)"\}$/.exec(source)?.[1]])).toEqual([
      ['{"n":2}', 'test'],
      ['{"n":3}', 'other'],
      ['{"n":4}', 'test'],
    ]);
    expect([...books.reasons]).toEqual([]);
  },
);

test('records that were delivered before their sync has failed are not sent again', async () => {
  const { journal } = await open('interval');
  record(journal, 1);
  journal.flush();
  expect(await takeAll(journal)).toEqual([1]);
  disk.fails = 1;
  record(journal, 2);
  await journal.synced();
  expect(await takeAll(journal)).toEqual([2]);
});

test('while syncs fail the journal says so, and nothing is lost', async () => {
  const { journal, books } = await open('interval');
  disk.fails = 100;
  for (let n = 0; n < 3; n += 1) {
    record(journal, n);
    await journal.synced();
  }
  expect(books.reasons.get('journal sync')).toContain('EIO');
  disk.fails = 0;
  await journal.synced();
  await expect.poll(() => [...books.reasons], DEADLINE).toEqual([]);
  expect(await takeAll(journal)).toEqual([0, 1, 2]);
  expect(books.snapshot().dropped).toEqual({});
});

test.each(['always', 'interval'] as const)(
  'with %s, a close that fails reaches no caller, and none waits for ever',
  async (fsync) => {
    const { journal, books } = await open(fsync);
    record(journal, 1);
    await journal.synced();
    Object.assign(disk, { closeFails: true, fails: 1 });
    record(journal, 2);
    await journal.synced();
    record(journal, 3);
    await journal.synced();
    // Cursors are written to files of their own.
    disk.closeFails = false;
    const taken: (number | string)[] = [];
    await until(async () => {
      taken.push(...(await takeAll(journal)));
      return taken.length >= 3;
    }, 'all records');
    expect(taken).toEqual([1, 2, 3]);
    expect(books.snapshot().dropped).toEqual({});
  },
);
