import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDirectorySync } from '../../../src/system/files/make-directory.ts';
import { tempDir } from '../../support/log-dir.ts';

test('missing levels are made and returned topmost first, existing ones are not', async () => {
  const dir = await tempDir();
  expect(makeDirectorySync(join(dir, 'a', 'b', 'c'))).toEqual([
    join(dir, 'a'),
    join(dir, 'a', 'b'),
    join(dir, 'a', 'b', 'c'),
  ]);
  expect(makeDirectorySync(join(dir, 'a', 'b'))).toEqual([]);
  expect(makeDirectorySync(join(dir, 'a', 'x'))).toEqual([join(dir, 'a', 'x')]);
});

test('the mode is that of every made level', async () => {
  const dir = await tempDir();
  for (const path of makeDirectorySync(join(dir, 'a', 'b'), 0o700))
    expect(statSync(path).mode & 0o777).toBe(0o700);
});

test('a file in place of a level is an error, and nothing is made', async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, 'file'), '');
  expect(() => makeDirectorySync(join(dir, 'file'))).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  expect(() => makeDirectorySync(join(dir, 'file', 'a', 'b'))).toThrow(
    expect.objectContaining({ code: 'ENOTDIR' }),
  );
  expect(readdirSync(dir)).toEqual(['file']);
});

test.runIf(process.platform === 'linux')('a directory that accepts no entries is an error at once', () => {
  expect(() => makeDirectorySync('/proc/tasktrail/journal')).toThrow(
    expect.objectContaining({ code: 'ENOENT' }),
  );
});
