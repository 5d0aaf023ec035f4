import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkSettings } from '../../src/doctor/settings.ts';
import { linesOf, tempDir } from './subject.ts';

interface Given {
  readonly env?: Record<string, string>;
  readonly flags?: Record<string, string>;
  /** The text of `tasktrail.config.json`. */
  readonly file?: string;
}

function look({
  env = {},
  flags = {},
  file,
}: Given): ReturnType<typeof checkSettings> & { lines: string; cwd: string } {
  const cwd = tempDir();
  if (file !== undefined) writeFileSync(join(cwd, 'tasktrail.config.json'), file);
  const found = checkSettings({ env, flags, cwd, configFile: undefined });
  return { ...found, lines: linesOf(found.findings), cwd };
}

test('valid settings are listed with the file and the names that are set', () => {
  const { lines, cwd } = look({
    env: { PORT: '9000' },
    flags: { TASK_LOGS_DIR: '/x' },
    file: '{"trigger":"@bot"}',
  });
  expect(lines).toBe(
    `ok file: ${join(cwd, 'tasktrail.config.json')} is read\nok settings: set: TASK_LOGS_DIR (flag), PORT (environment), trigger (file)`,
  );
  expect(look({}).lines).toMatch(
    /^ok file: none: there is no .*\nok settings: nothing is set, all defaults$/,
  );
});

test('each invalid setting is a problem, and the valid ones are still loaded', () => {
  const { lines, config } = look({
    env: { PORT: 'abc', TASK_LOGS_RETENTION_DAYS: '-1', REDIS_URL: 'redis://r:6379' },
    flags: { TASK_LOGS_OTLP_PORT: '99999' },
  });
  expect(lines).toMatch(/^problem PORT: use a port number .*"abc".* -> correct it, or leave it out$/m);
  expect(lines).toMatch(/^problem TASK_LOGS_RETENTION_DAYS: /m);
  expect(lines).toMatch(/^problem TASK_LOGS_OTLP_PORT: /m);
  expect(config).toMatchObject({ port: 8000, retentionDays: 30, redisUrl: 'redis://r:6379' });
});

test('contradictory settings, and problems that appear without others, are named', () => {
  const { lines, config } = look({ env: { HOST: '0.0.0.0', PORT: '9000', TASK_LOGS_OTLP_PORT: '9000' } });
  expect(lines).toMatch(/^problem HOST: HOST=0\.0\.0\.0 can be reached from outside/m);
  expect(lines).toMatch(/^problem PORT: PORT and TASK_LOGS_OTLP_PORT are both 9000/m);
  expect(config?.host).toBe('127.0.0.1');
  const grpc = look({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  });
  expect(grpc.lines).toMatch(/^problem OTEL_EXPORTER_OTLP_PROTOCOL: gRPC is not supported/m);
  expect(grpc.config?.otlpEndpoint).toBe('http://h:4317');
});

test('an invalid file is named, and the environment is loaded without it', () => {
  const { lines, config, cwd } = look({ env: { TASK_LOGS_DIR: 'logs' }, file: '{"tigger": "@x"}' });
  expect(lines).toMatch(/^problem \S*tasktrail\.config\.json: .*tigger.* -> /m);
  expect(config?.logDir).toBe(join(cwd, 'logs'));
  expect(look({ file: '{' }).lines).toMatch(/^problem \S*tasktrail\.config\.json: /m);
});

test('an agent with an unknown dialect is a problem', () => {
  const { lines, config } = look({
    env: { TASK_LOGS_AGENT_COMMAND: 'x', TASK_LOGS_AGENT_DIALECT: 'klingon' },
  });
  expect(lines).toMatch(/^problem TASK_LOGS_AGENT_DIALECT: "klingon" is not known/m);
  expect(config).toBeDefined();
});

test('secrets that are too short are not printed', () => {
  expect(look({ env: { TASK_LOGS_API_TOKEN: 'short-one' } }).lines).not.toContain('short-one');
});

test('an unknown setting and disabled recording are warnings', () => {
  const { lines } = look({
    env: {
      TASK_LOGS_DRI: '/x',
      TASK_LOGS_PORT: '1',
      TASK_LOGS_ENABLED: 'false',
      TASK_LOGS_TASK_ID: 'task-1',
    },
  });
  expect(lines).toMatch(/^warning TASK_LOGS_DRI: no setting has this name/m);
  expect(lines).toMatch(/^warning TASK_LOGS_PORT: no setting has this name -> use PORT/m);
  expect(lines).toMatch(/^warning TASK_LOGS_ENABLED: false: nothing is recorded/m);
});
