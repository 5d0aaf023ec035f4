import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Config, type ConfigOptions, loadConfig } from '../../src/config/config.ts';
import { TasktrailError } from '../../src/errors.ts';
import { isLoopback } from '../../src/model/loopback.ts';

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tasktrail-config-'));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

function load(options: ConfigOptions = {}): Config {
  return loadConfig({ env: {}, cwd, ...options });
}

function problemsOf(options: ConfigOptions = {}): string[] {
  try {
    load(options);
  } catch (error) {
    expect(error).toBeInstanceOf(TasktrailError);
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as TasktrailError).message.split('\n');
  }
  return [];
}

function writeFile(text: string | object): string {
  const path = join(cwd, 'tasktrail.config.json');
  writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
  return path;
}

test('without any setting the documented defaults apply', () => {
  const config = load({ env: { XDG_STATE_HOME: join(cwd, 'state') } });
  expect(config).toMatchObject({
    enabled: true,
    store: true,
    retentionDays: 30,
    workflowRetentionDays: 7,
    compressDays: 7,
    s3: undefined,
    emitWorkflowEvents: true,
    host: '127.0.0.1',
    port: 8000,
    otlpHost: '127.0.0.1',
    otlpPort: 4318,
    otlpPortIsExplicit: false,
    apiToken: undefined,
    otlpEndpoint: undefined,
    serviceName: 'tasktrail',
    environment: 'development',
    githubSecrets: [],
    jiraSecrets: [],
    slackSecrets: [],
    webhooks: {},
    githubToken: undefined,
    githubApiUrl: undefined,
    trigger: '@agent',
    agents: {},
    commands: {},
    concurrency: 2,
    attemptsMax: 3,
  });
  expect(config.logDir).toMatch(/^(?:\/data\/logs\/tasks|.*\/state\/tasktrail\/tasks)$/);
  expect(config.workflowDir).toBe(join(config.logDir, '_workflow'));
  expect(Object.isFrozen(config)).toBe(true);
});

const [OLD, NEW] = ['the old secret of tests', 'the new secret of tests'];

