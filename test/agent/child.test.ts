import { existsSync, readFileSync } from 'node:fs';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { adoptChild, type Child, type ChildOptions, startChild } from '../../src/agent/child.ts';
import { RunFolder } from '../../src/agent/run-folder.ts';
import { identityOf } from '../../src/system/process-identity.ts';
import { DEADLINE } from '../support/until.ts';
import { Workshop } from './agent-run.ts';

let shop: Workshop;
let folder: RunFolder;

beforeEach(async () => {
  shop = await Workshop.open();
  folder = await RunFolder.create(shop.runs, 'run');
});

afterEach(() => shop.close());

interface Started {
  readonly child: Child;
  readonly pid: number;
}

async function start(command: readonly string[], more: Partial<ChildOptions> = {}): Promise<Started> {
  const [program = '', ...args] = command;
  folder = await RunFolder.create(shop.runs, 'run');
  const ends = await folder.openChildEnds(undefined);
  let pid = 0;
  try {
    const child = await startChild({
      command: program,
      args,
      cwd: shop.directory,
      env: { PATH: process.env.PATH ?? '' },
      ...ends,
      exitFile: folder.exitFile,
      onStart: (given) => {
        pid = given;
      },
      ...more,
    });
    return { child, pid };
  } finally {
    ends.close();
  }
}

function stream(name: 'stdout' | 'stderr'): string {
  return readFileSync(join(folder.directory, name), 'utf8');
}

function exitText(): string | undefined {
  // Made before the start, because the agent's user may have no right to its folder.
  return folder.hasExited ? readFileSync(folder.exitFile, 'utf8') : undefined;
}

