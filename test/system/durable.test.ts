import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isTempNameOf, makeDirectory, replaceFile, replaceFiles } from '../../src/system/durable.ts';
import { builtUrl } from '../support/built.ts';
import { tempDir } from '../support/log-dir.ts';

test('a file is replaced as a whole, and no temporary file is left', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  await replaceFile(path, 'old');
  await replaceFile(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readdirSync(dir)).toEqual(['metadata.json']);
});

test('a failed write keeps the old content and leaves no temporary file', async () => {
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

test('a failed rename keeps the old content and leaves no temporary file', async () => {
  const dir = await tempDir();
  const path = join(dir, 'metadata.json');
  mkdirSync(path);
  await expect(replaceFile(path, 'new')).rejects.toMatchObject({ code: 'EISDIR' });
  expect(readdirSync(dir)).toEqual(['metadata.json']);
  rmdirSync(path);
});

test('when files are replaced together, none is new while an earlier one is old', async () => {
  const dir = await tempDir();
  const names = ['first', 'second', 'third'];
  for (const name of names) writeFileSync(join(dir, name), 'old');
  await replaceFiles(dir, [
    { name: 'first', content: 'new' },
    { name: 'second', content: Buffer.from('new') },
  ]);
  expect(names.map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(['new', 'new', 'old']);
  // The second rename fails.
  mkdirSync(join(dir, 'folder'));
  const files = ['first', 'folder', 'third'].map((name) => ({ name, content: 'newer' }));
  await expect(replaceFiles(dir, files)).rejects.toMatchObject({ code: 'EISDIR' });
  expect(names.map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(['newer', 'new', 'old']);
  expect(readdirSync(dir).sort()).toEqual(['first', 'folder', 'second', 'third']);
});

test('when files are replaced together and one cannot be written, none is replaced', async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, 'first'), 'old');
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new RangeError('no more');
  }
  const files = [
    { name: 'first', content: 'new' },
    { name: 'second', content: broken() },
  ];
  await expect(replaceFiles(dir, files)).rejects.toThrow('no more');
  expect(readFileSync(join(dir, 'first'), 'utf8')).toBe('old');
  expect(readdirSync(dir)).toEqual(['first']);
});

test('a temporary name belongs to one file only', () => {
  expect(isTempNameOf('.metadata.json.12.tmp', 'metadata.json')).toBe(true);
  expect(isTempNameOf('.metadata.json.12.tmp', '/a/01-input.json')).toBe(false);
  expect(isTempNameOf('metadata.json', 'metadata.json')).toBe(false);
});

test('a directory is made with its parents and reported as new only when it did not exist', async () => {
  const path = join(await tempDir(), 'a', 'b', 'c');
  expect(await makeDirectory(path)).toBe(true);
  expect(await makeDirectory(path)).toBe(false);
  expect(await makeDirectory(join(path, 'd'))).toBe(true);
  expect(readdirSync(path)).toEqual(['d']);
});

test('a directory is not made in place of a file or below one', async () => {
  const path = join(await tempDir(), 'file');
  writeFileSync(path, '');
  await expect(makeDirectory(path)).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectory(join(path, 'a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test('a reader always sees a complete document', { tags: 'full' }, async () => {
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
  // Otherwise no write overlapped the reads.
  expect(seen.size).toBeGreaterThan(1);
});

function spawnWriter(path: string): ChildProcess {
  const script = `
    import { replaceFile } from '${builtUrl('system/durable.ts')}';
    for (let round = 0; ; round += 1) await replaceFile(process.argv[1], 'abc'[round % 3].repeat(300_000));
  `;
  return spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: 'inherit' });
}
