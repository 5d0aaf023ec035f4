import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../../src/books.ts';
import type { FsyncMode } from '../../../src/model/fsync-mode.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { LineSync } from '../../../src/store/write/lines/line-sync.ts';
import { newStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, span, spanId } from '../../support/records.ts';

/** Mocks a disk whose syncs fail, which a test cannot make, and notes what was synced. */
const disk = vi.hoisted(() => ({ fails: 0, fsyncFails: 0, synced: [] as number[], folders: [] as number[] }));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  const failure = (): Error => Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
  return {
    ...actual,
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      disk.synced.push(actual.fstatSync(fd).ino);
      if (disk.fails > 0) {
        disk.fails -= 1;
        setImmediate(() => done(failure()));
      } else actual.fdatasync(fd, done);
    },
    fsync: (fd: number, done: (error: Error | null) => void) => {
      const stats = actual.fstatSync(fd);
      if (stats.isDirectory()) disk.folders.push(stats.ino);
      if (disk.fsyncFails > 0) {
        disk.fsyncFails -= 1;
        setImmediate(() => done(failure()));
      } else actual.fsync(fd, done);
    },
  };
});

afterEach(() => {
  Object.assign(disk, { fails: 0, fsyncFails: 0, synced: [], folders: [] });
});

const line = (n: number): Buffer => Buffer.from(`{"n":${n}}\n`);

async function open(mode?: FsyncMode, writing = 1): Promise<{ dir: string; books: Books; sync: LineSync }> {
  const books = new Books();
  return { dir: await tempDir(), books, sync: new LineSync({ mode, books, writing: () => writing }) };
}

test('a commit syncs each file of its unit once, and the directory of a new one', async () => {
  const { dir, sync } = await open();
  // Without it a busy machine begins a second group between two of the lines.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const writer = sync.of('task a');
  for (let n = 0; n < 5; n += 1) await writer.append(join(dir, 'a'), line(n));
  await writer.append(join(dir, 'b'), line(5));
  await sync.commit(new Set(['task a']));
  expect(disk.synced).toHaveLength(2);
  expect(disk.folders).toHaveLength(1);
  await writer.append(join(dir, 'a'), line(6));
  await sync.commit(new Set(['task a']));
  expect(disk.synced).toHaveLength(3);
  expect(disk.folders).toHaveLength(1);
});

test('requests that write at the same time share a sync', async () => {
  const { dir, sync } = await open('always', 3);
  await Promise.all(
    [1, 2, 3].map(async (n) => {
      await sync.of('task a').append(join(dir, 'a'), line(n));
      await sync.commit(new Set(['task a']));
    }),
  );
  expect(disk.synced).toHaveLength(1);
});

test('a commit without new lines waits for the sync of those that another request has written', async () => {
  const { dir, sync } = await open(undefined, 2);
  await sync.of('task a').append(join(dir, 'a'), line(1));
  // The record came twice: its line is there, and not synced yet.
  await sync.commit(new Set(['task a']));
  expect(disk.synced).toHaveLength(1);
});

test('with never nothing is synced', async () => {
  const { dir, sync } = await open('never');
  await sync.of('task a').append(join(dir, 'a'), line(1));
  await sync.commit(new Set(['task a']));
  await sync.flush();
  expect(disk.synced).toHaveLength(0);
  expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('{"n":1}\n');
});

test('a file whose sync has failed is written into a new file before the commit ends', async () => {
  const { dir, books, sync } = await open();
  const path = join(dir, 'a');
  await sync.of('task a').append(path, line(1));
  await sync.commit(new Set(['task a']));
  const { ino } = statSync(path);
  disk.fails = 1;
  await sync.of('task a').append(path, line(2));
  await sync.commit(new Set(['task a']));
  expect(statSync(path).ino).not.toBe(ino);
  expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
  expect(books.snapshot().failedSyncs).toBe(1);
  expect([...books.reasons]).toEqual([]);
  expect([...books.notices.keys()]).toEqual(['store sync']);
});

test('lines that the kernel has dropped after a failed sync come from memory', async () => {
  const { dir, sync } = await open();
  const path = join(dir, 'a');
  await sync.of('task a').append(path, line(1));
  await sync.commit(new Set(['task a']));
  disk.fails = 1;
  disk.fsyncFails = 1;
  await sync.of('task a').append(path, line(2));
  await expect(sync.commit(new Set(['task a']))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  // What is read after the failure, from the same inode.
  writeFileSync(path, Buffer.concat([line(1), Buffer.alloc(line(2).length)]), { flag: 'r+' });
  await sync.commit(new Set(['task a']));
  expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
});

test('while a file cannot be synced, commits and appends are refused, and other units go on', async () => {
  const { dir, books, sync } = await open();
  const path = join(dir, 'a');
  disk.fails = 1;
  disk.fsyncFails = 4;
  await sync.of('task a').append(path, line(1));
  await expect(sync.commit(new Set(['task a']))).rejects.toThrow('EIO');
  expect(books.reasons.get('store sync')).toContain('1 file');
  await expect(sync.of('task a').append(path, line(2))).rejects.toMatchObject({ retryable: true });
  await expect(sync.commit(new Set(['task a']))).rejects.toThrow('EIO');
  await sync.commit(new Set(['task b']));
  await sync.retry();
  expect(books.reasons.has('store sync')).toBe(true);
  await sync.retry();
  expect([...books.reasons]).toEqual([]);
  await sync.of('task a').append(path, line(2));
  await sync.commit(new Set(['task a']));
  expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
});

test('lines are synced a moment after a request waits for them, and later where none does', async () => {
  const { dir, sync } = await open(undefined, 2);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const writer = sync.of('task a');
  await writer.append(join(dir, 'a'), line(1));
  vi.advanceTimersByTime(100);
  const committed = sync.commit(new Set(['task a']));
  expect(disk.synced).toHaveLength(0);
  vi.advanceTimersByTime(5);
  expect(disk.synced).toHaveLength(1);
  await committed;
  await writer.append(join(dir, 'a'), line(2));
  vi.advanceTimersByTime(200);
  expect(disk.synced).toHaveLength(2);
  await sync.flush();
});

test('the folder of a new task is synced once for its lines and its documents', async () => {
  const { store, dir } = await newStore();
  const queued = log({ event: 'tasktrail.task.metadata', id: eventId(1), body: { status: 'queued' } });
  await store.ingest({ logs: [queued], spans: [span({ id: spanId(1) })] }, TRAIL);
  const folder = statSync(join(dir, 'task-1')).ino;
  expect(disk.folders.filter((inode) => inode === folder)).toHaveLength(1);
});
