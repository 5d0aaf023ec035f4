import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  lstatIfPresent,
  namesIn,
  openIfPresent,
  statIfPresent,
} from '../../../src/system/files/optional-files.ts';
import { tempDir } from '../../support/log-dir.ts';

test('a missing path, a file in place of a parent and a cycle of links all count as absent', async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, 'file'), 'x');
  symlinkSync('loop', join(dir, 'loop'));
  for (const name of ['missing', 'file/below', 'loop/below']) {
    const path = join(dir, name);
    expect(await namesIn(path)).toEqual([]);
    expect(await statIfPresent(path)).toBeUndefined();
    expect(await lstatIfPresent(path)).toBeUndefined();
    expect(await openIfPresent(path, 'r')).toBeUndefined();
  }
});

test('present files are read, and a link in place of a file is refused', async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, 'file'), 'abc');
  symlinkSync('file', join(dir, 'link'));
  expect((await namesIn(dir)).sort()).toEqual(['file', 'link']);
  expect((await statIfPresent(join(dir, 'link')))?.size).toBe(3);
  expect((await lstatIfPresent(join(dir, 'link')))?.isSymbolicLink()).toBe(true);
  const handle = await openIfPresent(join(dir, 'file'), 'r');
  expect(await handle?.readFile('utf8')).toBe('abc');
  await handle?.close();
  await expect(openIfPresent(join(dir, 'link'), 'r')).rejects.toThrow('link is a symbolic link');
});

test('other errors are thrown', async () => {
  const dir = await tempDir();
  mkdirSync(join(dir, 'folder'));
  await expect(openIfPresent(join(dir, 'folder'), 'r+')).rejects.toMatchObject({ code: 'EISDIR' });
  await expect(namesIn(join(dir, 'x'.repeat(300)))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
});
