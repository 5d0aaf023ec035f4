import type { SecretFileOptions } from './file/secret-file.ts';
import type { WebhookConfig } from './file/webhook-schema.ts';
import { fillReferences } from './values/reference.ts';

/** `command_text` of the file is `isCommandText` in code; all other keys are the same in camelCase. */
type CamelCase<T extends string> = T extends 'command_text'
  ? 'isCommandText'
  : T extends `${infer Head}_${infer Tail}`
    ? `${Head}${Capitalize<CamelCase<Tail>>}`
    : T;

/** A sender with its secrets, as the option `custom` of `receiveWebhooks` describes it. */
export type CustomWebhook = {
  readonly [Key in keyof WebhookConfig as CamelCase<Key>]: Key extends 'secret'
    ? readonly string[]
    : WebhookConfig[Key];
};

interface ResolvedWebhooks {
  readonly found: Readonly<Record<string, CustomWebhook>>;
  readonly problems: readonly string[];
}

/** Paths of the built-in senders: a custom sender of this name would never be called. */
const TAKEN = ['github', 'jira', 'slack'];

/** Replaces `${NAME}` in secrets from the environment or from the file that `NAME_FILE` names, so that a shared file needs to hold none. */
export function resolveWebhooks(
  configured: Readonly<Record<string, WebhookConfig>> | undefined,
  file: string,
  env: SecretFileOptions,
): ResolvedWebhooks {
  const found: Record<string, CustomWebhook> = {};
  const problems: string[] = [];
  const names = new Set<string>();
  for (const [name, webhook] of Object.entries(configured ?? {})) {
    const where = `${file}: webhooks.${name}`;
    // Routes match paths without regard to case.
    const path = name.toLowerCase();
    if (TAKEN.includes(path)) {
      problems.push(`${where}: this name has its own settings; choose another`);
      continue;
    }
    if (names.has(path))
      problems.push(`${where}: another webhook has this name with other capitals; choose another`);
    names.add(path);
    const resolved = resolveSecrets(webhook.secret, where, env);
    problems.push(...resolved.problems);
    found[name] = toCustomWebhook(webhook, resolved.secrets);
  }
  return { found, problems };
}

function resolveSecrets(
  secret: WebhookConfig['secret'],
  where: string,
  env: SecretFileOptions,
): { readonly secrets: readonly string[]; readonly problems: readonly string[] } {
  const secrets: string[] = [];
  const problems: string[] = [];
  for (const text of typeof secret === 'string' ? [secret] : secret) {
    const filled = fillReferences(text, env);
    for (const problem of filled.problems) problems.push(`${where}.secret: ${problem}`);
    if (filled.problems.length === 0) secrets.push(filled.text);
  }
  return { secrets, problems };
}

function toCustomWebhook(webhook: WebhookConfig, secret: readonly string[]): CustomWebhook {
  const entries = Object.entries(webhook).map(([key, value]) => [camelCase(key), value] as const);
  // The keys are those of the type: both are made by the same rule.
  return { ...Object.fromEntries(entries), secret } as CustomWebhook;
}

function camelCase(key: string): string {
  if (key === 'command_text') return 'isCommandText';
  return key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
