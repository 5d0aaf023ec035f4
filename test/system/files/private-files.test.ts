import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makePrivateDirectory, replacePrivateFile } from '../../../src/system/files/private-files.ts';
import { tempDir } from '../../support/log-dir.ts';

test('a private file is replaced as a whole, a link in its place by a file', async () => {
  const dir = await tempDir();
  const path = join(dir, 'a.json');
  await writeFile(join(dir, 'target'), 'kept');
  await symlink(join(dir, 'target'), path);
  await Promise.all(['one', 'two', 'three'].map((text) => replacePrivateFile(path, text)));
  expect(['one', 'two', 'three']).toContain(await readFile(path, 'utf8'));
  expect((await lstat(path)).isFile()).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(join(dir, 'target'), 'utf8')).toBe('kept');
  expect((await readdir(dir)).sort()).toEqual(['a.json', 'target']);
});

test('a failed replacement leaves the old value and no temporary file', async () => {
  const dir = await tempDir();
  await mkdir(join(dir, 'a.json', 'x'), { recursive: true });
  await expect(replacePrivateFile(join(dir, 'a.json'), 'new')).rejects.toThrow(/E[A-Z]+/);
  expect(await readdir(dir)).toEqual(['a.json']);
});

test('a private directory is never one behind a link, or a file', async () => {
  const dir = await tempDir();
  await symlink(dir, join(dir, 'link'));
  await writeFile(join(dir, 'file'), '');
  for (const name of ['link', 'file']) {
    await expect(makePrivateDirectory(join(dir, name))).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_UNUSABLE',
    });
  }
  await makePrivateDirectory(join(dir, 'own'));
  await makePrivateDirectory(join(dir, 'own'));
  expect((await stat(join(dir, 'own'))).mode & 0o777).toBe(0o700);
});
