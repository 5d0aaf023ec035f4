import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isTempNameOf, makeDirectory, replaceFile } from '../../src/store/durable.ts';
import { compiledStore } from './compiled.ts';
import { tempDir } from './log-dir.ts';

test('a file is replaced whole, and nothing else is left', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  await replaceFile(path, 'old');
  await replaceFile(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readdirSync(dir)).toEqual(['metadata.json']);
});

test('a write that fails leaves the old value and no temp file', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  await replaceFile(path, 'old');
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new RangeError('no more');
  }
  await expect(replaceFile(path, broken())).rejects.toThrow('no more');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(dir)).toEqual(['metadata.json']);
});

test('a rename that fails leaves what was there, and no temp file', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  mkdirSync(path);
  await expect(replaceFile(path, 'new')).rejects.toMatchObject({ code: 'EISDIR' });
  expect(readdirSync(dir)).toEqual(['metadata.json']);
  rmdirSync(path);
});

test('temp names are those of the file alone', () => {
  expect(isTempNameOf('.metadata.json.12.tmp', 'metadata.json')).toBe(true);
  expect(isTempNameOf('.metadata.json.12.tmp', '/a/01-input.json')).toBe(false);
  expect(isTempNameOf('metadata.json', 'metadata.json')).toBe(false);
});

test('a directory is made with all that lead to it, also when it is there', async () => {
  const path = join(await tempDir(), 'a', 'b', 'c');
  await makeDirectory(path);
  await makeDirectory(path);
  expect(readdirSync(path)).toEqual([]);
});

test('a reader never sees half a document, nor none', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  const letters = ['a', 'b', 'c'];
  writeFileSync(path, letters[0]?.repeat(300_000) ?? '');
  const child = spawnWriter(path);
  const seen = new Set<string>();
  const end = Date.now() + 10_000;
  try {
    for (let reads = 0; (reads < 300 || seen.size < 2) && Date.now() < end; reads += 1) {
      const text = readFileSync(path, 'utf8');
      expect(text.length).toBe(300_000);
      const letter = text.charAt(0);
      expect(text === letter.repeat(300_000)).toBe(true);
      seen.add(letter);
    }
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  // Otherwise the reader has raced nobody.
  expect(seen.size).toBeGreaterThan(1);
});

function spawnWriter(path: string): ChildProcess {
  const script = `
    import { replaceFile } from '${compiledStore()}/store/durable.js';
    for (let round = 0; ; round += 1) await replaceFile(process.argv[1], 'abc'[round % 3].repeat(300_000));
  `;
  return spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: 'inherit' });
}
