import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from '../app/service-process.ts';

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
  for (const command of ['start', 'demo', 'config']) expect(stdout).toContain(`\n  ${command} `);
  const start = await run(['start', '--help']);
  for (const setting of ['PORT', 'HOST', 'TASK_LOGS_DIR', 'TASK_LOGS_OTLP_PORT'])
    expect(start.stdout).toContain(`${setting}: `);
});

test('config prints what is in force, where it comes from, and no secret', async () => {
  const env = { GITHUB_TOKEN: 'ghp_do_not_print', TASK_LOGS_API_TOKEN: 'not to be printed' };
  const { code, stdout } = await run(['config', '--port', '1234'], env);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^port +1234$/m);
  expect(stdout).toMatch(/^githubToken +\(set\)$/m);
  expect(stdout).toContain('PORT (flag)');
  expect(stdout).toContain('TASK_LOGS_DIR (environment)');
  expect(stdout).not.toMatch(/ghp_do_not_print|not to be printed|a secret of the tests/);
});

test('config --json is read by programs', async () => {
  const { stdout } = await run(['config', '--json'], { PORT: '1' });
  expect(JSON.parse(stdout)).toMatchObject({
    port: 1,
    githubSecret: '(set)',
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
  expect(dialect).toMatchObject({ code: 2, stderr: expect.stringContaining('agents.default.dialect') });
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
  for (const name of ['GITHUB_WEBHOOK_SECRET', 'GITHUB_TOKEN', 'OTEL_EXPORTER_OTLP_ENDPOINT'])
    expect(service.stdout).toContain(`set ${name}`);
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
  expect(stdout.match(/^ +execute_tool /gm)).toHaveLength(5);
});

test('a demo that keeps running serves its directory until it is interrupted', async () => {
  const demo = new ServiceProcess({ cwd, args: ['demo', '--keep-running'], env: { TMPDIR: cwd } });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('Ctrl-C ends it');
  const url = /service +(\S+),/.exec(demo.stdout)?.[1] ?? '';
  const page = (await (await fetch(`${url}/api/tasks`)).json()) as { items: unknown[] };
  expect(page.items).toHaveLength(1);
  expect(await demo.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('a demo that is interrupted stops its service and says so', async () => {
  const demo = new ServiceProcess({ cwd, args: ['demo'], env: { TMPDIR: cwd } });
  await expect.poll(() => demo.stdout, { timeout: 15_000 }).toContain('answered 202');
  const { code } = await demo.stop('SIGINT');
  expect(code).toBe(1);
  expect(demo.stderr).toBe('tasktrail: interrupted\n');
  expect(demo.stdout).toContain('The service has ended');
});