const ROWS: readonly (readonly [string, string, keyof Config, unknown])[] = [
  ['TASK_LOGS_ENABLED', 'false', 'enabled', false],
  ['TASK_LOGS_ENABLED', 'OFF', 'enabled', false],
  ['TASK_LOGS_ENABLED', '1', 'enabled', true],
  ['TASK_LOGS_DIR', '/x/y', 'logDir', '/x/y'],
  ['TASK_LOGS_WORKFLOW_DIR', '/x/w', 'workflowDir', '/x/w'],
  ['TASK_LOGS_STORE', 'no', 'store', false],
  ['TASK_LOGS_RETENTION_DAYS', '7', 'retentionDays', 7],
  ['TASK_LOGS_WORKFLOW_RETENTION_DAYS', '8', 'workflowRetentionDays', 8],
  ['TASK_LOGS_COMPRESS_DAYS', '2', 'compressDays', 2],
  ['TASK_LOGS_EMIT_WORKFLOW_EVENTS', 'false', 'emitWorkflowEvents', false],
  ['TASK_LOGS_OTLP_PORT', '4318', 'otlpPortIsExplicit', true],
  ['TASK_LOGS_OTLP_PORT', '0', 'otlpPort', 0],
  ['TASK_LOGS_OTLP_HOST', 'localhost', 'otlpHost', 'localhost'],
  ['TASK_LOGS_API_TOKEN', 'sixteen letters!', 'apiToken', 'sixteen letters!'],
  ['TASK_LOGS_CONCURRENCY', ' 5 ', 'concurrency', 5],
  ['TASK_LOGS_ATTEMPTS', '1', 'attemptsMax', 1],
  ['TASK_LOGS_TRACE_URL', 'http://j/{trace_id}', 'traceUrls', ['http://j/{trace_id}']],
  ['HOST', '::1', 'host', '::1'],
  ['HOST', '127.0.0.2', 'otlpHost', '127.0.0.2'],
  ['PORT', '65535', 'port', 65535],
  ['GITHUB_WEBHOOK_SECRET', OLD, 'githubSecrets', [OLD]],
  ['GITHUB_WEBHOOK_SECRET', `${OLD}, ${NEW}`, 'githubSecrets', [`${OLD}, ${NEW}`, OLD, NEW]],
  ['JIRA_WEBHOOK_SECRET', `${OLD},${NEW},`, 'jiraSecrets', [`${OLD},${NEW},`, OLD, NEW]],
  ['SLACK_SIGNING_SECRET', 'with blanks inside', 'slackSecrets', ['with blanks inside']],
  ['GITHUB_TOKEN', 'ghp', 'githubToken', 'ghp'],
  ['GITHUB_API_URL', 'https://github.test/api/v3/', 'githubApiUrl', 'https://github.test/api/v3'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://jaeger:4318', 'otlpEndpoint', 'http://jaeger:4318'],
  ['OTEL_SERVICE_NAME', 'robot', 'serviceName', 'robot'],
  ['OTEL_RESOURCE_ATTRIBUTES', 'service.name=other,x=y', 'serviceName', 'other'],
  ['OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=prod', 'environment', 'prod'],
  ['FRACTARY_ENV', 'staging', 'environment', 'staging'],
];

test.each(ROWS)('%s=%j sets config.%s', (name, value, key, expected) => {
  expect(load({ env: { [name]: value } })[key]).toEqual(expected);
});

test.each(ROWS.map(([name, , key]) => [name, key] as const))('an empty %s counts as not set', (name, key) => {
  expect(load({ env: { [name]: '' } })[key]).toEqual(load()[key]);
});

test('a flag overrides the environment, the environment the file, the file the default', () => {
  writeFile({ logging: { emit_workflow_events: false } });
  expect(load().emitWorkflowEvents).toBe(false);
  expect(load().sources.TASK_LOGS_EMIT_WORKFLOW_EVENTS).toBe('file');
  const env = { TASK_LOGS_EMIT_WORKFLOW_EVENTS: 'true', PORT: '1' };
  expect(load({ env }).emitWorkflowEvents).toBe(true);
  expect(load({ env }).sources).toMatchObject({
    TASK_LOGS_EMIT_WORKFLOW_EVENTS: 'environment',
    PORT: 'environment',
    HOST: 'default',
  });
  const flagged = load({ env, flags: { PORT: '2', TASK_LOGS_EMIT_WORKFLOW_EVENTS: 'false' } });
  expect(flagged).toMatchObject({ port: 2, emitWorkflowEvents: false, sources: { PORT: 'flag' } });
  expect(load({ env, flags: { PORT: undefined } }).port).toBe(1);
});

test('all problems are listed at once, each with its setting', () => {
  const path = writeFile({ triger: '@bot', agents: { a: { command: [] } } });
  const problems = problemsOf({
    env: {
      PORT: 'eighty',
      TASK_LOGS_ENABLED: 'perhaps',
      TASK_LOGS_RETENTION_DAYS: '0',
      TASK_LOGS_API_TOKEN: 'short',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318',
      HOST: '0.0.0.0',
    },
  });
  for (const name of [
    'PORT: ',
    'TASK_LOGS_ENABLED: ',
    'TASK_LOGS_RETENTION_DAYS: ',
    'TASK_LOGS_API_TOKEN: ',
    'OTEL_EXPORTER_OTLP_ENDPOINT: ',
    'HOST=0.0.0.0',
    `${path}: agents.a.command`,
  ]) {
    expect(
      problems.filter((problem) => problem.startsWith(name)),
      name,
    ).toHaveLength(1);
  }
  expect(problems.join()).toContain('"triger"');
  expect(problems.join()).not.toContain('short');
});

test.each([
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '8000.5'],
  ['PORT', '0x50'],
  ['TASK_LOGS_CONCURRENCY', '0'],
  ['TASK_LOGS_ATTEMPTS', '1e3'],
  ['TASK_LOGS_WORKFLOW_RETENTION_DAYS', '0'],
  ['TASK_LOGS_COMPRESS_DAYS', 'never'],
  ['TASK_LOGS_S3_ENDPOINT', 'minio:9000'],
  ['TASK_LOGS_S3_PATH_STYLE', 'sometimes'],
  ['TASK_LOGS_STORE', 'maybe'],
  ['TASK_LOGS_DIR', '   '],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'ftp://host'],
  ['GITHUB_API_URL', 'api.github.test'],
  ['TASK_LOGS_AGENT_COMMAND', 'sh -c "open'],
  ['TASK_LOGS_AGENT_COMMAND', "it's"],
  ['TASK_LOGS_AGENT_COMMAND', 'sh \\'],
  ['TASK_LOGS_AGENT_COMMAND', "'' -p"],
  ['TASK_LOGS_AGENT_COMMAND', '  '],
])('%s=%j is a problem', (name, value) => {
  expect(problemsOf({ env: { [name]: value } })).toEqual([expect.stringContaining(`${name}: `)]);
});

