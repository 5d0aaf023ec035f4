import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { describeEnd } from '../../src/cli/start.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Trail } from '../../src/trail/trail.ts';
import { ServiceProcess, serviceEnv } from '../support/service-process.ts';

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-cli-'));
});

afterAll(() => rm(cwd, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const child = new ServiceProcess({ cwd, args, env });
  const { code } = await child.exited;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

test('--version is that of the package', async () => {
  const text = await readFile(resolve(import.meta.dirname, '../../package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names every command, and every setting that a flag stands for', async () => {
  const { code, stdout } = await run(['--help']);
  expect(code).toBe(0);
  for (const command of ['start', 'serve', 'worker', 'demo', 'config', 'prune', 'emit', 'send', 'workflow'])
    expect(stdout).toContain(`\n  ${command} `);
  const start = await run(['start', '--help']);
  for (const setting of ['PORT', 'HOST', 'TASK_LOGS_DIR', 'TASK_LOGS_OTLP_PORT'])
    expect(start.stdout).toContain(`${setting}: `);
});

test.each([
  [['begin'], "unknown command 'begin'"],
  [['start', '--colour'], "unknown option '--colour'"],
  [['workflow', 'phase'], "missing required argument 'name'"],
])('words that no command understands (%j) are exit code 2', async (words, message) => {
  const { code, stdout, stderr } = await run(words);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test('config prints what is in force, where it comes from, and no secret', async () => {
  const env = { GITHUB_TOKEN: 'ghp_do_not_print', TASK_LOGS_API_TOKEN: 'not to be printed' };
  const { code, stdout } = await run(['config', '--port', '1234'], env);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}PORT +1234 +flag --port$/m);
  expect(stdout).toMatch(/^ {2}GITHUB_TOKEN +\(set\) +environment$/m);
  expect(stdout).toMatch(/^ {2}TASK_LOGS_DIR .* environment$/m);
  expect(stdout).not.toMatch(/ghp_do_not_print|not to be printed|a secret of the tests/);
});

test('config shows custom webhooks and Redis without their secrets', async () => {
  const webhooks = {
    ci: { secret: ['not-this-one', `$${'{CI_SECRET}'}`], header: 'X-Ci-Signature', message: 'text' },
  };
  await writeFile(join(cwd, 'webhooks.json'), JSON.stringify({ webhooks }));
  const env = { CI_SECRET: 'nor-that-one', REDIS_URL: 'rediss://user:nor-the-third@redis.test:6380/2' };
  for (const json of [[], ['--json']]) {
    const { code, stdout } = await run(['config', '--config', 'webhooks.json', ...json], env);
    expect(code).toBe(0);
    // Without line breaks: long values are wrapped.
    const text = stdout.replaceAll(/\s/g, '');
    expect(text).toContain('x-ci-signature');
    expect(text).toContain('redis.test:6380/2');
    expect(stdout).not.toMatch(/not-this-one|nor-that-one|nor-the-third/);
  }
});

test('config --json is read by programs', async () => {
  const { stdout } = await run(['config', '--json'], { PORT: '1' });
  expect(JSON.parse(stdout)).toMatchObject({
    port: 1,
    githubSecrets: '(set)',
    githubToken: null,
    sources: { PORT: 'environment' },
  });
});

test('config refuses what the start would refuse', async () => {
  await writeFile(join(cwd, 'bad.json'), '{"colour": 1}');
  const { code, stdout, stderr } = await run(['config', '--config', 'bad.json'], { PORT: 'x' });
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('PORT: ');
  expect(stderr).toContain('"colour"');
  const dialect = await run(['config'], { TASK_LOGS_AGENT_COMMAND: 'a', TASK_LOGS_AGENT_DIALECT: 'b' });
  expect(dialect).toMatchObject({ code: 2, stderr: expect.stringContaining('TASK_LOGS_AGENT_DIALECT: "b"') });
});

test('start says what is off and what would switch it on', async () => {
  const service = await ServiceProcess.start({
    cwd,
    env: { GITHUB_WEBHOOK_SECRET: '' },
    args: ['start', '--dir', join(cwd, 'by-flag')],
  });
  expect(service.stdout).toContain(`writes to  ${join(cwd, 'by-flag')}`);
  expect(service.stdout).toContain('sample-agent, a bundled sample');
  await service.stop();
  for (const name of [
    'GITHUB_WEBHOOK_SECRET',
    'JIRA_WEBHOOK_SECRET',
    'SLACK_SIGNING_SECRET',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
  ])
    expect(service.stdout).toContain(`set ${name}`);
  // Without a secret there is no comment to react to.
  expect(service.stdout).not.toContain('GITHUB_TOKEN');
  const github = await ServiceProcess.start({ cwd });
  await github.stop();
  expect(github.stdout).toContain('the eyes reaction on comments: set GITHUB_TOKEN');
  expect(github.stdout).not.toContain('GITHUB_WEBHOOK_SECRET');
});

test('an agent that cannot be started is said at the start, and stops nothing', async () => {
  const agents = {
    here: { command: ['sh', '-c', 'true'] },
    nowhere: { command: ['no-such-program', '-p'] },
    path: { command: ['./no/such/program'] },
    folder: { command: ['sh'], cwd: 'no-such-folder' },
  };
  await writeFile(join(cwd, 'agents.json'), JSON.stringify({ agents }));
  const service = await ServiceProcess.start({ cwd, args: ['start', '--config', 'agents.json'] });
  await service.stop();
  for (const line of [
    'nowhere: program not found: no-such-program',
    'path: program not found: ./no/such/program',
    'folder: working directory not found: no-such-folder',
  ])
    expect(service.stdout).toContain(`\n  agent      ${line}`);
  expect(service.stdout).not.toContain('agent      here: ');
});

test('the end says in words what became of the records', async () => {
  const books = new Books();
  const end = (env: Record<string, string>): string => {
    const config = loadConfig({ env, cwd });
    return describeEnd({ config, trail: { config, books } as Trail });
  };
  books.countRecorded(97);
  expect(end({})).toBe('stopped. 97 records recorded, all stored\n');
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://jaeger:4318' };
  expect(end(env)).toBe('stopped. 97 records recorded, all stored and sent to http://jaeger:4318/\n');
  books.setReason('http://jaeger:4318/', '12 records wait in the journal');
  expect(end(env)).toBe(
    'stopped. 97 records recorded, all stored, 12 records wait in the journal for http://jaeger:4318/\n',
  );
  books.countDropped('rejected', 2);
  expect(end({})).toContain('97 records recorded, 2 dropped (rejected)\n');
  expect(end({ TASK_LOGS_ENABLED: 'false' })).toContain('Nothing was recorded');
});

test('the demo sends one webhook through everything, misses nothing and ends', async () => {
  const { code, stdout, stderr } = await run(['demo'], {
    TMPDIR: cwd,
    PORT: 'ignored',
    TASK_LOGS_ENABLED: 'false',
  });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).not.toContain('MISSING');
  for (const part of [
    'answered 202',
    'stage     ',
    'agent     ',
    ' completed',
    '04-final-result.json',
    'trace     ',
  ])
    expect(stdout).toContain(part);
  expect(stdout).toContain(`writing to ${cwd}/tasktrail-demo-`);
  // One in frame, two in architect, six in build, one in evaluate, two in release.
  expect(stdout.match(/^ +execute_tool /gm)).toHaveLength(12);
});

test('a demo that keeps running serves its directory until it is interrupted', async () => {
  const demo = new ServiceProcess({ cwd, args: ['demo', '--keep-running'], env: { TMPDIR: cwd } });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('Ctrl-C ends it');
  const url = /service +(\S+),/.exec(demo.stdout)?.[1] ?? '';
  const page = (await (await fetch(`${url}/api/tasks`)).json()) as { items: unknown[] };
  expect(page.items).toHaveLength(1);
  expect(await demo.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('with somewhere to look at traces the demo says where, and its service does', async () => {
  const env = {
    TMPDIR: cwd,
    TASK_LOGS_TRACE_URL: 'http://j.test/{trace_id} http://g.test/{task_id}/{trace_id}',
  };
  const demo = new ServiceProcess({ cwd, args: ['demo', '--keep-running'], env });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('Ctrl-C ends it');
  const url = /service +(\S+),/.exec(demo.stdout)?.[1] ?? '';
  const [, traceId, ...printed] = /^trace +(\S+)\n +(\S+)\n +(\S+)$/m.exec(demo.stdout) ?? [];
  const { items } = (await (await fetch(`${url}/api/tasks`)).json()) as { items: { task_id: string }[] };
  const id = items[0]?.task_id;
  expect(printed).toEqual([`http://j.test/${traceId}`, `http://g.test/${id}/${traceId}`]);
  const { links } = (await (await fetch(`${url}/api/tasks/${id}`)).json()) as { links: object };
  expect(links).toMatchObject({ trace: printed[0], traces: printed });
  expect(await demo.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('a demo that is interrupted stops its service and says so', async () => {
  const demo = new ServiceProcess({ cwd, args: ['demo'], env: { TMPDIR: cwd } });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('answered 202');
  const { code } = await demo.stop('SIGINT');
  expect(code).toBe(1);
  expect(demo.stderr).toBe('tasktrail: interrupted\n');
  expect(demo.stdout).toContain('The service has ended');
  // Only what was printed is spoken of.
  expect(demo.stdout).not.toMatch(/REST, while|addresses/);
});

test('a demo whose reader has seen enough ends quietly and cleanly', async () => {
  const demo = new ServiceProcess({ cwd, args: ['demo'], env: { TMPDIR: cwd } });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('answered 202');
  const logDir = /writing to (\S+)/.exec(demo.stdout)?.[1] ?? '';
  demo.child.stdout?.destroy();
  expect(await demo.exited).toEqual({ code: 0, signal: null });
  expect(demo.stderr).toBe('');
  const names = await readdir(logDir);
  expect(names.filter((name) => name.startsWith('task-'))).toHaveLength(1);
  expect(names).not.toContain('_lock.json');
});

test.each(['start', 'demo'])('a signal to npm run %s ends the program behind it cleanly', async (script) => {
  const npm = spawn('npm', ['run', script], {
    cwd: resolve(import.meta.dirname, '../..'),
    env: { ...serviceEnv({ cwd }), TMPDIR: cwd },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const exited = new Promise((resolve) => npm.once('close', resolve));
  let stdout = '';
  npm.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  await expect.poll(() => stdout, { timeout: 20_000 }).toMatch(/\n {2}agent |answered 202/);
  const logDir = script === 'start' ? join(cwd, 'logs') : (/writing to (\S+)/.exec(stdout)?.[1] ?? '');
  expect(await readdir(logDir)).toContain('_lock.json');
  const { pid } = JSON.parse(await readFile(join(logDir, '_lock.json'), 'utf8')) as { pid: number };
  // Whatever a failure leaves of it.
  onTestFinished(async () => void (existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL')));
  npm.kill('SIGTERM');
  await exited;
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 10_000 }).toBe(false);
  expect(await readdir(logDir)).not.toContain('_lock.json');
  // Ended by the signal, not by having come to its end.
  expect(stdout).not.toContain('REST, while');
});
