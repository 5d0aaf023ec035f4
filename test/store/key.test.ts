import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { ensureTrailKey, readTrailKey } from '../../src/store/key.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { tempDir } from '../support/log-dir.ts';

vi.mock('node:fs/promises', { spy: true });

const KEY = /^[0-9a-f]{64}$/;

test('a key is made once, for the owner alone', async () => {
  const dir = await tempDir();
  expect(await readTrailKey(dir)).toBeUndefined();
  const keys = await Promise.all(Array.from({ length: 8 }, () => ensureTrailKey(dir)));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(KEY);
  expect(await readTrailKey(dir)).toBe(keys[0]);
  expect(readdirSync(dir)).toEqual(['_key']);
  expect(statSync(join(dir, '_key')).mode & 0o777).toBe(0o600);
});

test.each(['EPERM', 'ENOTSUP'])(
  'where hard links are refused with %s, the key is made all the same',
  async (code) => {
    const dir = await tempDir();
    vi.mocked(link).mockImplementation(() => Promise.reject(Object.assign(new Error(code), { code })));
    try {
      const keys = await Promise.all(Array.from({ length: 8 }, () => ensureTrailKey(dir)));
      expect(new Set(keys).size).toBe(1);
      expect(keys[0]).toMatch(KEY);
      expect(statSync(join(dir, '_key')).mode & 0o777).toBe(0o600);
      expect(readdirSync(dir)).toEqual(['_key']);
    } finally {
      vi.mocked(link).mockRestore();
    }
  },
);

test.each([
  ['empty', ''],
  ['cut', 'c0ffee'],
  ['no text', '\u0000'.repeat(64)],
  ['in capitals', 'C0FFEE0000'.repeat(6)],
])('a key that is %s is not used, not replaced, and named with what to do', async (_name, text) => {
  const dir = await tempDir();
  writeFileSync(join(dir, '_key'), text);
  const error = {
    code: 'ERR_DIRECTORY_UNUSABLE',
    message: expect.stringMatching(/_key is not a key.*remove it/),
  };
  await expect(ensureTrailKey(dir)).rejects.toMatchObject(error);
  await expect(DirectoryLock.acquire(dir, () => undefined)).rejects.toMatchObject(error);
  expect(readFileSync(join(dir, '_key'), 'utf8')).toBe(text);
});
