import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import { TasktrailError } from '../../../src/errors.ts';
import { checkWebhooks } from '../../../src/service/webhooks/webhook-senders.ts';

function configWith(webhooks: object): Config {
  const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-senders-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify({ webhooks }));
  return loadConfig({ env: {}, cwd });
}

test('webhooks that cannot work stop the start: each with its key as the file spells it, and no secret', () => {
  const config = configWith({
    trello: { preset: 'trello', secret: 'the secret of trello' },
    discord: { preset: 'discord', secret: 'not a public key' },
    ci: {
      secret: 'a secret of the tests',
      header: 'x-sig',
      message: 'text',
      timestamp_header: 'x-time',
      signed: '{timestamp}',
      command: 'dance',
    },
    fine: { preset: 'gitlab', secret: 'a secret of the tests' },
  });
  let error: unknown;
  try {
    checkWebhooks(config);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TasktrailError);
  expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  expect(String(Reflect.get(Object(error), 'message')).split('\n')).toEqual([
    'webhooks.trello.url: must be the address as the sender knows it: https://<host>/webhooks/<name>',
    'webhooks.discord.secret: must be an Ed25519 public key: 64 hex digits, base64 or PEM',
    'webhooks.ci.signed: must hold {body} or {body:<path>}',
    'webhooks.ci.command: "dance" is not known; use one of review, fix, plan, help',
  ]);
});

test.each<[what: string, webhook: object, expected: string | undefined]>([
  ['a short secret', { preset: 'gitlab', secret: 'a' }, 'use at least 16 characters'],
  [
    'a short secret beside a long one',
    { preset: 'gitlab', secret: ['k', 'Zq9w8e7r6t5y4u3i'] },
    'secret 1 of 2: use at least 16 characters',
  ],
  ['blanks at the ends', { preset: 'gitea', secret: ' Zq9w8e7r6t5y4u3i' }, 'remove the blanks at its ends'],
  ['only blanks', { preset: 'gitea', secret: ' '.repeat(20) }, 'remove the blanks at its ends'],
  ['one character repeated', { preset: 'gitea', secret: 'k'.repeat(20) }, 'use a random text'],
  ['a placeholder', { preset: 'gitea', secret: 'change-me-change-me' }, 'use a random text'],
  [
    'a short key as base64',
    { preset: 'standard-webhooks', secret: `whsec_${Buffer.alloc(15, 'k1').toString('base64')}` },
    'one of its keys has 15 bytes when it is decoded: use at least 16',
  ],
  [
    'a short key as hex',
    { preset: 'gitea', secret_encoding: 'hex', secret: 'ab12'.repeat(5) },
    'one of its keys has 10 bytes when it is decoded: use at least 16',
  ],
  [
    'a key of 24 bytes as base64',
    { preset: 'standard-webhooks', secret: `whsec_${Buffer.alloc(24, 'k1').toString('base64')}` },
    undefined,
  ],
  ['a signing key of Mailgun', { preset: 'mailgun', secret: 'ab12'.repeat(8) }, undefined],
  ['a public key', { preset: 'discord', secret: 'ab'.repeat(32) }, undefined],
])('the secret of a webhook in the file: %s', (_, webhook, expected) => {
  const check = (): void => checkWebhooks(configWith({ ci: webhook }));
  if (expected === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(new RegExp(`^webhooks\\.ci\\.secret: ${expected}$`));
});
