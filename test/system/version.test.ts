import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { readVersion } from '../../src/system/version.ts';
import { tempDir } from '../serve/log-server.ts';

test('the version is that of package.json', () => {
  const file = new URL('../../package.json', import.meta.url);
  expect(readVersion()).toBe((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version);
});

test('in a bundle the version is unknown: there is no package.json, or that of another program', async () => {
  const dir = await tempDir();
  expect(readVersion(pathToFileURL(`${dir}/package.json`))).toBe('unknown');
  const other = new URL('../../node_modules/zod/package.json', import.meta.url);
  expect(readVersion(other)).toBe('unknown');
});
