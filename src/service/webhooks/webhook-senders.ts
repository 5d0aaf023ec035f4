import type { Config } from '../../config/config.ts';
import { SECRET_CHARS_MIN, weaknessOf } from '../../config/values/secret-text.ts';
import { TasktrailError } from '../../errors.ts';
import { compileSender, type Sender } from '../../webhooks/custom/compiled-sender.ts';
import { SenderProblem } from '../../webhooks/custom/sender-options.ts';
import { commandNames } from '../commands.ts';

/** Throws `ERR_CONFIG_INVALID` for webhooks that cannot work, so that the start fails and not the first delivery. */
export function checkWebhooks(config: Config): void {
  const commands = commandNames(config);
  const problems: string[] = [];
  for (const [name, webhook] of Object.entries(config.webhooks)) {
    try {
      for (const problem of weakSecrets(compileSender(name, webhook)))
        problems.push(`webhooks.${name}.secret: ${problem}`);
    } catch (error) {
      if (!(error instanceof SenderProblem)) throw error;
      problems.push(`webhooks.${name}.${keyOf(error.option)}: ${error.problem}`);
    }
    if (webhook.command !== undefined && !commands.includes(webhook.command)) {
      const what = JSON.stringify(webhook.command);
      problems.push(`webhooks.${name}.command: ${what} is not known; use one of ${commands.join(', ')}`);
    }
  }
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
}

/** A line for each secret that could be guessed. An Ed25519 key is public, and its form is checked already. */
function weakSecrets({ secrets, schemes }: Sender): readonly string[] {
  const keys = schemes.map((scheme) => scheme.keys).filter(({ kind }) => kind !== 'ed25519');
  if (keys.length === 0) return [];
  const problems = secrets.flatMap((secret, index) => {
    const weakness = weaknessOf(secret);
    if (weakness === undefined) return [];
    return [secrets.length === 1 ? weakness : `secret ${index + 1} of ${secrets.length}: ${weakness}`];
  });
  if (problems.length > 0) return problems;
  // Base64 and hex are longer than the key that they hold.
  const shortest = Math.min(
    ...keys.flatMap((one) => (one.kind === 'hmac' ? one.keys.map(({ length }) => length) : [])),
  );
  if (shortest >= SECRET_CHARS_MIN) return [];
  return [`one of its keys has ${shortest} bytes when it is decoded: use at least ${SECRET_CHARS_MIN}`];
}

/** `timestampHeader` -> `timestamp_header`, as the file spells it. */
function keyOf(option: string): string {
  const [first = '', ...rest] = option.split('.');
  return [first.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), ...rest].join('.');
}
