import type { Config } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import { compileSender } from '../../webhooks/custom/compiled-sender.ts';
import { SenderProblem } from '../../webhooks/custom/sender-options.ts';
import { weakSecrets } from '../../webhooks/custom/weak-secrets.ts';
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

/** `timestampHeader` -> `timestamp_header`, as the file spells it. */
function keyOf(option: string): string {
  const [first = '', ...rest] = option.split('.');
  return [first.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), ...rest].join('.');
}
