import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { tempDir } from '../support/log-dir.ts';
import { type Env, ServiceProcess, serviceEnv } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const isPosix = process.platform !== 'win32';

/** Runs the command behind it with this umask, which a thread of Node cannot set. */
const withUmask = (umask: string): readonly string[] => ['/bin/sh', '-c', `umask ${umask}; exec "$@"`, 'sh'];

const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);

/** The modes of everything below a directory that `wants` it, each with one path as an example. */
function modesBelow(dir: string, wants: (name: string) => boolean = () => true): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(wants)) {
    // A running service replaces files meanwhile.
    const stats = lstatSync(join(dir, name), { throwIfNoEntry: false });
    if (stats === undefined) continue;
    found[`${stats.isDirectory() ? 'folder' : 'file'} ${(stats.mode & 0o7777).toString(8)}`] = name;
  }
  return found;
}

const isPrivate = (name: string): boolean =>
  /^(?:_journal|_agent|_queue|_config|_key|_lease\.json|_page\.json)(?:\/|$)/.test(name);

/** A service with a webhook, a task and a workflow; `emit`, `workflow` and `run` beside it. */
async function fill(cwd: string, umask: string, env: Env = {}): Promise<ServiceProcess> {
  const prefix = withUmask(umask);
  const options = { cwd, env: { TASK_LOGS_AGENT_COMMAND: 'sleep 1', ...env }, prefix };
  const service = await ServiceProcess.start(options);
  onTestFinished(() => service.dispose());
  const cli = (...args: readonly string[]): void => {
    const [command = '', ...rest] = [...prefix, process.execPath, MAIN, ...args];
    const done = spawnSync(command, rest, { cwd, env: serviceEnv(options), encoding: 'utf8' });
    expect(done.status, `${args.join(' ')}: ${done.stderr}`).toBe(0);
  };
  await service.sendComment('@agent review');
  cli('emit', 'workflow_start', 'flow-20260101T000000Z');
  cli('emit', 'workflow_complete', 'flow-20260101T000000Z', '{"status":"success"}');
  cli('workflow', 'start', '--id', 'flow-20260102T000000Z');
  cli('run', '--', 'echo', 'hello');
  const names = (): readonly string[] =>
    readdirSync(join(cwd, 'logs'), { recursive: true, encoding: 'utf8' });
  await until(
    () =>
      names().filter((name) => name.endsWith('04-final-result.json')).length === 2 &&
      names().some((name) => /^_webhooks\/.*jsonl$/.test(name)) &&
      names().some((name) => name.endsWith('/flow-20260101T000000Z.json')),
    'all files',
  );
  return service;
}

test.runIf(isPosix).each(['000', '022', '077'])(
  'with umask %s everything below the log directory is private',
  async (umask) => {
    const cwd = await tempDir();
    const service = await fill(cwd, umask);
    const logs = join(cwd, 'logs');
    expect(Object.keys(modesBelow(logs)).sort()).toEqual(['file 600', 'folder 700']);
    expect(modeOf(logs)).toBe('700');
    await service.stop();
    expect(Object.keys(modesBelow(logs)).sort()).toEqual(['file 600', 'folder 700']);
  },
);

test.runIf(isPosix).each(['000', '077'])(
  'with umask %s TASK_LOGS_FILE_MODE opens the record for reading, and nothing else',
  async (umask) => {
    const cwd = await tempDir();
    await fill(cwd, umask, { TASK_LOGS_FILE_MODE: '0640' });
    const logs = join(cwd, 'logs');
    expect(modesBelow(logs, (name) => !isPrivate(name))).toEqual({
      'file 640': expect.any(String),
      'folder 750': expect.any(String),
    });
    expect(modeOf(logs)).toBe('750');
    const secret = modesBelow(logs, isPrivate);
    // The state of `tasktrail workflow` is locked with the mechanism of the log directory, below a private folder.
    expect(Object.keys(secret).filter((mode) => mode !== 'file 600' && mode !== 'folder 700')).toEqual([]);
  },
);

test.runIf(isPosix)('parents of the log directory keep the usual mode', async () => {
  const cwd = await tempDir();
  const dir = join(cwd, '.local', 'state', 'logs');
  const [command = '', ...rest] = [
    ...withUmask('022'),
    process.execPath,
    MAIN,
    'emit',
    'workflow_start',
    'w',
  ];
  const done = spawnSync(command, rest, { cwd, env: serviceEnv({ cwd, env: { TASK_LOGS_DIR: dir } }) });
  expect(done.status).toBe(0);
  expect([join(cwd, '.local'), join(cwd, '.local', 'state'), dir].map(modeOf)).toEqual(['755', '755', '700']);
});

test.runIf(isPosix)(
  'the directory of an earlier version is closed to others, and one that is shared is not',
  async () => {
    const cwd = await tempDir();
    const logs = join(cwd, 'logs');
    mkdirSync(join(logs, '_journal'), { recursive: true });
    chmodSync(logs, 0o755);
    const first = await ServiceProcess.start({ cwd });
    onTestFinished(() => first.dispose());
    expect(modeOf(logs)).toBe('700');
    expect(first.stderr).toContain('was open to other users (mode 755)');
    expect(first.stderr).toContain('TASK_LOGS_FILE_MODE');
    await first.stop();
    for (const [name, mode] of [
      ['', 0o1777],
      ['notes.txt', 0o755],
    ] as const) {
      chmodSync(logs, mode);
      if (name !== '') writeFileSync(join(logs, name), '');
      const next = await ServiceProcess.start({ cwd });
      onTestFinished(() => next.dispose());
      expect(statSync(logs).mode & 0o7777).toBe(mode);
      await next.stop();
    }
  },
);
