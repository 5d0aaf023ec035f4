import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import { builtUrl } from '../support/built.ts';
import { until } from '../support/until.ts';
import { tempDir } from './run-command.ts';

interface Watched {
  readonly signals: StopSignals;
  readonly exits: readonly number[];
  /** Delivers a signal so many milliseconds after the beginning. */
  at(ms: number, signal: NodeJS.Signals): void;
}

function watchSignals(): Watched {
  const startMs = 1_000_000;
  let nowMs = startMs;
  const exits: number[] = [];
  const known = new Set(process.listeners('SIGHUP'));
  const signals = new StopSignals({ nowMs: () => nowMs, exit: (code) => exits.push(code) });
  onTestFinished(() => signals.close());
  // Only this listener: the test runner has its own.
  const listener = process.listeners('SIGHUP').find((one) => !known.has(one));
  return {
    signals,
    exits,
    at: (ms, signal) => {
      nowMs = startMs + ms;
      listener?.(signal);
    },
  };
}

test('the first signal aborts and is reported', async () => {
  const { signals, exits, at } = watchSignals();
  expect([signals.signal.aborted, signals.received]).toEqual([false, undefined]);
  at(0, 'SIGTERM');
  at(10, 'SIGINT');
  expect([signals.signal.aborted, signals.received]).toEqual([true, 'SIGTERM']);
  expect(await signals.first()).toBe('SIGTERM');
  expect(exits).toEqual([]);
});

test.each([
  [[0, 50], []],
  [[0, 1, 2, 1_999], []],
  [[0, 2_000], [130]],
  [[0, 50, 2_500], [130]],
  [[5_000, 6_999], []],
])('signals at %j ms end the process with %j', (times, codes) => {
  const { exits, at } = watchSignals();
  for (const ms of times) at(ms, 'SIGINT');
  expect(exits).toEqual(codes);
});

test('the exit code is that of shells for the later signal', () => {
  const { exits, at } = watchSignals();
  at(0, 'SIGINT');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) at(3_000, signal);
  expect(exits).toEqual([130, 143, 129]);
});

test('after close the listeners are gone', () => {
  const before = process.listenerCount('SIGINT');
  const signals = new StopSignals();
  expect(process.listenerCount('SIGINT')).toBe(before + 1);
  signals.close();
  expect(process.listenerCount('SIGINT')).toBe(before);
});

test.each([
  ['tasktrail', 'SIGTERM'],
  ['another-package', 'goes on'],
])('when the shell of an npm script of %s is killed, the program: %s', async (name, outcome) => {
  const cwd = await tempDir();
  const script = join(cwd, 'program.mjs');
  await writeFile(
    script,
    `import { StopSignals } from '${builtUrl('cli/stop-signals.ts')}';
     const parent = process.ppid;
     const signals = new StopSignals();
     const end = (text) => { console.log(text); process.exit(0); };
     void signals.first().then(end);
     // Later than it would have stopped.
     setInterval(() => process.ppid !== parent && setTimeout(() => end('goes on'), 1_500), 100);
     console.log('runs');`,
  );
  // The shell waits for the program, as those do that do not replace themselves by their last command.
  const shell = spawn('sh', ['-c', `'${process.execPath}' '${script}'; true`], {
    env: { npm_package_name: name },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  shell.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  const closed = once(shell.stdout, 'close');
  await until(() => stdout.includes('runs'), 'the program');
  shell.kill('SIGKILL');
  await closed;
  expect(stdout).toBe(`runs\n${outcome}\n`);
});
