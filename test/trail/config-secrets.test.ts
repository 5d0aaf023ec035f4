import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { trailTokenOf } from '../../src/model/trail-token.ts';
import { secretsOf } from '../../src/trail/config-secrets.ts';

test('every secret of the settings is listed, with the token that is derived from the key', () => {
  const env = {
    GITHUB_WEBHOOK_SECRET: 'github-secret-one,github-secret-two',
    JIRA_WEBHOOK_SECRET: 'jira-secret-number-1',
    SLACK_SIGNING_SECRET: 'slack-secret-number-1',
    TASK_LOGS_API_TOKEN: 'token-of-sixteen',
    TASK_LOGS_KEY: 'key-'.repeat(10),
    GITHUB_TOKEN: 'github-token-1',
    REDIS_URL: 'redis://me:p%40ss@127.0.0.1:6379',
  };
  const secrets = secretsOf(loadConfig({ env, cwd: '/' }));
  for (const secret of [
    'github-secret-one',
    'github-secret-two',
    'jira-secret-number-1',
    'slack-secret-number-1',
  ])
    expect(secrets).toContain(secret);
  for (const secret of [
    'token-of-sixteen',
    'key-'.repeat(10),
    trailTokenOf('key-'.repeat(10)),
    'github-token-1',
  ])
    expect(secrets).toContain(secret);
  expect(secrets).toContain('p%40ss');
  expect(secrets).toContain('p@ss');
});

test('a Redis password with a plain percent sign is a secret as written', () => {
  const config = loadConfig({ env: { REDIS_URL: 'redis://:50%x@127.0.0.1:6379' }, cwd: '/' });
  expect(secretsOf(config)).toContain('50%x');
});

test('without settings there are no secrets', () => {
  expect(secretsOf(loadConfig({ env: {}, cwd: '/' }))).toEqual([]);
});
