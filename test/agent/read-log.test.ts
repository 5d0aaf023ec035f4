import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReadLog } from '../../src/agent/read-log.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tasktrail-reads-'));
  path = join(directory, 'reads');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const NOTHING = { stdout: [], stderr: [] };

test('another process gets the same marks, by stream and in order', async () => {
  const log = new ReadLog(path);
  log.append('stdout', { endBytes: 10, timeMs: 1_000 });
  log.append('stderr', { endBytes: 5, timeMs: 1_001 });
  log.append('stdout', { endBytes: 30, timeMs: 1_002 });
  expect(new ReadLog(path).read()).toEqual({
    stdout: [
      { endBytes: 10, timeMs: 1_000 },
      { endBytes: 30, timeMs: 1_002 },
    ],
    stderr: [{ endBytes: 5, timeMs: 1_001 }],
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  log.close();
  // A log can be closed twice and used again.
  log.close();
  log.append('stdout', { endBytes: 40, timeMs: 1_003 });
  expect(log.read().stdout.at(-1)).toEqual({ endBytes: 40, timeMs: 1_003 });
  log.close();
});

test('an unused log has no marks, and reading it makes no file', async () => {
  expect(new ReadLog(path).read()).toEqual(NOTHING);
  await expect(stat(path)).rejects.toThrow('ENOENT');
});

test('a torn line is skipped, and the line that continues it too', async () => {
  // The line has three words, but the last one may have lost digits.
  await writeFile(path, 'stdout 10 1000\nstdout 20 10');
  expect(new ReadLog(path).read().stdout).toEqual([{ endBytes: 10, timeMs: 1_000 }]);
  await writeFile(path, 'stdout 10 1000\nstdout 2');
  expect(new ReadLog(path).read().stdout).toEqual([{ endBytes: 10, timeMs: 1_000 }]);
  await appendFile(path, 'stdout 30 1002\nstdout 40 1003\n');
  expect(new ReadLog(path).read().stdout).toEqual([
    { endBytes: 10, timeMs: 1_000 },
    { endBytes: 40, timeMs: 1_003 },
  ]);
});

test('damaged lines are skipped', async () => {
  const bad = [
    '',
    'stdout',
    'stdout -1 1000',
    'stdout 1e3 1000',
    'stdin 10 1000',
    'stdout 9999999999999999 1',
    '\0\0',
  ];
  await writeFile(path, `${bad.join('\n')}\nstderr 7 1000\n${'x'.repeat(100_000)}\n`);
  expect(new ReadLog(path).read()).toEqual({ stdout: [], stderr: [{ endBytes: 7, timeMs: 1_000 }] });
});

test('a mark with an offset that does not grow is skipped', async () => {
  await writeFile(path, 'stdout 0 1\nstdout 20 2\nstdout 10 3\nstdout 20 4\nstdout 21 5\n');
  expect(new ReadLog(path).read().stdout).toEqual([
    { endBytes: 20, timeMs: 2 },
    { endBytes: 21, timeMs: 5 },
  ]);
});

test('a log that cannot be written is no error', async () => {
  const log = new ReadLog(join(directory, 'gone', 'reads'));
  log.append('stdout', { endBytes: 1, timeMs: 1 });
  expect(log.read()).toEqual(NOTHING);
  log.close();
  const own = new ReadLog(path);
  own.append('stdout', { endBytes: 1, timeMs: 1 });
  await rm(path);
  own.append('stdout', { endBytes: 2, timeMs: 2 });
  own.close();
  await expect(readFile(path)).rejects.toThrow('ENOENT');
});
