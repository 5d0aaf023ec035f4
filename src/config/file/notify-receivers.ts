import { readNetwork } from '../../model/network.ts';
import {
  NOTIFICATION_GROUPS,
  type NotificationGroup,
  type NotificationType,
} from '../../model/notification.ts';
import { fillReferences } from '../values/reference.ts';
import type { NotifyConfig } from './notify-schema.ts';
import type { SecretFileOptions } from './secret-file.ts';

/** A receiver of notifications, resolved. */
export interface NotifyReceiver {
  readonly name: string;
  readonly url: string;
  readonly secret: readonly string[];
  readonly on: readonly (NotificationType | NotificationGroup)[];
  readonly filter: string | undefined;
  readonly allowAddresses: readonly string[];
  readonly link: string | undefined;
}

interface ResolvedNotify {
  readonly found: readonly NotifyReceiver[];
  readonly problems: readonly string[];
}

const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;

/** Replaces references and checks each receiver. A problem names the place, never a value: each may be a secret. */
export function resolveNotify(
  configured: readonly NotifyConfig[] | undefined,
  file: string,
  env: SecretFileOptions,
): ResolvedNotify {
  const found: NotifyReceiver[] = [];
  const problems: string[] = [];
  const names = new Set<string>();
  for (const [index, entry] of (configured ?? []).entries()) {
    const where = `${file}: notify.${index}`;
    const url = filledUrl(entry.url, env);
    const secrets = filledSecrets(entry.secret, env);
    const bad = (entry.allow_addresses ?? []).filter((text) => readNetwork(text) === undefined);
    const failed = [
      ...('problem' in url ? [`${where}.url: ${url.problem}`] : []),
      ...secrets.problems.map((problem) => `${where}.secret: ${problem}`),
      ...bad.map(
        (text) => `${where}.allow_addresses: "${text}" is no address and no network such as 10.1.0.0/16`,
      ),
      ...(entry.link === undefined || isTemplate(entry.link)
        ? []
        : [`${where}.link: must be a URL with {task_id} or {workflow_id}`]),
    ];
    problems.push(...failed);
    if (failed.length > 0 || 'problem' in url) continue;
    const name = entry.name ?? nameOf(url.value);
    if (names.has(name))
      problems.push(`${where}: another receiver is named "${name}": give each a name of its own`);
    names.add(name);
    found.push({
      ...{ name, url: url.value, secret: secrets.found },
      on: entry.on ?? NOTIFICATION_GROUPS,
      filter: entry.filter,
      allowAddresses: entry.allow_addresses ?? [],
      link: entry.link,
    });
  }
  return { found, problems };
}

function filledUrl(
  text: string,
  env: SecretFileOptions,
): { readonly value: string } | { readonly problem: string } {
  const filled = fillReferences(text, env);
  if (filled.problems.length > 0) return { problem: filled.problems.join('; ') };
  if (!URL.canParse(filled.text)) return { problem: 'must be a URL, https://...' };
  const { protocol, username, password, hostname, href } = new URL(filled.text);
  if (protocol !== 'https:' && protocol !== 'http:')
    return { problem: 'must begin with https:// or http://' };
  if (username !== '' || password !== '')
    return { problem: 'must have no user and no password: the signature proves the sender' };
  return hostname === '' ? { problem: 'must have a host' } : { value: href };
}

function filledSecrets(
  secret: NotifyConfig['secret'],
  env: SecretFileOptions,
): { readonly found: readonly string[]; readonly problems: readonly string[] } {
  const found: string[] = [];
  const problems: string[] = [];
  for (const text of typeof secret === 'string' ? [secret] : secret) {
    const filled = fillReferences(text, env);
    const problem = filled.problems.length > 0 ? filled.problems.join('; ') : problemOfSecret(filled.text);
    if (problem === undefined) found.push(filled.text);
    else problems.push(problem);
  }
  return { found, problems };
}

/** Standard Webhooks, "Signature scheme". Says nothing of the content. */
function problemOfSecret(secret: string): string | undefined {
  const text = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0;
  const bytes = isBase64 ? Buffer.from(text, 'base64').length : 0;
  if (bytes >= KEY_BYTES_MIN && bytes <= KEY_BYTES_MAX) return undefined;
  return `must be whsec_ and the base64 of ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} random bytes: echo whsec_$(openssl rand -base64 32)`;
}

function isTemplate(link: string): boolean {
  const filled = link.replaceAll(/\{(?:task|workflow)_id\}/g, 'x');
  return filled !== link && /^https?:\/\//.test(link) && URL.canParse(filled);
}

/** The host is no secret; the path of a URL often is one. */
function nameOf(url: string): string {
  const name = new URL(url).hostname.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return name.replaceAll(/^-|-$/g, '').slice(0, 40) || 'receiver';
}
