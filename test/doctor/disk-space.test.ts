import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDiskSpace, judgeSpace } from '../../src/doctor/disk-space.ts';
import { subjectOf } from './subject.ts';

const MIB = 1_048_576;
const GIB = 1024 * MIB;
const PLENTY = { freeBytes: 50 * GIB, bytes: 100 * GIB, freeFiles: 900_000, files: 1_000_000 };

test.each([
  [{}, ['ok 50.0 GiB free (50 %)']],
  [{ freeBytes: GIB - 1, bytes: 2 * GIB }, ['warning the disk is nearly full: 1024.0 MiB free (49 %)']],
  [{ freeBytes: 4 * GIB }, ['warning the disk is nearly full: 4.0 GiB free (4 %)']],
  [{ freeBytes: 64 * MIB, bytes: 128 * MIB }, ['warning the disk is nearly full: 64.0 MiB free (50 %)']],
  [{ freeBytes: 64 * MIB - 1, bytes: 128 * MIB }, ['problem the disk is full: 64.0 MiB free (49 %)']],
  [{ freeBytes: 0 }, ['problem the disk is full: 0 B free (0 %)']],
  [{ freeFiles: 40_000 }, ['warning the disk is nearly full: 40000 files (inodes) left']],
  [{ freeFiles: 999 }, ['problem the disk is full: 999 files (inodes) left']],
  [{ freeFiles: 0, files: 0 }, ['ok 50.0 GiB free (50 %)']],
  [
    { freeBytes: 0, freeFiles: 0 },
    ['problem the disk is full: 0 B free (0 %)', 'problem the disk is full: 0 files (inodes) left'],
  ],
])('%j is judged by bytes and by files', (space, expected) => {
  const found = judgeSpace('/logs', { ...PLENTY, ...space });
  expect(found.map(({ level, what }) => `${level} ${what}`)).toEqual(expected);
  for (const { level, advice } of found) expect(advice === null).toBe(level === 'ok');
});

test('the disk of the nearest existing directory is checked, and each disk once', async () => {
  const subject = subjectOf();
  expect(await checkDiskSpace(subject)).toHaveLength(1);
  mkdirSync(join(subject.config.logDir, '_workflow'), { recursive: true });
  const [found] = await checkDiskSpace(subject);
  expect(found?.where).toBe(subject.config.logDir);
  expect(found?.what).toMatch(/\d free|free \(\d+ %\)/);
});
