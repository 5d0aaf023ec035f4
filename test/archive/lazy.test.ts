import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '..', '..', 'src');

test('the SDK is loaded with the first upload', () => {
  const texts = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, text: readFileSync(join(SRC, name), 'utf8') }));
  const loading = texts.filter(({ text }) => text.includes("from '@aws-sdk/"));
  expect(loading.map(({ name }) => name)).toEqual(['archive/s3-bucket.ts']);
  const using = texts.filter(({ text }) => text.includes("/s3-bucket.ts'"));
  expect(using.map(({ name }) => name).sort()).toEqual([
    'archive/archive.ts',
    'cli/verify/s3-objects.ts',
    'doctor/bucket.ts',
  ]);
  for (const { text } of using) {
    expect(text).toMatch(/(?:await|=>) import\('[./a-z]*\/s3-bucket\.ts'\)/);
    expect(text).not.toMatch(/from '[./a-z]*\/s3-bucket\.ts'/);
  }
});
