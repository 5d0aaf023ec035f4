import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { operationsFile, queriesFile, shapesFile } from '../../src/build/client-api.ts';

const API = resolve(import.meta.dirname, '../../src/client/api');

test.each([
  ['shapes.ts', shapesFile],
  ['queries.ts', queriesFile],
  ['operations.ts', operationsFile],
])('%s is up to date: npm run docs:rest', async (file, make) => {
  expect(make()).toBe(await readFile(join(API, file), 'utf8'));
});
