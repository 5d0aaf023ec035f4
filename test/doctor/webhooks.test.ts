import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { checkWebhooks } from '../../src/doctor/webhooks.ts';
import { linesOf, subjectOf } from './subject.ts';

test('each sender is on or off, and no secret is printed', async () => {
  const secrets = {
    GITHUB_WEBHOOK_SECRET: 'a secret of the webhook',
    TASK_LOGS_API_TOKEN: 'sixteen characters',
  };
  expect(linesOf(await checkWebhooks(subjectOf(secrets)))).toBe(
    [
      'ok /webhooks/github: on',
      'ok /webhooks/jira: off, answered with 503: JIRA_WEBHOOK_SECRET is not set',
      'ok /webhooks/slack: off, answered with 503: SLACK_SIGNING_SECRET is not set',
      'ok TASK_LOGS_API_TOKEN: set: /api and OTLP require it',
    ].join('\n'),
  );
});

test('a webhook of the file is listed by its name', async () => {
  const subject = subjectOf();
  const deploys = { secret: 'a-secret-of-the-file', header: 'X-Signature', message: 'text' };
  const webhooks = { deploys };
  writeFileSync(join(subject.cwd, 'tasktrail.config.json'), JSON.stringify({ webhooks }));
  const config = loadConfig({ env: {}, cwd: subject.cwd });
  const lines = linesOf(await checkWebhooks({ ...subject, config }));
  expect(lines).toContain('ok /webhooks/deploys: on');
  expect(lines).not.toContain('a-secret-of-the-file');
});

test('without a token the API is only reachable from this machine', async () => {
  expect(linesOf(await checkWebhooks(subjectOf()))).toContain('not set: only reachable from this machine');
  const subject = subjectOf();
  const config = { ...subject.config, host: '0.0.0.0' };
  expect(linesOf(await checkWebhooks({ ...subject, config }))).toContain('not set: required');
});
