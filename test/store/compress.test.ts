import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compressTask, isCompressible, restoreTask } from '../../src/store/compress.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { builtUrl } from '../support/built.ts';
import { linesOf, newStore, openStore, tempDir } from '../support/log-dir.ts';
import { outputLog } from '../support/records.ts';

const OUTPUT = '03-agent-output.jsonl';
const TRACE = 'trace.jsonl';

function line(number: number): string {
  const event_id = `id-${String(number).padStart(8, '0')}`;
  return `${JSON.stringify({ timestamp: '2026-01-02T03:04:05.000Z', event_id, content: `é ${number}` })}\n`;
}

function linesUpTo(count: number): string {
  return Array.from({ length: count }, (_, index) => line(index)).join('');
}

async function taskDir(files: Record<string, string>): Promise<{ root: string; dir: string }> {
  const root = await tempDir();
  const dir = join(root, 'task-1');
  mkdirSync(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return { root, dir };
}

async function contents(root: string): Promise<{ text: string; skipped: number } | undefined> {
  const flow = await createReader(root).openFlow('task-1', 'agent-output');
  if (flow === undefined) return undefined;
  let text = '';
  for await (const one of flow.lines()) text += `${one}\n`;
  await flow.close();
  return { text, skipped: flow.skippedLines };
}

test('output and trace are gzipped with their mtime, and other files stay unchanged', async () => {
  const files = {
    [OUTPUT]: linesUpTo(500),
    [TRACE]: line(1),
    'facts.jsonl': line(2),
    'metadata.json': '{}\n',
  };
  const { dir } = await taskDir(files);
  const time = new Date('2026-01-02T03:04:05Z');
  utimesSync(join(dir, OUTPUT), time, time);
  expect(await isCompressible(dir)).toBe(true);
  expect(await compressTask(dir)).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(
    [`${OUTPUT}.gz`, 'facts.jsonl', 'metadata.json', `${TRACE}.gz`].sort(),
  );
  const zcat = execFileSync('gzip', ['-dc', join(dir, `${OUTPUT}.gz`)], { encoding: 'utf8' });
  expect(zcat).toBe(files[OUTPUT]);
  expect(statSync(join(dir, `${OUTPUT}.gz`)).mtime).toEqual(time);
  expect(await isCompressible(dir)).toBe(false);
  expect(await compressTask(dir)).toBe(false);

  await restoreTask(dir, readdirSync(dir));
  expect(readdirSync(dir).sort()).toEqual(Object.keys(files).sort());
  for (const [name, text] of Object.entries(files)) expect(readFileSync(join(dir, name), 'utf8')).toBe(text);
  expect(statSync(join(dir, OUTPUT)).mtime).toEqual(time);
});

test('an empty file and a symbolic link are not gzipped', async () => {
  const { dir } = await taskDir({ [OUTPUT]: '', other: line(1) });
  execFileSync('ln', ['-s', 'other', join(dir, TRACE)]);
  expect(await isCompressible(dir)).toBe(false);
  expect(await compressTask(dir)).toBe(false);
  expect(readdirSync(dir).sort()).toEqual([OUTPUT, 'other', TRACE].sort());
});

test('a reader finds the same lines in either form, and counts the invalid ones', async () => {
  const { root, dir } = await taskDir({ [OUTPUT]: `${linesUpTo(1_000)}torn\n\n${line(1_000)}` });
  const before = await contents(root);
  expect(before).toEqual({ text: linesUpTo(1_001), skipped: 1 });
  await compressTask(dir);
  expect(await contents(root)).toEqual(before);
});

test('when both forms exist, readers and writers use the plain one', async () => {
  const { root, dir } = await taskDir({ [OUTPUT]: linesUpTo(2) });
  writeFileSync(join(dir, `${OUTPUT}.gz`), gzipSync(linesUpTo(1)));
  expect((await contents(root))?.text).toBe(linesUpTo(2));
  await restoreTask(dir, readdirSync(dir));
  expect(readdirSync(dir)).toEqual([OUTPUT]);
  expect((await contents(root))?.text).toBe(linesUpTo(2));
  // Left by a crash before the plain file was removed: made again from it.
  writeFileSync(join(dir, `${OUTPUT}.gz`), 'half of');
  await compressTask(dir);
  expect(readdirSync(dir)).toEqual([`${OUTPUT}.gz`]);
  expect((await contents(root))?.text).toBe(linesUpTo(2));
});

test('a damaged gzipped file is an error that names the task, and a missing one is no error', async () => {
  const { root, dir } = await taskDir({ [OUTPUT]: linesUpTo(5_000) });
  await compressTask(dir);
  const path = join(dir, `${OUTPUT}.gz`);
  const whole = readFileSync(path);
  for (const bytes of [whole.subarray(0, whole.length / 2), Buffer.from('no gzip at all')]) {
    writeFileSync(path, bytes);
    await expect(contents(root)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    await expect(contents(root)).rejects.toThrow('task task-1');
  }
  rmSync(path);
  expect(await contents(root)).toBeUndefined();
});

test('a reader that stops early or is closed during a read leaves no descriptor open', {
  tags: 'full',
}, async () => {
  const { root, dir } = await taskDir({ [OUTPUT]: linesUpTo(50_000) });
  await compressTask(dir);
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  await contents(root);
  const before = descriptors();
  for (let round = 0; round < 20; round += 1) {
    const flow = await createReader(root).openFlow('task-1', 'agent-output');
    for await (const one of flow?.lines() ?? []) {
      if (one !== '') break;
    }
    const pass = flow?.lines()[Symbol.asyncIterator]();
    const pending = pass?.next();
    await flow?.close();
    await pending;
  }
  expect(descriptors()).toBe(before);
});

test('memory stays flat while a large file is gzipped, read and restored', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const { root, dir } = await taskDir({});
  const script = `
    import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
    import { compressTask, restoreTask } from '${builtUrl('store/compress.ts')}';
    import { createReader } from '${builtUrl('store/read/reader.ts')}';
    const [root, dir] = process.argv.slice(1);
    const fd = openSync(dir + '/${OUTPUT}', 'w');
    for (let n = 0; n < 1_500; n += 1) {
      const line = JSON.stringify({ content: String(n).padStart(100_000, 'abcdefg ') });
      writeSync(fd, line + '\\n');
    }
    closeSync(fd);
    const before = process.memoryUsage().rss;
    let peak = 0;
    const timer = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss); }, 5);
    await compressTask(dir);
    const flow = await createReader(root).openFlow('task-1', 'agent-output');
    let lines = 0;
    for await (const line of flow.lines()) lines += line.length > 100_000 ? 1 : 0;
    await flow.close();
    await restoreTask(dir, readdirSync(dir));
    clearInterval(timer);
    console.log(JSON.stringify({ lines, grownMb: (peak - before) / 1_048_576 }));
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, root, dir], {
    encoding: 'utf8',
  });
  const { lines, grownMb } = JSON.parse(out) as { lines: number; grownMb: number };
  expect(lines).toBe(1_500);
  // The file has 150 MB.
  expect(grownMb).toBeLessThan(100);
  expect(statSync(join(dir, OUTPUT)).size).toBeGreaterThan(150_000_000);
});

test('after a kill at any moment, all lines are in one form or the other', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const text = linesUpTo(60_000);
  const seen = new Set<string>();
  for (let kill = 0; kill < 16; kill += 1) {
    const { root, dir } = await taskDir({ [OUTPUT]: text });
    const script = `
      import { readdirSync, writeSync } from 'node:fs';
      import { compressTask, restoreTask } from '${builtUrl('store/compress.ts')}';
      const [dir] = process.argv.slice(1);
      writeSync(1, 'ready');
      for (;;) {
        await compressTask(dir);
        await restoreTask(dir, readdirSync(dir));
      }
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), 5 + kill * 7 + Math.random() * 7);
    await once(child, 'close');
    const names = readdirSync(dir).filter((name) => !name.endsWith('.tmp'));
    seen.add(names.sort().join());
    expect((await contents(root))?.text).toBe(text);
    await restoreTask(dir, readdirSync(dir));
    expect(readFileSync(join(dir, OUTPUT), 'utf8')).toBe(text);
  }
  // Otherwise no kill interrupted the work.
  expect(seen.size).toBeGreaterThan(1);
});

test('a late record of a gzipped task is deduplicated against the gzipped lines', async () => {
  const store = await newStore();
  await store.logs(outputLog(1), outputLog(2));
  const { dir } = store;
  await compressTask(join(dir, 'task-1'));
  expect(existsSync(join(dir, 'task-1', OUTPUT))).toBe(false);
  const again = openStore(dir);
  await again.logs(outputLog(2), outputLog(3));
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(3);
  expect(existsSync(join(dir, 'task-1', `${OUTPUT}.gz`))).toBe(false);
});
