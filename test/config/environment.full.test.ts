import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { RUN_ID_VARIABLE } from '../../src/agent/run-processes.ts';
import { MAIN } from '../support/built.ts';
import { type ProjectDir, projectDir } from '../support/project-dir.ts';

type Env = Readonly<Record<string, string>>;

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a child process. Only PATH comes from the environment of the test. */
async function run({ cwd }: ProjectDir, args: readonly string[], env: Env = {}): Promise<Run> {
  const options = { cwd, env: { PATH: process.env.PATH ?? '', HOME: cwd, ...env } };
  return promisify(execFile)(process.execPath, [MAIN, ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: Run) => ({ code, stdout, stderr }),
  );
}

interface Setting {
  readonly value: unknown;
  readonly source: string;
  readonly path?: string;
}

async function configOf(project: ProjectDir, env: Env = {}): Promise<(name: string) => Setting | undefined> {
  const { stdout, stderr } = await run(project, ['config', '--json'], env);
  expect(stderr).toBe('');
  const { settings } = JSON.parse(stdout) as { settings: (Setting & { name: string })[] };
  return (name) => settings.find((setting) => setting.name === name);
}

test('the command line reads .env in its working directory, and the environment overrides it', async () => {
  const project = projectDir();
  const path = project.put(
    '.env',
    '# settings\r\nPORT=9001\r\nTASK_LOGS_DIR="./my logs # here"\r\nHOST=::1\r\nORG=\r\n',
  );
  const setting = await configOf(project, { HOST: 'localhost', PROJECT: '' });
  expect(setting('PORT')).toMatchObject({ value: 9001, source: 'env file', path });
  expect(setting('TASK_LOGS_DIR')).toMatchObject({
    value: join(project.cwd, 'my logs # here'),
    source: 'env file',
  });
  expect(setting('HOST')).toMatchObject({ value: 'localhost', source: 'environment' });
  expect(setting('ORG')).toMatchObject({ value: null, source: 'default' });
  const { stdout } = await run(project, ['config'], { HOST: 'localhost' });
  expect(stdout).toMatch(/^ {2}PORT +9001 +\.env$/m);
  expect(stdout).toMatch(/^ {2}HOST +localhost +environment$/m);
});

test('.env does not replace an empty variable, as with node --env-file', async () => {
  const project = projectDir();
  project.put('.env', 'PORT=9001');
  expect((await configOf(project, { PORT: '' }))('PORT')).toMatchObject({ value: 8000, source: 'default' });
});

test('a malformed .env stops each command that needs settings, with its lines but not its values', {
  tags: ['full'],
}, async () => {
  const project = projectDir();
  const path = project.put('.env', 'PORT=9001\nTASK_LOGS_API_TOKEN: hidden\nHOST="hidden\n');
  const event = ['emit', 'workflow_start', 'w'];
  for (const args of [['config'], ['tasks'], ['start'], ['run', '--', 'true'], event]) {
    const { code, stdout, stderr } = await run(project, args);
    expect({ code, stdout }, args[0]).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${path}: line 2: write NAME=value`);
    expect(stderr).toContain(`${path}: line 3: HOST: its " has no closing quote`);
    expect(stderr).not.toContain('hidden');
  }
  expect(await run(project, ['--help'])).toMatchObject({ code: 0, stderr: '' });
});

test('an invalid value of .env is rejected with the path of the file', async () => {
  const project = projectDir();
  const path = project.put('.env', 'PORT=eighty');
  const { code, stderr } = await run(project, ['config']);
  expect(code).toBe(2);
  expect(stderr).toContain(`PORT: use a port number from 0 to 65535 (it is "eighty" in ${path})`);
});

test('a non-loopback host in .env without a token is rejected, and the message names .env', async () => {
  const project = projectDir();
  project.put('.env', 'HOST=0.0.0.0');
  const { code, stderr } = await run(project, ['config']);
  expect(code).toBe(2);
  expect(stderr).toContain('HOST=0.0.0.0 in .env can be reached from outside');
});

test('doctor reports .env as a source of settings, and its problems', { tags: ['full'] }, async () => {
  const project = projectDir();
  const path = project.put('.env', 'TASK_LOGS_DIR=logs\nTASK_LOGS_OTLP_PORT=0\nPORT=0\nnothing\n');
  const { stdout } = await run(project, ['doctor', '--json']);
  const { findings } = JSON.parse(stdout) as { findings: { where: string; what: string }[] };
  expect(findings).toContainEqual(expect.objectContaining({ where: 'file', what: `${path} is read` }));
  expect(findings).toContainEqual(
    expect.objectContaining({ where: path, what: expect.stringContaining('line 4: ') }),
  );
});

test('variables of .env reach the OpenTelemetry SDK, but NODE_OPTIONS in .env has no effect', async () => {
  const received: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    received.push(request.headers);
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const project = projectDir();
  const script = project.put('loaded.cjs', "require('node:fs').writeFileSync(__dirname + '/loaded', '')");
  project.put(
    '.env',
    [
      'TASK_LOGS_DIR=logs',
      `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${port}`,
      'OTEL_EXPORTER_OTLP_HEADERS="x-key=from-the-file"',
      `NODE_OPTIONS=--require=${script}`,
    ].join('\n'),
  );
  // emit sends in a child process, which inherits the environment.
  expect(await run(project, ['emit', 'workflow_start', 'w'])).toMatchObject({ code: 0, stderr: '' });
  expect(received.map((headers) => headers['x-key'])).toEqual(['from-the-file']);
  await expect(readFile(join(project.cwd, 'loaded'))).rejects.toThrow('ENOENT');
});

