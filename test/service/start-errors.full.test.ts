import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyPackageWithout } from '../support/package-copy.ts';
import { listen } from '../support/receiver.ts';
import { type Env, type ServiceOptions, ServiceProcess } from '../support/service-process.ts';

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-start-'));
});

afterEach(() => rm(cwd, { recursive: true, force: true }));

interface Failure {
  readonly code: number | null;
  readonly stderr: string;
}

/** Starts what must not start, and expects of it what every refusal owes its reader. */
async function failToStart(
  env: Env,
  options: Pick<ServiceOptions, 'args' | 'main' | 'prefix'> = {},
): Promise<Failure> {
  const service = new ServiceProcess({ cwd, env, ...options });
  const { code, signal } = await service.exited;
  expect(signal).toBeNull();
  expect(code).not.toBe(0);
  expect(service.stdout).toBe('');
  expect(service.stderr).toMatch(/^tasktrail: /);
  expect(service.stderr).not.toMatch(/^\s+at /m);
  return { code, stderr: service.stderr };
}

async function leftovers(): Promise<string[]> {
  const names = await readdir(join(cwd, 'logs')).catch(() => []);
  return names.filter((name) => name.startsWith('_lock'));
}

test('a port in use is refused by the name of its setting, and the lock is released', async () => {
  const { url, close } = await listen(() => {});
  const port = new URL(url).port;
  const { stderr } = await failToStart({ PORT: port });
  expect(stderr).toContain(`PORT: 127.0.0.1:${port} is in use`);
  expect(await leftovers()).toEqual([]);
  await close();
  const service = await ServiceProcess.start({ cwd, env: { PORT: port } });
  expect(service.url).toBe(`http://127.0.0.1:${port}`);
  await service.dispose();
});

test('a configured OTLP port that is in use fails the start', async () => {
  const { url, close } = await listen(() => {});
  const { stderr } = await failToStart({ TASK_LOGS_OTLP_PORT: new URL(url).port });
  expect(stderr).toContain('TASK_LOGS_OTLP_PORT: ');
  expect(stderr).toContain('in use');
  expect(await leftovers()).toEqual([]);
  await close();
});

test('when the default OTLP port is in use, a free port is used and printed', async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => {
    // Another program may use the port already, which is just as good.
    squatter.once('error', () => resolve());
    squatter.listen(4318, '127.0.0.1', resolve);
  });
  const service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_OTLP_PORT: '' } });
  expect(service.otlpUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(service.otlpUrl).not.toContain(':4318');
  expect(service.stdout).toContain('port 4318 is taken; set TASK_LOGS_OTLP_PORT');
  await service.dispose();
  if ((squatter.address() as AddressInfo | null) !== null)
    await new Promise((resolve) => squatter.close(resolve));
});

test.each([
  ['is a file', async () => writeFile(join(cwd, 'logs'), ''), join('logs')],
  ['lies below a file', async () => writeFile(join(cwd, 'file'), ''), join('file', 'logs')],
])('a log directory that %s is refused', async (_what, prepare, path) => {
  await prepare();
  const { stderr } = await failToStart({ TASK_LOGS_DIR: join(cwd, path) });
  expect(stderr).toContain(`TASK_LOGS_DIR: cannot write to ${join(cwd, path)}`);
  expect(stderr).toContain('A part of this path is a file, not a directory');
});

test.runIf(process.getuid?.() === 0)('a log directory of another user is refused', async () => {
  const logDir = join(cwd, 'logs');
  await mkdir(logDir);
  await chmod(cwd, 0o755);
  const asNobody = ['setpriv', '--reuid=65534', '--clear-groups'];
  const { stderr } = await failToStart({}, { prefix: asNobody });
  expect(stderr).toContain(`TASK_LOGS_DIR: cannot write to ${logDir}`);
  expect(stderr).toContain('write access');
  expect(await readdir(logDir)).toEqual([]);
});

