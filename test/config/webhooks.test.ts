import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import type { CustomWebhook } from '../../src/config/webhooks.ts';
import { receiveWebhooks } from '../../src/webhooks/receive-webhooks.ts';

function load(webhooks: unknown, env: Record<string, string> = {}): Readonly<Record<string, CustomWebhook>> {
  const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify({ webhooks }));
  return loadConfig({ env, cwd }).webhooks;
}

const CI = { secret: `\${CI_SECRET}`, header: 'X-Ci-Signature', message: 'note.text' };

test('a webhook gets its secrets from the environment, and receiveWebhooks accepts it', () => {
  const found = load(
    {
      ci: {
        ...CI,
        secret: [`\${CI_SECRET}`, `a-\${CI_NEXT}`],
        algorithm: 'sha512',
        encoding: 'base64',
        prefix: 'v1=',
        event_type: 'kind',
        event_type_header: 'X-Event',
        delivery_id: 'meta.0.id',
        delivery_id_header: 'X-Id',
        source_metadata: { repo: 'project.name' },
        command: 'review',
        body_bytes_max: 1_000,
      },
    },
    { CI_SECRET: 'the first of the secrets', CI_NEXT: 'second of the secrets' },
  );
  expect(found).toEqual({
    ci: {
      secret: ['the first of the secrets', 'a-second of the secrets'],
      header: 'x-ci-signature',
      algorithm: 'sha512',
      encoding: 'base64',
      prefix: 'v1=',
      message: 'note.text',
      eventType: 'kind',
      eventTypeHeader: 'x-event',
      deliveryId: 'meta.0.id',
      deliveryIdHeader: 'x-id',
      sourceMetadata: { repo: 'project.name' },
      command: 'review',
      bodyBytesMax: 1_000,
    },
  });
  expect(() => receiveWebhooks({ custom: found, onTask: async () => undefined })).not.toThrow();
});

test('a preset needs only its secret, and every other key may stand beside it', () => {
  const found = load(
    {
      gitlab: { preset: 'gitlab', secret: `\${GITLAB_TOKEN}` },
      chat: {
        preset: 'discord',
        secret: 'ab'.repeat(32),
        command_text: false,
        delivery_id_header: ['X-Id', 'X-Other'],
        tolerance_seconds: 60,
        only: { event: [2], 'data.name': ['agent'] },
        ignore: { author: ['bot-*'] },
        handshake: { methods: ['HEAD'], when: { type: [1] }, answer: { type: 1 } },
        answer: { type: 4, data: { content: '{words}' } },
        events: '.',
      },
    },
    { GITLAB_TOKEN: 'the token of gitlab' },
  );
  expect(found).toEqual({
    gitlab: { preset: 'gitlab', secret: ['the token of gitlab'] },
    chat: {
      preset: 'discord',
      secret: ['ab'.repeat(32)],
      isCommandText: false,
      deliveryIdHeader: ['x-id', 'x-other'],
      toleranceSeconds: 60,
      only: { event: [2], 'data.name': ['agent'] },
      ignore: { author: ['bot-*'] },
      handshake: { methods: ['HEAD'], when: { type: [1] }, answer: { type: 1 } },
      answer: { type: 4, data: { content: '{words}' } },
      events: '.',
    },
  });
  expect(() => receiveWebhooks({ custom: found, onTask: async () => undefined })).not.toThrow();
});

test.each([
  ['a secret whose variable is not set', { ci: CI }, /webhooks\.ci\.secret: CI_SECRET is not set/],
  ['no secret', { ci: { ...CI, secret: undefined } }, /webhooks\.ci\.secret/],
  ['an empty list of secrets', { ci: { ...CI, secret: [] } }, /webhooks\.ci\.secret/],
  [
    'no message',
    { ci: { ...CI, message: undefined } },
    /webhooks\.ci\.message: name the path of the text, or a preset/,
  ],
  ['no header', { ci: { ...CI, header: undefined } }, /webhooks\.ci\.header: name the header/],
  ['an unknown preset', { ci: { preset: 'acme', secret: 'x' } }, /webhooks\.ci\.preset/],
  ['a preset without a secret', { ci: { preset: 'gitlab' } }, /webhooks\.ci\.secret/],
  ['a tolerance below zero', { ci: { ...CI, tolerance_seconds: -1 } }, /webhooks\.ci\.tolerance_seconds/],
  ['a malformed path', { ci: { ...CI, message: 'a..b' } }, /webhooks\.ci\.message: use names/],
  ['a malformed header name', { ci: { ...CI, header: 'a b' } }, /webhooks\.ci\.header/],
  ['an insecure algorithm', { ci: { ...CI, algorithm: 'md5' } }, /webhooks\.ci\.algorithm/],
  ['an unknown key', { ci: { ...CI, colour: 1 } }, /"colour"/],
  [
    'a reserved field of the source metadata',
    { ci: { ...CI, source_metadata: { provider: 'x' } } },
    /set already/,
  ],
  ['a body limit of 0', { ci: { ...CI, body_bytes_max: 0 } }, /body_bytes_max/],
  ['the name of a built-in provider', { github: { ...CI, secret: 'x' } }, /webhooks\.github: this name/],
  [
    'the name of a built-in provider in upper case',
    { JIRA: { ...CI, secret: 'x' } },
    /webhooks\.JIRA: this name/,
  ],
  [
    'two names that differ only in case',
    { a: { ...CI, secret: 'x' }, A: { ...CI, secret: 'x' } },
    /webhooks\.A: another/,
  ],
  ['a name that is not a path segment', { '../x': { ...CI, secret: 'x' } }, /\.\.\/x/],
])('%s is rejected', (_what, webhooks, problem) => {
  expect(() => load(webhooks)).toThrow(problem);
});
