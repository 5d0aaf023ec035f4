import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { WEBHOOK_PRESETS } from '../../model/webhook-presets.ts';
import { compileSender } from '../../webhooks/custom/compiled-sender.ts';
import { type SampleDelivery, sampleDelivery } from '../../webhooks/custom/sample-delivery.ts';
import { BUILTIN_DELIVERIES, type BuiltinName } from './builtin-delivery.ts';

export interface Wanted {
  readonly name: string;
  readonly text: string;
  /** A file with the private key of a sender that signs with Ed25519. */
  readonly keyFile: string | undefined;
}

/** A signed delivery, and the name of its webhook in the path. */
export interface ConfiguredDelivery {
  readonly path: string;
  readonly delivery: SampleDelivery;
}

const BUILTIN: Readonly<
  Record<BuiltinName, readonly [setting: string, (config: Config) => readonly string[]]>
> = {
  github: ['GITHUB_WEBHOOK_SECRET', (config) => config.githubSecrets],
  jira: ['JIRA_WEBHOOK_SECRET', (config) => config.jiraSecrets],
  slack: ['SLACK_SIGNING_SECRET', (config) => config.slackSecrets],
};

/** Throws `ERR_CONFIG_INVALID` for a webhook without a secret, and `ERR_INPUT_INVALID` for an unknown one. */
export function configuredDelivery(config: Config, wanted: Wanted): ConfiguredDelivery {
  const options = { text: wanted.text, id: randomUUID(), nowMs: Date.now() };
  if (isBuiltin(wanted.name)) {
    const [setting, secretsOf] = BUILTIN[wanted.name];
    const [secret] = secretsOf(config);
    if (secret === undefined) {
      throw new TasktrailError(
        'ERR_CONFIG_INVALID',
        `${setting} is not set: set it in the environment or in .env, for the service and for this command`,
      );
    }
    const make = BUILTIN_DELIVERIES[wanted.name];
    return {
      path: wanted.name,
      delivery: make({ ...options, secret, trigger: config.trigger }),
    };
  }
  const path = senderName(config, wanted.name);
  const webhook = config.webhooks[path];
  if (webhook === undefined) throw unknownWebhook(config, wanted.name);
  const sender = compileSender(path, webhook);
  const privateKey = wanted.keyFile === undefined ? undefined : readKey(wanted.keyFile);
  const delivery = sampleDelivery(sender, { ...options, privateKey });
  if (delivery === undefined) throw privateKeyNeeded(path);
  return { path, delivery };
}

function isBuiltin(name: string): name is BuiltinName {
  return Object.hasOwn(BUILTIN, name);
}

/** The webhook of this name or, if it is the name of a preset, the only one with that preset. */
function senderName(config: Config, name: string): string {
  if (Object.hasOwn(config.webhooks, name)) return name;
  const found = Object.entries(config.webhooks).filter(([, { preset }]) => preset === name);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first[0];
  if (first !== undefined) {
    const names = found.map(([one]) => one).join(', ');
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      `several webhooks have the preset ${name}: name one of ${names}`,
    );
  }
  if (!WEBHOOK_PRESETS.some((preset) => preset === name)) throw unknownWebhook(config, name);
  const variable = `${name.toUpperCase().replaceAll('-', '_')}_SECRET`;
  const entry = JSON.stringify({ webhooks: { [name]: { preset: name, secret: `\${${variable}}` } } });
  throw new TasktrailError(
    'ERR_CONFIG_INVALID',
    [
      `no webhook has the preset ${name}: add it to tasktrail.config.json, and start the service again`,
      entry,
      `with the secret of the vendor in ${variable}, in the environment or in .env`,
    ].join('\n'),
  );
}

function unknownWebhook(config: Config, name: string): TasktrailError {
  const known = [...Object.keys(BUILTIN), ...Object.keys(config.webhooks)].join(', ');
  return new TasktrailError(
    'ERR_INPUT_INVALID',
    `there is no webhook ${JSON.stringify(name.slice(0, 60))}; known: ${known}; presets: ${WEBHOOK_PRESETS.join(', ')}`,
  );
}

function privateKeyNeeded(name: string): TasktrailError {
  return new TasktrailError(
    'ERR_CONFIG_INVALID',
    [
      `webhooks.${name}.secret is a public key, and only the vendor has the private one. To try it with a pair of your own:`,
      'openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout',
      `set webhooks.${name}.secret to that public key as well, start the service again, and add --key key.pem`,
    ].join('\n'),
  );
}

function readKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw new TasktrailError('ERR_INPUT_INVALID', `--key ${path}: ${messageOf(error)}`, { cause: error });
  }
  throw new TasktrailError('ERR_INPUT_INVALID', `--key ${path}: use a private key of Ed25519 in PEM`);
}