test('an agent gets no variables of .env, except the log directory and the switches of records', async () => {
  const project = projectDir();
  project.put(
    '.env',
    'TASK_LOGS_DIR=logs\nPORT=9001\nAWS_SECRET_ACCESS_KEY=hidden\nOTEL_SERVICE_NAME=robot\nTASK_LOGS_API_TOKEN=hidden-hidden-hidden\nTASK_LOGS_EMIT_WORKFLOW_EVENTS=false\n',
  );
  const { code, stdout } = await run(project, ['run', '--', 'env'], { SHELL_VARIABLE: 'inherited' });
  expect(code).toBe(0);
  const names = new Map(
    stdout.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  );
  expect(names.get('SHELL_VARIABLE')).toBe('inherited');
  expect(names.get('TASK_LOGS_DIR')).toBe(join(project.cwd, 'logs'));
  expect(names.get('TASK_LOGS_EMIT_WORKFLOW_EVENTS')).toBe('false');
  for (const name of ['PORT', 'AWS_SECRET_ACCESS_KEY', 'OTEL_SERVICE_NAME', 'TASK_LOGS_API_TOKEN'])
    expect(names.has(name), name).toBe(false);
  expect(stdout).not.toContain('hidden');
});

test('a command that an agent runs does not read .env', async () => {
  const project = projectDir();
  project.put('.env', 'PORT=9001\nmalformed line\n');
  const setting = await configOf(project, { [RUN_ID_VARIABLE]: 'run-1' });
  expect(setting('PORT')).toMatchObject({ value: 8000, source: 'default' });
});

test('a directory named .env is ignored', async () => {
  const project = projectDir();
  const before = await run(project, ['config', '--json']);
  project.put('.env/pyvenv.cfg', 'home = /usr/bin');
  expect(before.code).toBe(0);
  expect(await run(project, ['config', '--json'])).toEqual(before);
});

const EVIL = [
  'TASK_LOGS_DIR=logs',
  'TASK_LOGS_S3_BUCKET=evil',
  'TASK_LOGS_RETENTION_DAYS=1',
  'AWS_PROFILE=evil',
  'HTTPS_PROXY=http://evil.test',
  'TASK_LOGS_TRUST_PROJECT_CONFIG=true',
].join('\n');

test('.env in a checkout decides for run neither where documents go nor what is removed, and cannot trust itself', async () => {
  const project = projectDir();
  const path = project.put('.env', EVIL);
  const { code, stderr } = await run(project, ['run', '--', 'true']);
  expect(code).toBe(0);
  expect(stderr.split('\n').slice(0, 2)).toEqual([
    `tasktrail: TASK_LOGS_TRUST_PROJECT_CONFIG in ${path} is not used: only the environment sets it`,
    expect.stringContaining(
      `tasktrail: TASK_LOGS_S3_BUCKET, TASK_LOGS_RETENTION_DAYS, AWS_PROFILE in ${path} is not used by this command`,
    ),
  ]);
  const trusted = await run(project, ['run', '--', 'true'], { TASK_LOGS_TRUST_PROJECT_CONFIG: 'true' });
  expect(trusted.stderr).not.toContain('is not used by this command');
});

test('for a service .env decides as before, but cannot trust the files of checkouts', async () => {
  const project = projectDir();
  project.put('.env', EVIL);
  const { stdout, stderr } = await run(project, ['config', '--json']);
  expect(stderr).toBe('');
  const { settings, notes } = JSON.parse(stdout) as {
    settings: (Setting & { name: string })[];
    notes: string[];
  };
  const of = (name: string): unknown => settings.find((setting) => setting.name === name)?.value;
  expect([of('TASK_LOGS_S3_BUCKET'), of('TASK_LOGS_RETENTION_DAYS')]).toEqual(['evil', 1]);
  expect(of('TASK_LOGS_TRUST_PROJECT_CONFIG')).toBe(false);
  expect(notes).toEqual([expect.stringContaining('only the environment sets it')]);
});

test('run, config and doctor name the keys of a checkout that are not used', { tags: ['full'] }, async () => {
  const project = projectDir();
  const storage = { enabled: true, bucket: 'a-bucket' };
  const path = project.put('.fractary/plugins/logs/config.json', {
    types: { workflow: { cloud_storage: storage } },
  });
  for (const args of [['run', '--', 'true'], ['config'], ['doctor']]) {
    const { stdout, stderr } = await run(project, args, { TASK_LOGS_DIR: 'logs' });
    expect(stdout + stderr, args[0]).toContain(`cloud_storage in ${path} is not used`);
  }
});

test('headers of endpoints may stand in a file, whose problems stop the command', {
  tags: ['full'],
}, async () => {
  const project = projectDir();
  const path = project.put('headers', 'x-key=hidden-hidden\n');
  const env = { OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE: path, TASK_LOGS_DIR: 'logs' };
  const { code, stdout } = await run(project, ['run', '--', 'env'], env);
  expect(code).toBe(0);
  expect(stdout).not.toContain('hidden-hidden');
  for (const signal of ['', 'LOGS_']) {
    const name = `OTEL_EXPORTER_OTLP_${signal}HEADERS_FILE`;
    const broken = await run(project, ['config'], { [name]: '/none' });
    expect({ ...broken, stdout: '' }).toEqual({
      code: 2,
      stdout: '',
      stderr: `tasktrail: ${name}: there is no file /none\n`,
    });
  }
});