test.each(['0.0.0.0', '::', '192.168.1.1', 'example.test'])(
  'an address that other machines can reach (%s) needs a token',
  (host) => {
    expect(problemsOf({ env: { HOST: host } }).join()).toContain('TASK_LOGS_API_TOKEN');
    expect(problemsOf({ env: { TASK_LOGS_OTLP_HOST: host } }).join()).toContain('TASK_LOGS_OTLP_HOST');
    expect(load({ env: { HOST: host, TASK_LOGS_API_TOKEN: 'a token of the test' } }).host).toBe(host);
  },
);

test('a host that is derived from another setting is not reported a second time', () => {
  expect(problemsOf({ env: { HOST: '0.0.0.0' } })).toEqual([expect.stringMatching(/^HOST=0\.0\.0\.0 /)]);
  expect(problemsOf({ env: { TASK_LOGS_OTLP_HOST: '0.0.0.0' } })).toHaveLength(1);
});

test.each([
  ['a', /: use at least 16 characters \(it is 1 characters long\)$/],
  [' ', /: remove the blanks at its ends/],
  [' Zq9w8e7r6t5y4u3i', /: remove the blanks at its ends/],
  ['Zq9w8e7r6t5y4u3i\n', /: remove the blanks at its ends/],
  ['Zq9w8e7r6t5y4u3i\u00a0', /: remove the blanks at its ends/],
  [
    'k,Zq9w8e7r6t5y4u3i',
    /: part 1 of 2, with commas between them, has 1 characters: use at least 16 characters/,
  ],
  ['Zq9w8e7r6t5y4u3i,Zq9w8e7r6t5y4u3i,short', /: part 3 of 3, /],
  [',,', /: use at least 16 characters/],
  ['kkkkkkkkkkkkkkkkkkkkkkkk', /: use a random text/],
  ['changeme-changeme', /: use a random text/],
  [`${'\u{1f600}'.repeat(8)}abcdefg`, /: use at least 16 characters/],
])('a weak secret is refused with its setting and its part, and not shown: %j', (value, expected) => {
  for (const name of ['GITHUB_WEBHOOK_SECRET', 'JIRA_WEBHOOK_SECRET', 'SLACK_SIGNING_SECRET']) {
    const [problem = '', ...more] = problemsOf({ env: { [name]: value } });
    expect(more).toEqual([]);
    expect(problem).toMatch(expected);
    expect(problem.startsWith(`${name}: `)).toBe(true);
    expect(problem).not.toContain('Zq9w8');
  }
});

test.each(['TASK_LOGS_API_TOKEN', 'TASK_LOGS_KEY', 'GITHUB_TOKEN'])(
  '%s has no blanks at its ends',
  (name) => {
    const value = 'ab12'.repeat(16);
    expect(problemsOf({ env: { [name]: value } })).toEqual([]);
    expect(problemsOf({ env: { [name]: `${value} ` } })).toEqual([
      expect.stringContaining(`${name}: remove`),
    ]);
  },
);

