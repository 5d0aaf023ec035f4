import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asText } from '../../src/cli/doctor.ts';
import { createPaint } from '../../src/cli/terminal/terminal-text.ts';
import { serve, serveTcp, statusOf } from '../doctor/subject.ts';
import { MAIN } from '../support/built.ts';
import { freePort } from '../support/free-port.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { type Env, type Run, runCommand, tempDir } from './run-command.ts';

/** Runs the command with free ports. */
async function doctor(cwd: string, env: Env = {}, args: readonly string[] = []): Promise<Run> {
  const ports = { PORT: String(await freePort()), TASK_LOGS_OTLP_PORT: String(await freePort()) };
  return runCommand(['doctor', ...args], { cwd, env: { ...ports, ...env } });
}

test('the list of commands has it', async () => {
  const { stdout } = await runCommand(['--help'], { cwd: await tempDir() });
  expect(stdout).toMatch(/\n {2}doctor .*check the setup/);
});

test('a setup without problems is exit code 0, and no file is left behind', async () => {
  const cwd = await tempDir();
  const { code, stdout, stderr } = await doctor(cwd);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const area of [
    'versions',
    'settings',
    'directory',
    'ports',
    'endpoint',
    'redis',
    's3',
    'webhooks',
    'agents',
  ])
    expect(stdout).toMatch(new RegExp(`^${area}$`, 'm'));
  expect(stdout).toMatch(/ok +\S+logs +is not there yet/);
  expect(stdout).toMatch(/\n(?:nothing is wrong|no problems, \d warnings?)\n$/);
  expect(readdirSync(cwd)).toEqual([]);
});

test('a problem has its advice on the next line, and is exit code 1', async () => {
  const { code, stdout } = await doctor(await tempDir(), {
    TASK_LOGS_RETENTION_DAYS: 'forever',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
  });
  expect(code).toBe(1);
  expect(stdout).toMatch(/ {2}problem {2}TASK_LOGS_RETENTION_DAYS +use a whole number.*\n {11}-> correct it/);
  expect(stdout).toMatch(
    / {2}problem {2}OTEL_EXPORTER_OTLP_ENDPOINT \S+ +nothing listens there\n {11}-> start it/,
  );
  expect(stdout).toMatch(/\n2 problems, (?:no|\d) warnings?\n$/);
});

test('--json prints one object, with the same exit code', async () => {
  const cwd = await tempDir();
  const { code, stdout } = await doctor(cwd, {}, ['--json', '--dir', '/dev/null']);
  const { ok, findings } = JSON.parse(stdout);
  expect({ code, ok }).toEqual({ code: 1, ok: false });
  expect(stdout.trim().split('\n')).toHaveLength(1);
  const found = findings.filter(({ level }: { level: string }) => level === 'problem');
  expect(found[0]).toEqual({
    area: 'directory',
    level: 'problem',
    what: 'a file stands where the directory should be',
    where: '/dev/null',
    advice: 'remove it, or set another TASK_LOGS_DIR',
  });
});

test('servers that do not answer are given up and named', async () => {
  const port = await serveTcp(() => {});
  const { code, stdout } = await doctor(await tempDir(), {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    REDIS_URL: `redis://127.0.0.1:${port}`,
    TASK_LOGS_S3_BUCKET: 'a-bucket',
    TASK_LOGS_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'y',
    TASK_LOGS_TRACE_URL: `http://127.0.0.1:${port}/{trace_id}`,
    PORT: String(port),
  });
  expect(code).toBe(1);
  expect(stdout.match(/not answer in time/g)?.length).toBeGreaterThanOrEqual(3);
});

