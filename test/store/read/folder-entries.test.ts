import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readDayFiles, readEntries } from '../../../src/store/read/folder-entries.ts';
import { tempDir } from '../../support/log-dir.ts';

const named = (path: string): { path: string; what: string } => ({ path, what: 'the folder' });

test('day files are listed oldest first, without links, folders and other names', async () => {
  const dir = await tempDir();
  for (const name of ['2026-01-02.jsonl', '2025-12-31.jsonl', 'notes.jsonl', '2026-01-03.jsonl.gz'])
    writeFileSync(join(dir, name), '');
  mkdirSync(join(dir, '2026-01-04.jsonl'));
  symlinkSync('2026-01-02.jsonl', join(dir, '2026-01-05.jsonl'));
  expect(await readDayFiles(named(dir))).toEqual(['2025-12-31.jsonl', '2026-01-02.jsonl']);
});

test('a missing folder, a file and a symbolic link to a folder have no day files', async () => {
  const dir = await tempDir();
  mkdirSync(join(dir, 'folder'));
  writeFileSync(join(dir, 'folder', '2026-01-02.jsonl'), '');
  symlinkSync('folder', join(dir, 'link'));
  writeFileSync(join(dir, 'file'), '');
  for (const name of ['missing', 'link', 'file'])
    expect(await readDayFiles(named(join(dir, name)))).toEqual([]);
});

test('entries of a missing folder are none, and other errors name the folder', async () => {
  const dir = await tempDir();
  expect(await readEntries(named(join(dir, 'missing')))).toEqual([]);
  await expect(readEntries(named(join(dir, 'x'.repeat(300))))).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
    message: 'the folder cannot be read: ENAMETOOLONG',
  });
});
