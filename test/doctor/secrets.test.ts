import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { allSecretsOf } from '../../src/doctor/secrets.ts';

test.each([
  [{ MY_SECRET: 'whole-value' }, ['whole-value']],
  [{ AWS_ACCESS_KEY_ID: 'key-id' }, ['key-id']],
  [{ ANTHROPIC_API_KEY: 'api-key' }, ['api-key']],
  [
    { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20value,authorization=Basic%20abc' },
    ['a%20value', 'a value', 'Basic%20abc', 'Basic abc', 'abc'],
  ],
  [{ ANY_NAME: 'https://user:p%40ss@host/path' }, ['p%40ss', 'p@ss']],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'x-key=50%x' }, ['50%x']],
])('the secrets in %j are found, as written and as sent', (env, expected) => {
  expect(allSecretsOf(env, undefined)).toEqual(expect.arrayContaining(expected));
});

test('other variables are not secrets', () => {
  const env = { PATH: '/usr/bin', HOME: '/root', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host:4318' };
  expect(allSecretsOf(env, undefined)).toEqual([]);
});

test('secrets of flags and of the file are found in the settings', () => {
  const config = loadConfig({ flags: { TASK_LOGS_API_TOKEN: 'token-of-sixteen' }, env: {}, cwd: '/' });
  expect(allSecretsOf({}, config)).toContain('token-of-sixteen');
});
