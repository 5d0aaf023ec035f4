import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
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

/** Those with a help of the same form; `emit` prints its own. */
const COMMANDS = [
  ...['start', 'serve', 'worker', 'demo', 'config', 'doctor', 'webhook', 'prune'],
  ...['run', 'tasks', 'logs', 'send', 'mcp'],
];

const WORKFLOW_COMMANDS = ['start', 'phase', 'step', 'done', 'artifact', 'complete', 'status'];

test('--version prints the version of the package', async () => {
  const text = await readFile(resolve(import.meta.dirname, '../../package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help lists every command, and the help of start every setting that a flag gives', async () => {
  const { code, stdout } = await run(['--help']);
  expect(code).toBe(0);
  for (const command of [...COMMANDS, 'emit', 'workflow']) expect(stdout).toContain(`\n  ${command} `);
  const start = await run(['start', '--help']);
  for (const setting of ['PORT', 'HOST', 'TASK_LOGS_DIR', 'TASK_LOGS_OTLP_PORT'])
    expect(start.stdout).toContain(setting);
});

test('each help fits 80 columns, but for examples', async () => {
  const commands = [
    ...COMMANDS.map((name) => [name]),
    ...WORKFLOW_COMMANDS.map((name) => ['workflow', name]),
  ];
  const helps = await Promise.all(commands.map((words) => run([...words, '--help'])));
  for (const [index, { code, stdout }] of helps.entries()) {
    const [text = ''] = stdout.split('\nExamples:\n');
    expect({ code, words: commands[index] }).toEqual({ code: 0, words: commands[index] });
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  }
});

test('an example in a help is a command line of this program', async () => {
  const helps = await Promise.all([...COMMANDS, 'workflow'].map((name) => run([name, '--help'])));
  const examples = helps.flatMap(
    ({ stdout }) => stdout.split('\nExamples:\n')[1]?.trimEnd().split('\n') ?? [],
  );
  expect(examples.length).toBeGreaterThan(8);
  for (const example of examples) {
    const [, name = ''] = /\btasktrail (\w+)/.exec(example) ?? [];
    expect([...COMMANDS, 'workflow']).toContain(name);
  }
});

test.each([
  [['begin'], "unknown command 'begin'", 'tasktrail --help'],
  [['start', '--colour'], "unknown option '--colour'", 'tasktrail start --help'],
  [['prune', '--colour'], "unknown option '--colour'", 'tasktrail prune --help'],
  [['workflow', 'phase'], "missing required argument 'name'", 'tasktrail workflow phase --help'],
  [['tasks', '--since', 'soon'], '--since: "soon" is not a time', 'tasktrail tasks --help'],
  [['logs', '--type', 'loud'], '--type: there is no type "loud"', 'tasktrail logs --help'],
  [['send', '--timeout', 'soon'], '--timeout: use a number', 'tasktrail send --help'],
  [['run'], 'name a command', 'tasktrail run --help'],
])('%j is exit code 2, and names the mistake and the help about it', async (words, message, help) => {
  const { code, stdout, stderr } = await run(words);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^tasktrail: /);
  expect(stderr).toContain(message);
  expect(stderr).toContain(`(see ${help})\n`);
});

test('config prints the settings in force, where each comes from, and no secret', async () => {
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
    ci: { secret: ['not-this-one-at-all', `$${'{CI_SECRET}'}`], header: 'X-Ci-Signature', message: 'text' },
  };
  await writeFile(join(cwd, 'webhooks.json'), JSON.stringify({ webhooks }));
  const env = {
    CI_SECRET: 'nor-that-one-either',
    REDIS_URL: 'rediss://user:nor-the-third@redis.test:6380/2',
  };
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

test('config --json prints one object', async () => {
  const { stdout } = await run(['config', '--json'], { PORT: '1' });
  expect(JSON.parse(stdout)).toMatchObject({
    port: 1,
    githubSecrets: '(set)',
    githubToken: null,
    sources: { PORT: 'environment' },
  });
});

test('config refuses the same settings as the start', async () => {
  await writeFile(join(cwd, 'bad.json'), '{"colour": 1}');
  const { code, stdout, stderr } = await run(['config', '--config', 'bad.json'], { PORT: 'x' });
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('PORT: ');
  expect(stderr).toContain('"colour"');
  const dialect = await run(['config'], { TASK_LOGS_AGENT_COMMAND: 'a', TASK_LOGS_AGENT_DIALECT: 'b' });
  expect(dialect).toMatchObject({ code: 2, stderr: expect.stringContaining('TASK_LOGS_AGENT_DIALECT: "b"') });
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
  await expect.poll(() => stdout).toMatch(/\n {2}agent |answered 202/);
  const logDir = script === 'start' ? join(cwd, 'logs') : (/^directory +(\S+)$/m.exec(stdout)?.[1] ?? '');
  expect(await readdir(logDir)).toContain('_lock.json');
  const { pid } = JSON.parse(await readFile(join(logDir, '_lock.json'), 'utf8')) as { pid: number };
  // After a failed assertion the process may still run.
  onTestFinished(async () => void (existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL')));
  npm.kill('SIGTERM');
  await exited;
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  expect(await readdir(logDir)).not.toContain('_lock.json');
  // The signal ended it, before its own end.
  expect(stdout).not.toContain('completed');
});
