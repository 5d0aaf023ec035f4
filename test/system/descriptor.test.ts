import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withFile, writeWhole } from '../../src/system/descriptor.ts';
import { tempDir } from '../support/log-dir.ts';

test('bytes are written at the end or in place of the content, by the flags', async () => {
  const path = join(await tempDir(), 'file');
  writeFileSync(path, 'old ');
  const counts: number[] = [];
  await withFile(path, 'a', (fd) => writeWhole(fd, Buffer.from('new'), (count) => counts.push(count)));
  expect(readFileSync(path, 'utf8')).toBe('old new');
  expect(counts.at(-1)).toBe(3);
  await withFile(path, 'w', (fd) => writeWhole(fd, Buffer.from('x')));
  expect(readFileSync(path, 'utf8')).toBe('x');
});

test.runIf(process.platform === 'linux')(
  'the file is closed after a success and after an error',
  async () => {
    const path = join(await tempDir(), 'file');
    const before = readdirSync('/proc/self/fd').length;
    expect(await withFile(path, 'w', async () => 7)).toBe(7);
    const failing = withFile(path, 'r', async (fd) => writeWhole(fd, Buffer.from('x')));
    await expect(failing).rejects.toMatchObject({ code: 'EBADF' });
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  },
);
