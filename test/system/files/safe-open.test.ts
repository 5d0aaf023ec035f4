import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { withFile, writeWhole } from '../../../src/system/descriptor.ts';
import { makeDirectory, makeNamedDirectory, readText, replaceFile } from '../../../src/system/durable.ts';
import { setFileMode } from '../../../src/system/files/modes.ts';
import { writeNewSync, writeNewText } from '../../../src/system/files/new-file.ts';
import { areRealFolders, checkFolders } from '../../../src/system/files/real-folders.ts';
import { openSafeHandle, openSafeSync, readTextSync } from '../../../src/system/files/safe-open.ts';
import { tempDir } from '../../support/log-dir.ts';

const isPosix = process.platform !== 'win32';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

afterEach(() => setFileMode('0600'));

/** A folder of ours and a file outside it. */
async function insideAndOutside(): Promise<{ readonly dir: string; readonly outside: string }> {
  const top = await tempDir();
  const dir = join(top, 'logs');
  mkdirSync(dir);
  const outside = join(top, 'outside');
  writeFileSync(outside, 'theirs\n');
  return { dir, outside };
}

test.runIf(isPosix)('a link is refused for every access, and what it names stays as it is', async () => {
  const { dir, outside } = await insideAndOutside();
  const link = join(dir, 'link');
  symlinkSync(outside, link);
  for (const access of ['r', 'r+', 'a'] as const) {
    await expect(openSafeHandle(link, access)).rejects.toThrow(
      'link is a symbolic link, which is not followed',
    );
    expect(() => openSafeSync(link, access)).toThrow('symbolic link');
  }
  await expect(withFile(link, 'a', (fd) => writeWhole(fd, Buffer.from('x')))).rejects.toThrow(
    'symbolic link',
  );
  await expect(withFile(link, 'wx', async () => undefined)).rejects.toMatchObject({ code: 'EEXIST' });
  // A link to nothing must not create its target.
  symlinkSync(join(dir, '..', 'created'), join(dir, 'dangling'));
  await expect(withFile(join(dir, 'dangling'), 'a', async () => undefined)).rejects.toThrow('symbolic link');
  expect(() => statSync(join(dir, '..', 'created'))).toThrow('ENOENT');
  expect(readFileSync(outside, 'utf8')).toBe('theirs\n');
});

test.runIf(isPosix)(
  'a document in whose place a link stands is absent, and writing it replaces the link',
  async () => {
    const { dir, outside } = await insideAndOutside();
    const path = join(dir, 'metadata.json');
    symlinkSync(outside, path);
    expect(await readText(path)).toBeUndefined();
    expect(readTextSync(path)).toBeUndefined();
    await replaceFile(path, 'ours\n');
    expect(readFileSync(path, 'utf8')).toBe('ours\n');
    expect(readFileSync(outside, 'utf8')).toBe('theirs\n');
  },
);

test.runIf(isPosix)('temporary files are new: a link under their name is removed, not followed', async () => {
  const { dir, outside } = await insideAndOutside();
  symlinkSync(outside, join(dir, `.doc.${process.pid}.tmp`));
  await replaceFile(join(dir, 'doc'), 'ours\n');
  expect(readFileSync(join(dir, 'doc'), 'utf8')).toBe('ours\n');
  symlinkSync(outside, join(dir, 'cursor.tmp'));
  await writeNewText(join(dir, 'cursor.tmp'), 'ours');
  symlinkSync(outside, join(dir, 'mark'));
  writeNewSync(join(dir, 'mark'), 'ours');
  expect(readFileSync(join(dir, 'cursor.tmp'), 'utf8') + readFileSync(join(dir, 'mark'), 'utf8')).toBe(
    'oursours',
  );
  expect(readFileSync(outside, 'utf8')).toBe('theirs\n');
});

test.runIf(isPosix)('pipes, devices and folders in place of files are refused without waiting', async () => {
  const { dir } = await insideAndOutside();
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  mkdirSync(join(dir, 'folder'));
  for (const name of ['pipe', 'folder']) {
    await expect(openSafeHandle(join(dir, name), 'r')).rejects.toThrow('is not a regular file');
    expect(readTextSync(join(dir, name))).toBeUndefined();
  }
  await expect(openSafeHandle(join(dir, 'pipe'), 'a')).rejects.toThrow('is not a regular file');
  await expect(openSafeHandle('/dev/null', 'a')).rejects.toThrow('null is not a regular file');
  // A pipe with a reader can be opened for writing, and is refused all the same.
  const reader = openSync(join(dir, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  await expect(withFile(join(dir, 'pipe'), 'a', async () => undefined)).rejects.toThrow(
    'is not a regular file',
  );
  closeSync(reader);
});

test.runIf(isPosix)(
  'a folder of ours that is a link is found at each level; the directory above may be one',
  async () => {
    const { dir } = await insideAndOutside();
    const elsewhere = await tempDir();
    mkdirSync(join(elsewhere, '11'));
    mkdirSync(join(dir, '_workflow'));
    symlinkSync(elsewhere, join(dir, '_workflow', '2026'));
    const alias = join(dir, '..', 'alias');
    symlinkSync(dir, alias);
    const month = join(alias, '_workflow', '2026', '11');
    expect(() => checkFolders(month, 3)).toThrow('2026 is a symbolic link');
    expect(() => checkFolders(month, 2)).toThrow('2026 is a symbolic link');
    expect(await areRealFolders(month, 3)).toBe(false);
    checkFolders(month, 1);
    checkFolders(join(alias, '_workflow', '2027', '01'), 3);
    checkFolders(join(alias, '_workflow'), 1);
    expect(await areRealFolders(join(alias, '_workflow'), 1)).toBe(true);
  },
);

test.runIf(isPosix)('files and folders are private, and the setting opens them for reading', async () => {
  const dir = await tempDir();
  await replaceFile(join(dir, 'a'), 'x');
  await withFile(join(dir, 'b'), 'a', (fd) => writeWhole(fd, Buffer.from('x')));
  await makeDirectory(join(dir, 'c'));
  expect(['a', 'b', 'c'].map((name) => modeOf(join(dir, name)))).toEqual(['600', '600', '700']);
  setFileMode('0640');
  await replaceFile(join(dir, 'a'), 'x');
  await makeDirectory(join(dir, 'd', 'e'));
  closeSync(openSafeSync(join(dir, 'f'), 'a'));
  expect(['a', 'd', 'd/e', 'f'].map((name) => modeOf(join(dir, name)))).toEqual(['640', '750', '750', '600']);
  setFileMode('0644');
  await makeNamedDirectory(join(dir, 'g'));
  expect(modeOf(join(dir, 'g'))).toBe('755');
  // A user's own mode of a file that exists is kept.
  chmodSync(join(dir, 'b'), 0o660);
  await withFile(join(dir, 'b'), 'a', (fd) => writeWhole(fd, Buffer.from('y')));
  expect(modeOf(join(dir, 'b'))).toBe('660');
});
