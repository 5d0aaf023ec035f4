import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { directoryId } from '../../src/store/directory-id.ts';
import { tempDir } from '../support/log-dir.ts';

test('a directory keeps the id of the first call', async () => {
  const [one, other] = [await tempDir(), await tempDir()];
  const id = await directoryId(one);
  expect(await directoryId(one)).toBe(id);
  expect(await directoryId(other)).not.toBe(id);
  expect(JSON.parse(await readFile(join(one, '_directory.json'), 'utf8'))).toMatchObject({ id });
});

test.each(['', '{', '[]', '{"id":"../x"}', '{"id":7}'])('an invalid id is replaced: %j', async (text) => {
  const dir = await tempDir();
  await writeFile(join(dir, '_directory.json'), text);
  const id = await directoryId(dir);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await directoryId(dir)).toBe(id);
});