async function script(name: string, text: string): Promise<string> {
  const path = shop.path(name);
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

test('every exit code is passed on, to the parent and into the file', { tags: 'full' }, async () => {
  const codes = Array.from({ length: 256 }, (_, code) => code);
  const seen: (readonly [number | null, string | undefined])[] = [];
  for (const code of codes) {
    const { child } = await start(['sh', '-c', `exit ${code}`]);
    seen.push([(await child.exited).exitCode, exitText()]);
  }
  expect(seen).toEqual(codes.map((code) => [code, `${code}\n`]));
});

test.each([
  ['TERM', 143],
  ['INT', 130],
  ['HUP', 129],
  ['QUIT', 131],
  ['USR1', 138],
  ['PIPE', 141],
  ['KILL', 137],
  ['ABRT', 134],
  ['SEGV', 139],
])('SIG%s of the agent is exit code %i, and the wrapper prints nothing', async (signal, code) => {
  const { child } = await start(['sh', '-c', `kill -${signal} $$`]);
  expect(await child.exited).toEqual({ exitCode: code, signal: null });
  expect(exitText()).toBe(`${code}\n`);
  expect([stream('stdout'), stream('stderr')]).toEqual(['', '']);
});

test.each(['TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'PIPE', 'ALRM'])(
  'SIG%s to the whole group does not lose the exit code of an agent that survives it',
  async (signal) => {
    const { child } = await start(['sh', '-c', `trap : ${signal}; kill -${signal} 0; exit 5`]);
    expect((await child.exited).exitCode).toBe(5);
    expect(exitText()).toBe('5\n');
  },
);

test('the traps of the wrapper are not inherited by the agent', async () => {
  const source = `process.stdout.write(require('fs').readFileSync('/proc/self/status', 'utf8'))`;
  const { child } = await start([process.execPath, '-e', source]);
  await child.exited;
  const ignored = BigInt(`0x${/^SigIgn:\s+(\w+)/m.exec(stream('stdout'))?.[1] ?? 'ff'}`);
  for (const number of [1, 2, 3, 10, 12, 14, 15])
    expect((ignored >> BigInt(number - 1)) & 1n, `signal ${number}`).toBe(0n);
});

test('arguments reach the agent unchanged', async () => {
  const args = [
    '',
    ' ',
    'a b',
    '"quoted"',
    "it's",
    '$HOME',
    '`id`',
    '$(id)',
    '\\n',
    'two\nlines\n',
    '*',
    '-n',
    '--',
    '\u{1f600}é',
    '%s',
    ';exit 3',
    '',
  ];
  const source = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
  const { child } = await start([process.execPath, '-e', source, '--', ...args]);
  expect(await child.exited).toEqual({ exitCode: 0, signal: null });
  expect(JSON.parse(stream('stdout'))).toEqual(args);
});

test.each(['test', 'echo', 'exit', 'true', '-dash', 'a=b'])(
  'a program named %s is started instead of the shell builtin',
  async (name) => {
    await script(name, '#!/bin/sh\necho "mine $1"\nexit 9\n');
    const env = { PATH: `${shop.directory}:${process.env.PATH ?? ''}` };
    const { child } = await start([name, 'x'], { env });
    expect((await child.exited).exitCode).toBe(9);
    expect(stream('stdout')).toBe('mine x\n');
  },
);

test('a script without a #! line runs', async () => {
  const path = await script('plain', 'echo "plain $1 $#"\nexit 4\n');
  const { child } = await start([path, 'a b']);
  expect((await child.exited).exitCode).toBe(4);
  expect(stream('stdout')).toBe('plain a b 1\n');
});

test('a program with a missing interpreter ends with 127 and a message', async () => {
  const path = await script('lost', '#!/no/such/interpreter\n');
  const { child } = await start([path]);
  expect((await child.exited).exitCode).toBe(127);
  expect(stream('stderr')).toContain('lost');
});

test('a relative path to a symbolic link is resolved from the working directory, without PATH', async () => {
  await script('real', '#!/bin/sh\necho "$PWD"\nexit 6\n');
  await symlink(shop.path('real'), shop.path('link'));
  const { child } = await start(['./link'], { env: { PATH: '/nowhere' } });
  expect((await child.exited).exitCode).toBe(6);
  expect(stream('stdout')).toBe(`${shop.directory}\n`);
  expect(exitText()).toBe('6\n');
});

test('a failed start is an error with a remedy and leaves no process', async () => {
  for (const [command, more, words] of [
    [['no-such-program'], {}, 'not found'],
    [[shop.directory], {}, 'not executable'],
    [['sh'], { cwd: shop.path('nowhere') }, 'does not exist or is not a directory'],
    [['sh', 'x'.repeat(200_000)], {}, 'arguments are too long'],
    [['sh', ...Array.from({ length: 40 }, () => 'y'.repeat(100_000))], {}, 'arguments are too long'],
    [['sh', 'a\0b'], {}, 'null bytes'],
  ] as const)
    await expect(start(command, more)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_FAILED', message: expect.stringContaining(words) }),
    );
  expect(exitText()).toBeUndefined();
});

test('a child is killed when the caller cannot note its start', async () => {
  let pid = 0;
  const onStart = (given: number): void => {
    pid = given;
    throw new Error('the disk is full');
  };
  await expect(start(['sh', '-c', 'sleep 60 & wait'], { onStart })).rejects.toThrow('the disk is full');
  expect(pid).toBeGreaterThan(1);
  await vi.waitFor(() => expect(() => process.kill(-pid, 0)).toThrow('ESRCH'), DEADLINE);
});

test('a stop during the start ends the child by SIGTERM', { tags: 'full' }, async () => {
  for (let afterMs = 0; afterMs < 12; afterMs += 1) {
    const { child } = await start(['sh', '-c', 'sleep 60 & wait'], { graceMs: 60_000 });
    const until = performance.now() + afterMs * 0.5;
    while (performance.now() < until);
    child.stop();
    const exit = await child.exited;
    expect(exit.exitCode === 143 || exit.signal === 'SIGTERM', JSON.stringify(exit)).toBe(true);
    expect(child.wasStopped).toBe(true);
  }
});

test('an agent that ignores SIGTERM is killed after the grace period, and a second stop has no effect', {
  tags: 'full',
}, async () => {
  const ready = shop.path('ready');
  const { child } = await start(['sh', '-c', `trap '' TERM; > ${ready}; while :; do sleep 0.05; done`], {
    graceMs: 300,
  });
  await vi.waitFor(() => expect(existsSync(ready)).toBe(true), DEADLINE);
  child.stop();
  child.stop();
  expect(await child.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
  expect(exitText()).toBeUndefined();
  child.stop();
});

test('an agent has ended when its first process exits, also when a fork of it runs on', async () => {
  const { child } = await start(['sh', '-c', 'setsid sleep 3 & exit 0']);
  expect(await child.exited).toEqual({ exitCode: 0, signal: null });
  expect(exitText()).toBe('0\n');
});

test('the end of an adopted child is noticed, with the exit code that its wrapper wrote', {
  tags: 'full',
}, async () => {
  const { child, pid } = await start(['sh', '-c', 'sleep 0.3; exit 42']);
  const adopted = adoptChild(identityOf(pid), { exitFile: folder.exitFile });
  expect(await adopted.exited).toEqual({ exitCode: 42, signal: null });
  expect(adopted.wasStopped).toBe(false);
  await child.exited;
});

test('an adopted child is stopped as a group and killed after the grace period', async () => {
  const ready = shop.path('ready');
  const { child, pid } = await start(['sh', '-c', `trap '' TERM; > ${ready}; while :; do sleep 0.05; done`]);
  await vi.waitFor(() => expect(existsSync(ready)).toBe(true), DEADLINE);
  const adopted = adoptChild(identityOf(pid), { exitFile: folder.exitFile, graceMs: 200 });
  adopted.stop();
  expect(await adopted.exited).toEqual({ exitCode: null, signal: null });
  expect(adopted.wasStopped).toBe(true);
  expect(await child.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
});

test('the exit code of an ended child comes from its file, and is unknown when the file holds none', async () => {
  for (const [text, code] of [
    ['0\n', 0],
    ['255\n', 255],
    ['', null],
    ['x\n', null],
    ['-1\n', null],
    ['1\n2\n', null],
    ['0'.repeat(1_000_000), null],
  ] as const) {
    await writeFile(folder.exitFile, text);
    const { exited } = adoptChild(undefined, { exitFile: folder.exitFile });
    expect(await exited).toEqual({ exitCode: code, signal: null });
  }
  const { exited } = adoptChild(undefined, { exitFile: shop.directory });
  expect(await exited).toEqual({ exitCode: null, signal: null });
});
