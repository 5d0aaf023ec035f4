import { afterEach, expect, test, vi } from 'vitest';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import {
  agentEnvironment,
  type EnvironmentParts,
  refusedVariables,
  shellEnvironment,
} from '../../../src/trail/agents/agent-environment.ts';

afterEach(() => vi.unstubAllEnvs());

function configOf(env: Record<string, string>): Config {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return loadConfig({ env, cwd: '/' });
}

function build(
  env: Record<string, string>,
  more: Partial<EnvironmentParts> = {},
): ReturnType<typeof agentEnvironment> {
  return agentEnvironment({
    ...{ taskId: 'task-1', attempt: 2, config: configOf(env), receiver: 'http://127.0.0.1:4318' },
    ...{ token: 'agent.task-1.x', telemetryOf: undefined, given: {}, account: undefined, isOwnShell: false },
    ...more,
  });
}

const TOKEN = 'api-token-of-the-service';

test('a value with a secret of the service is left out and named, however it is written', () => {
  const forms = [
    TOKEN,
    `x${TOKEN}y`,
    encodeURIComponent(`a ${TOKEN}`),
    ...['', 'a', 'ab'].map((start) => Buffer.from(`${start}${TOKEN}:z`).toString('base64')),
    Buffer.from(`user:${TOKEN}`).toString('base64url'),
  ];
  for (const form of forms) {
    const { env, dropped } = build(
      { TASK_LOGS_API_TOKEN: TOKEN, LANG: form },
      { given: { MINE: form, OK: 'ok' } },
    );
    expect(Object.values(env).join('\n'), form).not.toContain(form);
    expect(env.OK).toBe('ok');
    expect(dropped).toEqual(['LANG', 'MINE']);
  }
});

test('one secret of several is a secret, and so is a password in REDIS_URL', () => {
  const env = {
    GITHUB_WEBHOOK_SECRET: 'first-of-the-secrets,second-of-the-secrets',
    REDIS_URL: 'redis://u:redis-password@host',
  };
  const given = { A: 'second-of-the-secrets', B: 'x redis-password', C: 'c' };
  const built = build(env, { given });
  expect(built.dropped).toEqual(['A', 'B']);
  expect(built.env.C).toBe('c');
});

test('a key that is named is handed over, also when the service uses it itself', () => {
  const env = {
    GITHUB_TOKEN: 'github-token-of-both',
    TASK_LOGS_AGENT_ENV: 'GITHUB_TOKEN,MY_KEY',
    MY_KEY: 'mine',
  };
  expect(build(env).env).toMatchObject({ GITHUB_TOKEN: 'github-token-of-both', MY_KEY: 'mine' });
  const without = { GITHUB_TOKEN: 'github-token-of-both', GIT_AUTHOR_NAME: 'me github-token-of-both' };
  vi.unstubAllEnvs();
  const built = build(without);
  expect(Object.values(built.env).join('\n')).not.toContain('github-token');
  expect(built.dropped).toEqual(['GIT_AUTHOR_NAME']);
});

test('a caller that passes its whole environment on hands over its keys, not the addresses of the service', () => {
  const env = {
    ...{
      TASK_LOGS_DIR: '/logs',
      TASK_LOGS_API_TOKEN: TOKEN,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=header-secret',
    },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OPENAI_API_KEY: 'openai-key' },
  };
  const built = build(env, { given: { ...env, EXTRA: '1' } });
  expect(built.env).toMatchObject({
    OPENAI_API_KEY: 'openai-key',
    EXTRA: '1',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20agent.task-1.x',
  });
  expect(built.env.TASK_LOGS_DIR).toBeUndefined();
  expect(built.dropped).toEqual(['TASK_LOGS_API_TOKEN']);
  vi.unstubAllEnvs();
  expect(build(env, { given: { TASK_LOGS_DIR: '/another' } }).env.TASK_LOGS_DIR).toBe('/another');
});

test('without a holder the endpoint is handed over without its access, and with a token only when there is one', () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:endpoint-password@collector:4318/?key=query-secret',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/v1/traces',
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20full-token-of-the-service',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x=y',
  };
  const { env: without } = build(env, { receiver: undefined, token: undefined });
  expect(without.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://collector:4318/');
  expect(without.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT).toBe('http://traces:4318/v1/traces');
  expect(Object.keys(without).filter((name) => name.endsWith('HEADERS'))).toEqual([]);
  expect(build(env, { receiver: undefined }).env.OTEL_EXPORTER_OTLP_HEADERS).toBe(
    'Authorization=Bearer%20agent.task-1.x',
  );
});

test('attributes of the resource are kept, without secrets and without another task', () => {
  const OTEL_RESOURCE_ATTRIBUTES = 'team=a,api.token=b,tasktrail.task.id=other,k=api-token-of-the-service';
  const { env } = build({ TASK_LOGS_API_TOKEN: TOKEN, OTEL_RESOURCE_ATTRIBUTES });
  expect(env.OTEL_RESOURCE_ATTRIBUTES).toBe('team=a,tasktrail.task.id=task-1,tasktrail.task.attempt=2');
});

test('another user gets its own home and none of the folders of the service`s user', () => {
  const account = { name: 'nobody', uid: 65_534, gid: 65_534, home: '/nonexistent', shell: '/bin/false' };
  const env = {
    HOME: '/root',
    GOPATH: '/root/go',
    JAVA_HOME: '/opt/java',
    XDG_CONFIG_HOME: '/etc/x',
    TMPDIR: '/root/t',
  };
  const built = build(env, { account }).env;
  expect(built).toMatchObject({
    HOME: '/nonexistent',
    USER: 'nobody',
    LOGNAME: 'nobody',
    SHELL: '/bin/false',
  });
  expect(built.JAVA_HOME).toBe('/opt/java');
  for (const name of ['GOPATH', 'XDG_CONFIG_HOME', 'TMPDIR']) expect(built[name], name).toBeUndefined();
});

test('the command of tasktrail run keeps the environment of the shell, without the service`s own secrets', () => {
  const env = {
    ...{ OPENAI_API_KEY: 'openai-key', AWS_SECRET_ACCESS_KEY: 'aws-secret-key', TASK_LOGS_DIR: '/logs' },
    ...{ TASK_LOGS_API_TOKEN: TOKEN, COPY: `x ${TOKEN}`, OTEL_EXPORTER_OTLP_HEADERS: 'x-key=header-secret' },
    ...{ TASK_LOGS_KEY: 'key-of-the-directory-with-32-characters', REDIS_URL: 'redis://h' },
  };
  const kept = shellEnvironment(configOf(env));
  expect(kept).toMatchObject({
    OPENAI_API_KEY: 'openai-key',
    AWS_SECRET_ACCESS_KEY: 'aws-secret-key',
    TASK_LOGS_DIR: '/logs',
  });
  for (const name of [
    'TASK_LOGS_API_TOKEN',
    'COPY',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'TASK_LOGS_KEY',
    'REDIS_URL',
  ])
    expect(kept[name], name).toBeUndefined();
});

test('an agent of a program that records nothing gets the switch that says so', () => {
  expect(build({}, { config: undefined, receiver: undefined, token: undefined }).env.TASK_LOGS_ENABLED).toBe(
    'false',
  );
});

test('the start can name what will be left out', () => {
  const config = configOf({ TASK_LOGS_API_TOKEN: TOKEN });
  expect(refusedVariables({ A: TOKEN, TASK_LOGS_KEY: 'k', REDIS_URL_FILE: '/f', B: 'b' }, config)).toEqual([
    'A',
    'TASK_LOGS_KEY',
    'REDIS_URL_FILE',
  ]);
});
