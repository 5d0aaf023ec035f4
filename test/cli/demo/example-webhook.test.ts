import { verify } from '@octokit/webhooks-methods';
import { expect, test } from 'vitest';
import { EXAMPLE_COMMENT, exampleWebhook } from '../../../src/cli/demo/example-webhook.ts';

test('the example is signed as GitHub signs, and a user comments with a command', async () => {
  const { headers, body } = exampleWebhook('a secret');
  expect(await verify('a secret', body, headers['x-hub-signature-256'] ?? '')).toBe(true);
  expect(headers).toMatchObject({ 'x-github-event': 'issue_comment' });
  expect(JSON.parse(body)).toMatchObject({
    action: 'created',
    comment: { body: EXAMPLE_COMMENT },
    sender: { type: 'User' },
  });
});

test('each example is a delivery of its own', () => {
  const ids = [1, 2].map(() => exampleWebhook('s').headers['x-github-delivery']);
  expect(new Set(ids).size).toBe(2);
});