test('an unsupported protocol is rejected if an endpoint is set', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317' };
  expect(problemsOf({ env: { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' } })).toEqual([
    expect.stringMatching(/^OTEL_EXPORTER_OTLP_PROTOCOL: gRPC is not supported: .*4318/),
  ]);
  expect(problemsOf({ env: { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/xml' } })).toHaveLength(1);
  for (const protocol of ['http/json', 'http/protobuf', ''])
    expect(problemsOf({ env: { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: protocol } })).toEqual([]);
  expect(problemsOf({ env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' } })).toEqual([]);
  expect(problemsOf({ env: { OTEL_EXPORTER_OTLP_TIMEOUT: '10s' } })).toEqual([
    expect.stringMatching(/^OTEL_EXPORTER_OTLP_TIMEOUT: .*"10s"/),
  ]);
  expect(problemsOf({ env: { OTEL_EXPORTER_OTLP_TIMEOUT: '10000' } })).toEqual([]);
});

test('an unsupported protocol of one signal is rejected if that signal is sent', () => {
  const traces = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
  const both = { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', [traces]: 'http/json' };
  expect(problemsOf({ env: { ...endpoint, [traces]: 'grpc' } })).toEqual([
    expect.stringMatching(/^OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: gRPC is not supported: .*4318/),
  ]);
  expect(problemsOf({ env: both })).toEqual([expect.stringMatching(/^OTEL_EXPORTER_OTLP_PROTOCOL: gRPC/)]);
  expect(problemsOf({ env: { [traces]: 'grpc' } })).toEqual([]);
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4317', [traces]: 'grpc' };
  expect(problemsOf({ env: own })).toHaveLength(1);
  const metrics = { ...endpoint, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc' };
  expect(problemsOf({ env: metrics })).toHaveLength(1);
  expect(problemsOf({ env: { ...metrics, OTEL_METRICS_EXPORTER: 'none' } })).toEqual([]);
});

test('a dialect without a command is rejected', () => {
  expect(problemsOf({ env: { TASK_LOGS_AGENT_DIALECT: 'claude' } })).toEqual([
    expect.stringContaining('TASK_LOGS_AGENT_COMMAND'),
  ]);
});

test('variables that the OpenTelemetry SDK reads are not validated', () => {
  const env = {
    OTEL_RESOURCE_ATTRIBUTES: ' ',
    OTEL_EXPORTER_OTLP_HEADERS: ' ',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'zip',
  };
  expect(problemsOf({ env })).toEqual([]);
});

test('the tenant of the setting and that of the address must agree, and a service of a tenant has a token', () => {
  const token = { TASK_LOGS_API_TOKEN: 'a-token-of-one-tenant' };
  const at = (query: string, tenant: string, more = {}): ConfigOptions => ({
    env: { TASK_LOGS_STORE_URL: `victorialogs://h${query}`, TASK_LOGS_TENANT: tenant, ...more },
  });
  expect(load(at('', '12:3', token)).storeUrl).toBe('victorialogs://h?tenant=12%3A3');
  expect(load(at('?tenant=12', '12:0', token)).storeUrl).toBe('victorialogs://h?tenant=12%3A0');
  expect(problemsOf(at('?tenant=12:3', '12', token))).toEqual([
    expect.stringMatching(/^TASK_LOGS_STORE_URL: it names tenant 12:3, and TASK_LOGS_TENANT is 12:/),
  ]);
  expect(problemsOf(at('', '12'))).toEqual([
    expect.stringMatching(/^TASK_LOGS_TENANT needs TASK_LOGS_API_TOKEN/),
  ]);
  expect(problemsOf(at('', 'shop', token))).toEqual([
    expect.stringMatching(/^TASK_LOGS_TENANT: use one or two numbers/),
  ]);
  expect(problemsOf({ env: { TASK_LOGS_TENANT: '12', ...token } })).toEqual([
    expect.stringMatching(/^TASK_LOGS_TENANT is a tenant of a VictoriaLogs: set TASK_LOGS_STORE_URL/),
  ]);
  // A worker has no store, and no clients.
  expect(load({ env: { TASK_LOGS_TENANT: '12', TASK_LOGS_STORE: 'false' } }).tenant).toBe('12');
  for (const query of ['?tenant=a', '?tenant=1&tenant=2', '?tenant=', '?tenant=4294967296'])
    for (const setting of [{}, { TASK_LOGS_TENANT: '1', ...token }])
      expect(problemsOf({ env: { TASK_LOGS_STORE_URL: `victorialogs://h${query}`, ...setting } })).toEqual([
        expect.stringMatching(/^TASK_LOGS_STORE_URL: its tenant is "[^"]*": use one or two numbers/),
      ]);
  expect(load({ env: { TASK_LOGS_TENANT: '12' }, recordsOnly: true }).tenant).toBe('12');
});

test.each([
  '1:2:3',
  '-1:0',
  '1:-1',
  '4294967296',
  '1:4294967296',
  ' ',
  ':',
  '1:',
  ':1',
  '1 2',
  '1.5',
  '1e3',
  '0x1',
  '\u0661',
  '\uff11:\uff12',
  '1;2',
  '99999999999',
])('the tenant %j stops every command that has it, with the setting and what to use', (tenant) => {
  const env = {
    TASK_LOGS_STORE_URL: 'victorialogs://h',
    ...{ TASK_LOGS_TENANT: tenant, TASK_LOGS_API_TOKEN: 'a-token-of-one-tenant' },
  };
  for (const recordsOnly of [true, false])
    expect(problemsOf({ env, recordsOnly })).toEqual([
      expect.stringMatching(
        /^TASK_LOGS_TENANT: use one or two numbers from 0 to 4294967295, such as 12 or 12:3 /,
      ),
    ]);
});

test('all numbers of VictoriaLogs are tenants, and an empty setting is none', () => {
  const of = (tenant: string): Config =>
    load({
      env: {
        TASK_LOGS_STORE_URL: 'victorialogs://h',
        ...{ TASK_LOGS_TENANT: tenant, TASK_LOGS_API_TOKEN: 'a-token-of-one-tenant' },
      },
    });
  expect(of('0').storeUrl).toBe('victorialogs://h?tenant=0');
  expect(of(' 007:01 ').storeUrl).toBe('victorialogs://h?tenant=007%3A01');
  expect(of('4294967295:4294967295').tenant).toBe('4294967295:4294967295');
  expect(of('').tenant).toBeUndefined();
  expect(of('').storeUrl).toBe('victorialogs://h');
});

test('each tenant has a log directory of its own in the same setting, and keys of its own in the same bucket', () => {
  const of = (tenant: string, more: Record<string, string> = {}, options: ConfigOptions = {}): Config =>
    load({
      env: { TASK_LOGS_DIR: '/logs', TASK_LOGS_STORE: 'false', TASK_LOGS_TENANT: tenant, ...more },
      ...options,
    });
  expect(of('12').logDir).toBe('/logs/_tenants/12-0');
  expect(of('012:0').logDir).toBe('/logs/_tenants/12-0');
  expect(of('12:3').workflowDir).toBe('/logs/_tenants/12-3/_workflow');
  expect(of('12:3', { TASK_LOGS_WORKFLOW_DIR: '/flows' }).workflowDir).toBe('/flows/_tenants/12-3');
  expect(of('').logDir).toBe('/logs');
  // What a parent process has resolved is handed on as the setting.
  expect(of('12', { TASK_LOGS_DIR: '/logs/_tenants/12-0' }).logDir).toBe('/logs/_tenants/12-0');
  expect(of('13', { TASK_LOGS_DIR: '/logs/_tenants/12-0' }).logDir).toBe('/logs/_tenants/12-0/_tenants/13-0');
  // A move names its directory.
  expect(of('12', {}, { isOfAllTenants: true }).logDir).toBe('/logs');
  const bucket = { TASK_LOGS_S3_BUCKET: 'team-logs' };
  expect(of('12:3', bucket).s3?.prefix).toBe('tenants/12-3/workflow/{year}/{month}/');
  expect(of('', bucket).s3?.prefix).toBe('workflow/{year}/{month}/');
});

test('the same port for both servers is rejected with both settings; a default OTLP port changes to a free one', () => {
  for (const env of [{ PORT: '9000', TASK_LOGS_OTLP_PORT: '9000' }, { TASK_LOGS_OTLP_PORT: '8000' }])
    expect(problemsOf({ env })).toEqual([expect.stringMatching(/^PORT and TASK_LOGS_OTLP_PORT are both/)]);
  expect(problemsOf({ env: { PORT: '0', TASK_LOGS_OTLP_PORT: '0' } })).toEqual([]);
  const elsewhere = { TASK_LOGS_OTLP_HOST: '127.0.0.2', PORT: '9000', TASK_LOGS_OTLP_PORT: '9000' };
  expect(problemsOf({ env: elsewhere })).toEqual([]);
  expect(load({ env: { PORT: '4318' } })).toMatchObject({ port: 4318, otlpPort: 0 });
});

test('a rejected value is shown without passwords, and truncated between code points', () => {
  const redis = problemsOf({ env: { REDIS_URL: 'http://user:hidden@redis.test' } });
  expect(redis).toEqual([
    'REDIS_URL: use a URL such as redis://127.0.0.1:6379 (it is "http://...@redis.test")',
  ]);
  const template = problemsOf({ env: { TASK_LOGS_TRACE_URL: 'http://user:hidden@x/{trace_id}' } });
  expect(template.join()).toContain('"http://...@x/{trace_id}" has a user or a password');
  expect(template.join()).not.toContain('hidden');
  const [emoji] = problemsOf({ env: { PORT: `${'x'.repeat(79)}\u{1f600}\u{1f600}` } });
  expect(emoji).toContain(`x\u{1f600}")`);
});

test('the configuration is deeply frozen', () => {
  writeFile({
    agents: { a: { command: ['a'] } },
    commands: { c: { agent: 'a', phases: [{ name: 'p', steps: ['s'] }] } },
    webhooks: { w: { secret: ['x', 'y'], header: 'h', message: 'm', source_metadata: { f: 'g' } } },
  });
  const config = load({
    env: { TASK_LOGS_S3_BUCKET: 'bucket', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:4318' },
    flags: { GITHUB_WEBHOOK_SECRET: `${OLD},${NEW}`, TASK_LOGS_AGENT_COMMAND: 'sh' },
  });
  const open: string[] = [];
  const look = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) open.push(path);
    for (const [key, item] of Object.entries(value)) look(item, `${path}.${key}`);
  };
  look(config, 'config');
  expect(open).toEqual([]);
  expect(config).toMatchObject({ s3: {}, metrics: {}, webhooks: { w: { sourceMetadata: {} } } });
});

test('a command that only records or prunes is not stopped by settings of the service', () => {
  const env = { PORT: 'tcp://10.0.0.1:80', TASK_LOGS_CONCURRENCY: 'many', REDIS_URL: 'redis' };
  for (const options of [{ recordsOnly: true }, { withoutService: true }])
    expect(loadConfig({ cwd, env, ...options }).port).toBe(8000);
  expect(() => loadConfig({ cwd, env })).toThrow(/PORT: [\s\S]*TASK_LOGS_CONCURRENCY: /);
  const same = { PORT: '9000', TASK_LOGS_OTLP_PORT: '9000' };
  expect(loadConfig({ cwd, env: same, recordsOnly: true }).otlpPort).toBe(9000);
  expect(() => loadConfig({ cwd, env: same })).toThrow('PORT and TASK_LOGS_OTLP_PORT are both 9000');
  expect(() => loadConfig({ cwd, env: { TASK_LOGS_OTLP_PORT: 'x' }, recordsOnly: true })).toThrow(
    'OTLP_PORT',
  );
});

test('loadConfig does not read .env', () => {
  writeFileSync(join(cwd, '.env'), 'PORT=9001\nmalformed line\n');
  expect(load()).toMatchObject({ port: 8000, sources: { PORT: 'default' } });
  expect(loadConfig({ cwd, recordsOnly: true }).sources.PORT).not.toBe('env file');
});

test('the source of a setting from a file has the path of the file', () => {
  const path = writeFile({
    trigger: '@bot',
    agents: { a: { command: ['a'] } },
    webhooks: { w: { secret: 'x', header: 'h', message: 'm' } },
    types: { workflow: { cloud_storage: { enabled: true, bucket: 'bucket', region: 'eu-west-1' } } },
  });
  const { sources, sourceFiles } = load({ env: { AWS_REGION: 'us-east-2', PORT: '1' } });
  expect(sources).toMatchObject({ AWS_REGION: 'environment', PORT: 'environment' });
  expect(sources).not.toHaveProperty('commands');
  expect(sourceFiles).toEqual(
    Object.fromEntries(['trigger', 'agents', 'webhooks', 'TASK_LOGS_S3_BUCKET'].map((name) => [name, path])),
  );
  for (const name of Object.keys(sourceFiles)) expect(sources[name]).toBe('file');
});

test('isLoopback accepts loopback addresses and rejects similar names', () => {
  expect(['localhost', '127.0.0.1', '127.8.9.1', '::1'].every(isLoopback)).toBe(true);
  expect(['127.0.0.1.evil.test', 'localhost.evil.test', '0.0.0.0', '', '1127.0.0.1'].some(isLoopback)).toBe(
    false,
  );
});

test('TASK_LOGS_AGENT_COMMAND is split like a shell command and becomes the first agent', () => {
  writeFile({ agents: { claude: { command: ['claude'] }, default: { command: ['other'] } } });
  const line = `sh -c 'echo "two words"' "" --name="a b"`;
  const { agents } = load({ env: { TASK_LOGS_AGENT_COMMAND: line } });
  expect(Object.keys(agents)).toEqual(['default', 'claude']);
  expect(agents.default).toEqual({
    type: 'coding',
    command: ['sh', '-c', 'echo "two words"', '', '--name=a b'],
    dialect: 'auto',
  });
});

test('TASK_LOGS_AGENT_COMMAND may contain escaped quotes and a trailing escaped space', () => {
  const commandOf = (line: string): unknown =>
    load({ env: { TASK_LOGS_AGENT_COMMAND: line } }).agents.default?.command;
  expect(commandOf('sh -c "echo \\"a b\\""')).toEqual(['sh', '-c', 'echo "a b"']);
  expect(commandOf(' a \\  ')).toEqual(['a', ' ']);
});

test('a command with an unclosed quote is rejected with the position of the quote', () => {
  expect(problemsOf({ env: { TASK_LOGS_AGENT_COMMAND: 'sh -c "open' } })).toEqual([
    'TASK_LOGS_AGENT_COMMAND: the " at character 7 has no closing quote (it is "sh -c \\"open")',
  ]);
});

test('a dialect next to a malformed command causes no second problem', () => {
  const env = { TASK_LOGS_AGENT_COMMAND: "it's", TASK_LOGS_AGENT_DIALECT: 'text' };
  expect(problemsOf({ env })).toEqual([expect.stringContaining('TASK_LOGS_AGENT_COMMAND: ')]);
});

test('the dialect is detected from the output unless it is set', () => {
  const command = 'claude -p --output-format stream-json --verbose';
  const dialectOf = (env: Record<string, string>): unknown => load({ env }).agents.default?.dialect;
  expect(dialectOf({ TASK_LOGS_AGENT_COMMAND: command })).toBe('auto');
  expect(dialectOf({ TASK_LOGS_AGENT_COMMAND: command, TASK_LOGS_AGENT_DIALECT: 'text' })).toBe('text');
});

test('the file may contain comments, trailing commas and a byte order mark', () => {
  writeFile('\uFEFF{\n  // the name of the bot\n  "trigger": "/bot", /* more */\n}\n');
  expect(load()).toMatchObject({ trigger: '/bot', sources: { trigger: 'file' } });
});

test('the example of the documentation is accepted', () => {
  writeFile(`{"trigger": "@agent",
 "agents": {"claude": {"type": "coding", "command": ["claude", "-p", "--output-format", "stream-json", "--verbose"], "dialect": "claude", "cwd": "."}},
 "commands": {"review": {"agent": "claude", "workflow": "review", "phases": [{"name": "build", "steps": ["run-agent"]}]}},
 "logging": {"emit_workflow_events": true}, "types": {"workflow": {"local_retention_days": 7, "cloud_storage": {"enabled": false, "provider": "s3", "bucket": "\${ORG}.logs.\${PROJECT}", "prefix": "workflow/{year}/{month}/", "format": "json"}}}}`);
  expect(load()).toMatchObject({
    agents: { claude: { dialect: 'claude' } },
    commands: { review: { agent: 'claude' } },
  });
});

test.each([
  [
    'a missing comma',
    '{\n  "trigger": "@a"\n  "agents": {}\n}',
    'line 3: unexpected text: a comma or a bracket is missing beside it',
  ],
  ['no closing brace', '{\n"trigger": "@a",\n', 'line 2: unexpected comma: '],
  ['no content', '', 'line 1: '],
  ['an array', '[1]', '(top): '],
  ['an unknown key', '{"colour": 1}', '"colour"'],
  ['an unknown nested key', '{"agents": {"a": {"command": ["a"], "dir": "."}}}', 'agents.a: '],
  ['no program', '{"agents": {"a": {"command": [" "]}}}', 'agents.a.command: name a program'],
  ['an unknown agent', '{"commands": {"x": {"agent": "b"}}}', 'commands.x.agent: there is no agent "b"'],
  ['an agent named like a method', '{"commands": {"x": {"agent": "constructor"}}}', 'there is no agent'],
  [
    'a phase without steps',
    '{"commands": {"x": {"phases": [{"name": "a", "steps": []}]}}}',
    'commands.x.phases.0.steps',
  ],
  ['a malformed name', '{"commands": {"../x": {}}}', 'commands'],
])('a file with %s is a problem with its path and position', (_what, text, expected) => {
  const path = writeFile(text);
  const problems = problemsOf();
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`${path}: `);
  expect(problems[0]).toContain(expected);
});

test('a command may use the bundled sample agent without configuring it', () => {
  writeFile({ commands: { try: { agent: 'sample-agent' } } });
  expect(load().commands.try).toEqual({ agent: 'sample-agent' });
});

test('an explicitly named file must exist; the default file is optional', () => {
  expect(problemsOf({ configFile: 'none.json' }).join()).toContain(join(cwd, 'none.json'));
  expect(problemsOf()).toEqual([]);
  mkdirSync(join(cwd, 'tasktrail.config.json'));
  expect(problemsOf().join()).toContain('cannot be read');
});

test('the project is the name of the git root, or else of the working directory', () => {
  const nested = join(cwd, 'repo', 'a', 'b');
  mkdirSync(nested, { recursive: true });
  expect(loadConfig({ env: {}, cwd: nested }).project).toBe('b');
  mkdirSync(join(cwd, 'repo', '.git'));
  expect(loadConfig({ env: {}, cwd: nested }).project).toBe('repo');
});

test('a name that breaks the rule of names, and a word that there is not, are said with the rule', () => {
  writeFile({
    agents: { 'my agent': { command: ['x'] } },
    notify: [{ url: 'https://a.example', secret: 'x', on: ['task.odd'] }],
  });
  const problems = problemsOf().join('\n');
  expect(problems).toContain('agents.my agent: use letters, digits, ".", "_" and "-"');
  expect(problems).toMatch(/notify\.0\.on\.0: must be one of .*task\.failed/);
});
