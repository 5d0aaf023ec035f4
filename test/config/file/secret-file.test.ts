import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayBeInFile, SETTING_NAMES } from '../../../src/config/read-settings.ts';
import { projectDir } from '../../support/project-dir.ts';

const SECRET = 'Zq9w8e7r6t5y4u3i-Zq9w8e7r6t5y4u3i';

test('these settings can stand in files', () => {
  expect(SETTING_NAMES.filter(mayBeInFile)).toEqual([
    'TASK_LOGS_API_TOKEN',
    'TASK_LOGS_KEY',
    'GITHUB_WEBHOOK_SECRET',
    'JIRA_WEBHOOK_SECRET',
    'SLACK_SIGNING_SECRET',
    'GITHUB_TOKEN',
    'REDIS_URL',
    'OTEL_EXPORTER_OTLP_HEADERS',
  ]);
});

test('a secret is read from the file that <NAME>_FILE names, without one newline at its end', () => {
  const { put, load } = projectDir();
  const path = put('secrets/token', `${SECRET}\n`);
  const env = {
    TASK_LOGS_API_TOKEN_FILE: path,
    TASK_LOGS_KEY_FILE: 'secrets/token',
    GITHUB_WEBHOOK_SECRET_FILE: put('secrets/github', `${SECRET},${SECRET}2\r\n`),
    REDIS_URL_FILE: put('secrets/redis', 'redis://:p@127.0.0.1'),
    GITHUB_TOKEN: '',
  };
  const config = load({ env });
  expect(config).toMatchObject({
    apiToken: SECRET,
    key: SECRET,
    githubSecrets: [`${SECRET},${SECRET}2`, SECRET, `${SECRET}2`],
    redisUrl: 'redis://:p@127.0.0.1',
    githubToken: undefined,
  });
  expect(config.sources.TASK_LOGS_API_TOKEN).toBe('file');
  expect(config.sourceFiles.TASK_LOGS_API_TOKEN).toBe(path);
});

test("a second newline and blanks stay, and are refused as everywhere, with the file's path", () => {
  const { put, problems } = projectDir();
  const path = put('token', `${SECRET}\n\n`);
  expect(problems({ env: { TASK_LOGS_API_TOKEN_FILE: path } })).toEqual([
    `TASK_LOGS_API_TOKEN: remove the blanks at its ends (it is ${SECRET.length + 1} characters long in ${path})`,
  ]);
});

test('both forms together are refused, and an empty one counts as not set', () => {
  const { put, load, problems } = projectDir();
  const path = put('token', SECRET);
  for (const options of [
    { env: { TASK_LOGS_API_TOKEN: SECRET, TASK_LOGS_API_TOKEN_FILE: path } },
    { env: { JIRA_WEBHOOK_SECRET: SECRET, JIRA_WEBHOOK_SECRET_FILE: '/none' } },
  ])
    expect(problems(options)).toEqual([
      expect.stringMatching(/^\w+ and \w+_FILE are both set: leave one out$/),
    ]);
  expect(load({ env: { TASK_LOGS_API_TOKEN: '', TASK_LOGS_API_TOKEN_FILE: path } }).apiToken).toBe(SECRET);
  expect(load({ env: { TASK_LOGS_API_TOKEN: SECRET, TASK_LOGS_API_TOKEN_FILE: '' } }).apiToken).toBe(SECRET);
});

test('a file that cannot be a secret is a problem with the name of the variable, and is not waited for', () => {
  const { cwd, put, problems } = projectDir();
  const of = (path: string): string => problems({ env: { SLACK_SIGNING_SECRET_FILE: path } }).join('\n');
  const fifo = join(cwd, 'fifo');
  execFileSync('mkfifo', [fifo]);
  mkdirSync(join(cwd, 'directory'));
  const name = 'SLACK_SIGNING_SECRET_FILE';
  expect(of('/none/here')).toBe(`${name}: there is no file /none/here`);
  expect(of(SECRET)).toBe(`${name}: there is no file of this name`);
  expect(of(put('empty', ''))).toMatch(/^SLACK_SIGNING_SECRET_FILE: .*empty is empty$/);
  expect(of(put('newline', '\n'))).toMatch(/is empty$/);
  expect(of(fifo)).toBe(`${name}: ${fifo} cannot be read: it is not a regular file`);
  expect(of('/dev/zero')).toBe(`${name}: /dev/zero cannot be read: it is not a regular file`);
  expect(of(join(cwd, 'directory'))).toMatch(/it is a directory$/);
  expect(of(put('large', 'x'.repeat(10_000_000)))).toMatch(/it is longer than 65536 bytes$/);
  const closed = put('closed', SECRET);
  chmodSync(closed, 0);
  // Root reads every file.
  if (process.getuid?.() !== 0) expect(of(closed)).toMatch(/closed cannot be read: EACCES/);
});

test('a variable in the secret of a webhook may be in a file, too, with the same problems', () => {
  const { put, load, problems } = projectDir();
  const ci = { secret: `\${CI_SECRET}`, header: 'X-Sig', message: 'text' };
  put('tasktrail.config.json', { webhooks: { ci } });
  const path = put('ci', `${SECRET}\n`);
  expect(load({ env: { CI_SECRET_FILE: path } }).webhooks.ci?.secret).toEqual([SECRET]);
  expect(problems({ env: {} })).toEqual([
    expect.stringMatching(/webhooks\.ci\.secret: CI_SECRET is not set$/),
  ]);
  expect(problems({ env: { CI_SECRET_FILE: '/none' } })).toEqual([
    expect.stringMatching(/webhooks\.ci\.secret: CI_SECRET_FILE: there is no file \/none$/),
  ]);
  expect(problems({ env: { CI_SECRET: SECRET, CI_SECRET_FILE: path } })).toHaveLength(1);
});