test('no secret is printed, and control characters of a server are escaped', async () => {
  const said = '\u001b]0;title\u0007 you sent header-value-123 \u202e';
  const endpoint = (
    await serve((req, res) => {
      res.writeHead(500, { 'x-echo': String(req.headers['x-key']) });
      res.end(said);
    })
  ).replace('//', '//user:url-password-1@');
  const secrets = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=header-value-123',
    REDIS_URL: `redis://me:redis-password-1@127.0.0.1:${await freePort()}`,
    TASK_LOGS_API_TOKEN: 'api-token-of-sixteen',
    GITHUB_WEBHOOK_SECRET: 'github-secret-one',
    GITHUB_TOKEN: 'github-token-1',
  };
  for (const args of [[], ['--json']]) {
    const { code, stdout, stderr } = await doctor(await tempDir(), secrets, args);
    expect(code).toBe(1);
    expect(stdout).toContain('refuses an empty OTLP request with 500');
    for (const text of [
      'url-password-1',
      'header-value-123',
      'redis-password-1',
      'api-token-of',
      'github-secret-one',
    ])
      expect(stdout + stderr).not.toContain(text);
    for (const byte of ['\u001b', '\u0007', '\u202e']) expect(stdout + stderr).not.toContain(byte);
  }
});

test('a running service is recognized as the holder and on its ports, and runs on', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  onTestFinished(() => service.dispose());
  const [PORT, TASK_LOGS_OTLP_PORT] = [new URL(service.url).port, new URL(service.otlpUrl).port];
  const before = readdirSync(join(cwd, 'logs'));
  const { code, stdout } = await doctor(cwd, { PORT, TASK_LOGS_OTLP_PORT });
  expect(stdout).toMatch(/ok +PORT \S+ +our own service \S+ runs there, ready/);
  expect(stdout).toMatch(/ok +TASK_LOGS_OTLP_PORT \S+ +our own receiver is there/);
  expect(stdout).toMatch(
    new RegExp(
      `ok +\\S+_lock\\.json +held by process ${service.child.pid} .*takes records at ${service.otlpUrl}`,
    ),
  );
  expect(code).toBe(0);
  expect(readdirSync(join(cwd, 'logs'))).toEqual(before);
  expect((await service.stop()).code).toBe(0);
});

test('another server on PORT is a problem', async () => {
  const url = await serve(statusOf(200, { server: 'other/1.0' }));
  const { code, stdout } = await doctor(await tempDir(), { PORT: new URL(url).port });
  expect(stdout).toMatch(/problem +PORT \S+ +taken by HTTP server other\/1\.0/);
  expect(code).toBe(1);
});

test.skipIf(process.getuid?.() !== 0)(
  'a user without write access gets the command that grants it',
  async () => {
    const cwd = await tempDir();
    const logs = join(cwd, 'logs');
    mkdirSync(join(logs, '_journal'), { recursive: true });
    const { chmod, chown } = await import('node:fs/promises');
    await chmod(cwd, 0o755);
    expect(await asNobody(logs)).toMatch(
      /problem +\S+logs +this user may not write: EACCES.*\n +-> chown it to 65534/,
    );
    await chown(logs, 65_534, 65_534);
    expect(await asNobody(logs)).toMatch(
      /problem +\S+logs +this user may not write _journal\n +-> they are another user's: chown -R 65534/,
    );
    await chown(join(logs, '_journal'), 65_534, 65_534);
    expect(await asNobody(logs)).toMatch(/ok +\S+logs +writable\n/);
  },
);

async function asNobody(dir: string): Promise<string> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    TASK_LOGS_DIR: dir,
    PORT: '0',
    TASK_LOGS_OTLP_PORT: '0',
  };
  const child = spawn(process.execPath, [MAIN, 'doctor'], { cwd: '/', env, uid: 65_534, gid: 65_534 });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await once(child, 'close');
  return text;
}

test('levels are coloured where colours are shown, and findings stand in columns', () => {
  const findings = [
    { area: 'ports', level: 'ok', where: 'PORT', what: 'free', advice: null },
    { area: 'ports', level: 'problem', where: 'HOST 1.2.3.4', what: 'bad', advice: 'mend' },
    { area: 'redis', level: 'warning', where: 'R', what: 'x\ny', advice: 'z' },
  ] as const;
  expect(asText(findings, createPaint(false))).toBe(
    [
      'ports',
      '  ok       PORT          free',
      '  problem  HOST 1.2.3.4  bad',
      '           -> mend',
      'redis',
      '  warning  R  x\\x0ay',
      '           -> z',
      '1 problem, 1 warning',
      '',
    ].join('\n'),
  );
  expect(asText(findings, createPaint(true))).toContain('\u001b[31mproblem\u001b[0m');
});
