import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_GROUPS, OptionsError, readArguments } from './options.ts';
import { GROUPS } from './schedule.ts';

const MAIN = resolve(import.meta.dirname, 'main.mjs');

function problemsOf(...args: readonly string[]): string {
  try {
    readArguments(args);
  } catch (error) {
    if (error instanceof OptionsError) return error.message;
    throw error;
  }
  throw new Error(`${args.join(' ')} was taken`);
}

test('good options are read, and each has a default', () => {
  expect(readArguments([])).toMatchObject({
    minutes: 5,
    queue: 'any',
    store: 'files',
    roundSeconds: 75,
    everyMs: 300,
    firstRound: 1,
    keep: false,
    groups: new Set(DEFAULT_GROUPS),
    seed: expect.stringMatching(/^\d+$/),
  });
  const args = ['--minutes', '0.5', '--seed', 's1', '--faults', 'kills, stops', '--queue=redis', '--keep'];
  expect(readArguments(args)).toMatchObject({
    minutes: 0.5,
    seed: 's1',
    groups: new Set(['kills', 'stops']),
    queue: 'redis',
    keep: true,
  });
  expect(readArguments(['-h', '--minutes', 'none'])).toBeUndefined();
});

test.each([
  [['--minutes', 'many'], '--minutes must be a number above 0, not "many"'],
  [['--minutes', '0'], '--minutes must be a number above 0, not "0"'],
  [['--minutes='], '--minutes must be a number above 0, not ""'],
  [['--round-seconds', '-3'], "Option '--round-seconds' argument is ambiguous"],
  [['--round-seconds=-3'], '--round-seconds must be a number above 0, not "-3"'],
  [['--every-ms', 'Infinity'], '--every-ms must be a number above 0, not "Infinity"'],
  [['--first-round', '1.5'], '--first-round must be a whole number above 0, not "1.5"'],
  [['--faults', 'kills,flood'], `--faults does not know "flood": it takes ${GROUPS.join(',')}`],
  [['--faults', ''], '--faults does not know ""'],
  [['--faults', 'power,disk'], '--faults takes power or disk'],
  [['--queue', 'rabbit'], '--queue must be memory, redis, any, not "rabbit"'],
  [['--store', 'disk'], '--store must be files, victorialogs, cluster, not "disk"'],
  [['--store', 'cluster', '--queue', 'memory'], '--store cluster needs Redis'],
  [['--store', 'victorialogs', '--faults', 'power'], '--store victorialogs has no log directory'],
  [['--seed', ''], '--seed must not be empty'],
  [['--minute', '5'], "Unknown option '--minute'"],
  [['5'], "Unexpected argument '5'"],
  [['--seed'], "Option '--seed <value>' argument missing"],
] as const)('%j is refused with what to do', (args, problem) => {
  expect(problemsOf(...args)).toContain(problem);
});

test('all bad options are named at once', () => {
  expect(problemsOf('--minutes', 'x', '--queue', 'y', '--faults', 'z').split('\n')).toHaveLength(3);
});

test('the command ends with 2 and one line for each problem, and without a stack; --help with 0', {
  tags: 'full',
}, () => {
  const bad = spawnSync(process.execPath, [MAIN, '--minutes', 'x', '--queue', 'y'], { encoding: 'utf8' });
  expect([bad.status, bad.stdout]).toEqual([2, '']);
  expect(bad.stderr.trim().split('\n')).toEqual([
    'storm: --queue must be memory, redis, any, not "y"',
    'storm: --minutes must be a number above 0, not "x"',
    'storm: --help names all options',
  ]);
  const help = spawnSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
  expect([help.status, help.stderr]).toEqual([0, '']);
  expect(help.stdout).toContain('--round-seconds N');
});