test('settings that cannot be read are all listed, with exit code 2', async () => {
  await writeFile(join(cwd, 'tasktrail.config.json'), '{"colour": "red"}');
  const { code, stderr } = await failToStart({ PORT: 'x', TASK_LOGS_ENABLED: 'maybe', HOST: '0.0.0.0' });
  expect(code).toBe(2);
  for (const part of ['PORT: ', 'TASK_LOGS_ENABLED: ', 'HOST=0.0.0.0', 'TASK_LOGS_API_TOKEN', '"colour"'])
    expect(stderr).toContain(part);
  expect(await leftovers()).toEqual([]);
});

test('a syntax error in the file is refused with its line', async () => {
  await writeFile(join(cwd, 'tasktrail.config.json'), '{\n  "agents": {\n    oops\n  }\n}\n');
  const { code, stderr } = await failToStart({});
  expect(code).toBe(2);
  expect(stderr).toContain('tasktrail.config.json: line 3: ');
});

test.each(['serve', 'worker'])(
  '%s without a Redis is refused with the command that needs none',
  async (role) => {
    const { code, stderr } = await failToStart({}, { args: [role] });
    expect(code).toBe(2);
    expect(stderr).toContain('REDIS_URL is not set: ');
    expect(stderr).toContain('"tasktrail start" needs none');
    expect(await readdir(cwd)).toEqual([]);
  },
);

test.each(['http://127.0.0.1:6379', '127.0.0.1:6379', 'redis'])(
  'a Redis at %s is refused with an example',
  async (url) => {
    const { code, stderr } = await failToStart({ REDIS_URL: url });
    expect(code).toBe(2);
    expect(stderr).toContain('REDIS_URL: use a URL such as redis://127.0.0.1:6379');
  },
);

test('an unknown dialect is refused at the start', async () => {
  const { code, stderr } = await failToStart({
    TASK_LOGS_AGENT_COMMAND: 'cat',
    TASK_LOGS_AGENT_DIALECT: 'klingon',
  });
  expect(code).toBe(2);
  expect(stderr).toContain('TASK_LOGS_AGENT_DIALECT: "klingon" is not known; use one of auto, claude');
});

test.each([
  ['HOST', { HOST: '127.0.0.1', PORT: '0', TASK_LOGS_OTLP_HOST: '127.999.0.1' }, 'TASK_LOGS_OTLP_HOST'],
  [
    'an address of another machine',
    { HOST: '192.0.2.1', TASK_LOGS_API_TOKEN: 'a token of the test' },
    'HOST',
  ],
])('%s that is not an address of this machine is refused', async (_what, env, setting) => {
  const { stderr } = await failToStart(env);
  expect(stderr).toContain(setting);
  expect(await leftovers()).toEqual([]);
});

test('an option and a command that do not exist are refused', async () => {
  for (const args of [['start', '--prot', '1'], ['strat']]) {
    const service = new ServiceProcess({ cwd, args });
    expect((await service.exited).code).not.toBe(0);
    expect(service.stderr).toMatch(/see tasktrail( start)? --help/);
    expect(service.stderr).not.toMatch(/^\s+at /m);
  }
});

test.runIf(existsSync('/proc/self'))('a start that hangs on its disk can be interrupted', async () => {
  // Node tries for ever to make a directory there.
  const service = new ServiceProcess({ cwd, env: { TASK_LOGS_DIR: '/proc/tasktrail/logs' } });
  // Long, because Node has no signal handler of ours until it has loaded the program.
  const outcome = await Promise.race([service.exited, delay(6_000)]);
  // Refused at once is as good.
  const { code } = outcome ?? (await service.stop('SIGTERM'));
  expect(code).toBe(1);
  expect(service.stderr).toMatch(/^tasktrail: /);
});

test.each([
  ['start', {}],
  ['serve', { REDIS_URL: 'redis://127.0.0.1:1' }],
])(
  '%s without Express is refused with the package to install, and leaves nothing behind',
  async (command, env) => {
    const main = await copyPackageWithout(join(cwd, 'package'), ['express']);
    const { stderr } = await failToStart(env, { main, args: [command] });
    expect(stderr).toContain(`tasktrail ${command} needs the package express, which is not installed`);
    expect(stderr).toContain('"npm install express"');
    expect(await readdir(cwd)).toEqual(['package']);
  },
);
