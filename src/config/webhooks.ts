import type { WebhookConfig } from './file/webhook-schema.ts';

/** A sender with its secrets, as the option `custom` of `receiveWebhooks` describes it. */
export interface CustomWebhook {
  readonly secret: readonly string[];
  readonly header: string;
  readonly algorithm: WebhookConfig['algorithm'];
  readonly encoding: WebhookConfig['encoding'];
  readonly prefix: string | undefined;
  readonly message: string;
  readonly markup: WebhookConfig['markup'];
  readonly eventType: string | undefined;
  readonly eventTypeHeader: string | undefined;
  readonly deliveryId: string | undefined;
  readonly deliveryIdHeader: string | undefined;
  readonly sourceMetadata: Readonly<Record<string, string>> | undefined;
  readonly command: string | undefined;
  readonly bodyBytesMax: number | undefined;
}

interface ResolvedWebhooks {
  readonly found: Readonly<Record<string, CustomWebhook>>;
  readonly problems: readonly string[];
}

/** Paths of the built-in senders: a custom sender of this name would never be called. */
const TAKEN = ['github', 'jira', 'slack'];

/** Replaces `${NAME}` in secrets from the environment, so that a shared file needs to hold none. */
export function resolveWebhooks(
  configured: Readonly<Record<string, WebhookConfig>> | undefined,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
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
  env: Readonly<Record<string, string | undefined>>,
): { readonly secrets: readonly string[]; readonly problems: readonly string[] } {
  const secrets: string[] = [];
  const problems: string[] = [];
  for (const text of typeof secret === 'string' ? [secret] : secret) {
    const missing: string[] = [];
    const filled = text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => {
      const value = env[variable] ?? '';
      if (value === '') missing.push(variable);
      return value;
    });
    for (const variable of missing) problems.push(`${where}.secret: ${variable} is not set`);
    if (missing.length === 0) secrets.push(filled);
  }
  return { secrets, problems };
}

function toCustomWebhook(webhook: WebhookConfig, secret: readonly string[]): CustomWebhook {
  return {
    secret,
    header: webhook.header,
    algorithm: webhook.algorithm,
    encoding: webhook.encoding,
    prefix: webhook.prefix,
    message: webhook.message,
    markup: webhook.markup,
    eventType: webhook.event_type,
    eventTypeHeader: webhook.event_type_header,
    deliveryId: webhook.delivery_id,
    deliveryIdHeader: webhook.delivery_id_header,
    sourceMetadata: webhook.source_metadata,
    command: webhook.command,
    bodyBytesMax: webhook.body_bytes_max,
  };
}
