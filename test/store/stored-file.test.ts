import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  isOwnFolder,
  lstatStored,
  openStored,
  readStoredObject,
  readStoredValue,
} from '../../src/store/stored-file.ts';
import { tempDir } from '../support/log-dir.ts';

const named = (path: string): { path: string; what: string } => ({ path, what: 'the file' });

test('a regular file is opened with its size', async () => {
  const path = join(await tempDir(), 'file');
  writeFileSync(path, '{"a":1}');
  const opened = await openStored(named(path));
  expect(opened?.size).toBe(7);
  await opened?.handle.close();
});

test('a missing file, a directory, a symbolic link and a pipe count as missing', async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, 'file'), '{}');
  mkdirSync(join(dir, 'folder'));
  symlinkSync('file', join(dir, 'link'));
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  for (const name of ['missing', 'folder', 'link', 'pipe', 'file/below']) {
    expect(await openStored(named(join(dir, name)))).toBeUndefined();
    expect(await readStoredValue(named(join(dir, name)))).toBeUndefined();
  }
});

test.each([
  ['{"a":1}', { a: 1 }, { a: 1 }],
  ['[1]', [1], undefined],
  ['null', null, undefined],
  ['{"a":', null, undefined],
  ['', null, undefined],
])('the text %j is the value %j and the object %j', async (text, value, object) => {
  const path = join(await tempDir(), 'file');
  writeFileSync(path, text);
  expect(await readStoredValue(named(path))).toEqual(value);
  expect(await readStoredObject(named(path))).toEqual(object);
});

test('a file that does not fit into a string counts as damaged', async () => {
  const path = join(await tempDir(), 'giant');
  writeFileSync(path, '{');
  // A sparse file.
  truncateSync(path, 600 * 1_048_576);
  expect(await readStoredValue(named(path))).toBeNull();
});

test.skipIf(process.getuid?.() === 0)(
  'a file without read permission is an error that names it',
  async () => {
    const path = join(await tempDir(), 'file');
    writeFileSync(path, '{}');
    chmodSync(path, 0);
    await expect(readStoredObject(named(path))).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'the file cannot be read: EACCES',
    });
  },
);

test('a folder is own when neither it nor its parent is a symbolic link', async () => {
  const dir = await tempDir();
  mkdirSync(join(dir, 'year', 'month'), { recursive: true });
  symlinkSync('year', join(dir, 'other'));
  symlinkSync('month', join(dir, 'year', 'linked'));
  writeFileSync(join(dir, 'year', 'file'), '');
  expect(await isOwnFolder(join(dir, 'year', 'month'), 'x', 2)).toBe(true);
  for (const path of ['other/month', 'year/linked', 'year/file', 'year/missing'])
    expect(await isOwnFolder(join(dir, path), 'x', 2)).toBe(false);
  expect((await lstatStored(named(join(dir, 'other'))))?.isSymbolicLink()).toBe(true);
  expect(await lstatStored(named(join(dir, 'missing')))).toBeUndefined();
});
