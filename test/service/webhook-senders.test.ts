import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { TasktrailError } from '../../src/errors.ts';
import { checkWebhooks } from '../../src/service/webhook-senders.ts';

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
      secret: 'x',
      header: 'x-sig',
      message: 'text',
      timestamp_header: 'x-time',
      signed: '{timestamp}',
      command: 'dance',
    },
    fine: { preset: 'gitlab', secret: 'x' },
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
