import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withFile, writeWhole } from '../../src/system/descriptor.ts';
import { tempDir } from '../support/log-dir.ts';

test('bytes are written at the end, or into a new file', async () => {
  const path = join(await tempDir(), 'file');
  writeFileSync(path, 'old ');
  const counts: number[] = [];
  await withFile(path, 'a', (fd) => writeWhole(fd, Buffer.from('new'), (count) => counts.push(count)));
  expect(readFileSync(path, 'utf8')).toBe('old new');
  expect(counts.at(-1)).toBe(3);
  const taken = withFile(path, 'wx', (fd) => writeWhole(fd, Buffer.from('x')));
  await expect(taken).rejects.toMatchObject({ code: 'EEXIST' });
  await withFile(`${path}2`, 'wx', (fd) => writeWhole(fd, Buffer.from('x')));
  expect(readFileSync(`${path}2`, 'utf8')).toBe('x');
});

test.runIf(process.platform === 'linux')(
  'the file is closed after a success and after an error',
  async () => {
    const path = join(await tempDir(), 'file');
    const before = readdirSync('/proc/self/fd').length;
    expect(await withFile(path, 'a', async () => 7)).toBe(7);
    const failing = withFile(path, 'r', async (fd) => writeWhole(fd, Buffer.from('x')));
    await expect(failing).rejects.toMatchObject({ code: 'EBADF' });
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  },
);
