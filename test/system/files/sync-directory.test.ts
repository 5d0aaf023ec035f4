import { rmSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import { syncDirectory, syncMoment, wasSyncedSince } from '../../../src/system/files/sync-directory.ts';
import { tempDir } from '../../support/log-dir.ts';

const disk = vi.hoisted(() => ({ syncs: 0, fails: 0 }));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return {
    ...actual,
    fsync: (fd: number, done: (error: Error | null) => void) => {
      disk.syncs += 1;
      if (disk.fails > 0) {
        disk.fails -= 1;
        setImmediate(() => done(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' })));
      } else actual.fsync(fd, done);
    },
  };
});

beforeEach(() => {
  disk.syncs = 0;
  disk.fails = 0;
});

test('calls that come while a directory is synced share the next sync', async () => {
  const dir = await tempDir();
  await Promise.all([dir, dir, dir, dir].map((path) => syncDirectory(path)));
  expect(disk.syncs).toBe(2);
  await syncDirectory(dir);
  expect(disk.syncs).toBe(3);
});

test('each directory has its own sync', async () => {
  const dirs = [await tempDir(), await tempDir()];
  await Promise.all(dirs.map((path) => syncDirectory(path)));
  expect(disk.syncs).toBe(2);
});

test('a sync that fails fails for those who wait for the next one, and not for later ones', async () => {
  const dir = await tempDir();
  disk.fails = 1;
  const results = await Promise.allSettled([dir, dir].map((path) => syncDirectory(path)));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await syncDirectory(dir);
  expect(disk.syncs).toBe(2);
});

test('a missing directory is an error', async () => {
  const dir = await tempDir();
  rmSync(dir, { recursive: true });
  await expect(syncDirectory(dir)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('names that were made before a sync began are durable after it', async () => {
  const dir = await tempDir();
  const before = syncMoment();
  expect(wasSyncedSince(dir, before)).toBe(false);
  const running = syncDirectory(dir);
  const meanwhile = syncMoment();
  await running;
  expect(wasSyncedSince(dir, before)).toBe(true);
  expect(wasSyncedSince(dir, meanwhile)).toBe(false);
});

test('a sync that has failed says nothing, nor does one before it', async () => {
  const dir = await tempDir();
  const before = syncMoment();
  await syncDirectory(dir);
  disk.fails = 1;
  await expect(syncDirectory(dir)).rejects.toMatchObject({ code: 'EIO' });
  expect(wasSyncedSince(dir, before)).toBe(false);
});
