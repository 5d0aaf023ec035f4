import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runUnrecorded, type UnrecordedOptions } from '../../../src/cli/run/unrecorded-run.ts';
import { tempDir } from '../run-command.ts';

function options(cwd: string, more: Partial<UnrecordedOptions> = {}): UnrecordedOptions {
  return {
    cwd,
    env: { PATH: process.env.PATH ?? '' },
    input: undefined,
    timeoutMs: undefined,
    stopSignal: new AbortController().signal,
    killSignal: new AbortController().signal,
    ...more,
  };
}

test('a run that was stopped before its start starts no command', async () => {
  const cwd = await tempDir();
  const end = await runUnrecorded(['touch', 'started'], options(cwd, { stopSignal: AbortSignal.abort() }));
  expect(end).toEqual({ exitCode: null, signal: null, stop: 'cancelled' });
  expect(existsSync(join(cwd, 'started'))).toBe(false);
});

test('a run ends with the exit code of its command, or with the error of its start', async () => {
  const cwd = await tempDir();
  expect(await runUnrecorded(['sh', '-c', 'exit 6'], options(cwd))).toEqual({ exitCode: 6, signal: null });
  expect(await runUnrecorded(['sh', '-c', 'kill -9 $$'], options(cwd))).toEqual({
    exitCode: null,
    signal: 'SIGKILL',
  });
  expect(await runUnrecorded(['no-such-program'], options(cwd))).toMatchObject({ errno: 'ENOENT' });
  expect(await runUnrecorded(['a\0b'], options(cwd))).toMatchObject({ exitCode: null, signal: null });
});
