import type { Config } from '../../config/config.ts';
import { looksSecret } from '../../config/file/agent-variables.ts';
import { passwordsIn, percentDecoded, secretsOf } from '../config-secrets.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Variables that only the service uses. No agent gets them, whatever its configuration says. */
export const OF_SERVICE_ALONE: readonly string[] = [
  ...['GITHUB_WEBHOOK_SECRET', 'JIRA_WEBHOOK_SECRET', 'SLACK_SIGNING_SECRET'],
  ...['TASK_LOGS_API_TOKEN', 'TASK_LOGS_KEY', 'REDIS_URL'],
];

/** Variables with the service's own access to an endpoint. */
const OF_EXPORT = /^OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?(?:HEADERS|CLIENT_KEY)$/;
const ENDPOINT = /^OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?ENDPOINT$/;

/** Whether no agent gets this variable of the service, whatever its configuration says. */
export function isOfServiceAlone(name: string): boolean {
  return OF_SERVICE_ALONE.includes(name.replace(/_FILE$/, '')) || OF_EXPORT.test(name);
}

/** Every value of the environment that is a secret by its name, and every password in a URL. */
export function secretsInEnvironment(env: Variables): readonly string[] {
  const values: string[] = [];
  for (const [name, value = ''] of Object.entries(env)) {
    if (looksSecret(name)) values.push(...piecesOf(value));
    values.push(...passwordsIn(value));
  }
  return values.filter((value) => value !== '');
}

/** The secrets of the service that no agent gets. `GITHUB_TOKEN` is not one of them: an agent may need it as well. */
export function secretsOfService(env: Variables, config: Config | undefined): ReadonlySet<string> {
  const found = config === undefined ? [] : secretsOf(config).filter((value) => value !== config.githubToken);
  const more = [config?.key, config?.redisUrl].filter((value) => value !== undefined);
  for (const [name, value = ''] of Object.entries(env)) {
    if (isOfServiceAlone(name) && !name.endsWith('_FILE')) more.push(...piecesOf(value));
    if (ENDPOINT.test(name) || name === 'REDIS_URL') more.push(...passwordsIn(value));
  }
  return new Set([...found, ...more].filter((value) => value !== ''));
}

/** The value itself and, for a list of headers or secrets, each one as written and as sent (percent-decoded). */
function piecesOf(value: string): readonly string[] {
  const pieces = value.split(',').flatMap((pair) => [pair.trim(), pair.slice(pair.indexOf('=') + 1).trim()]);
  const decoded = pieces.map(percentDecoded);
  return [value, ...pieces, ...decoded, ...decoded.flatMap((piece) => piece.split(' '))];
}

/** A shorter secret is part of ordinary values by chance, so only a value that equals it holds it. */
const PART_CHARACTERS_MIN = 8;

/** Whether a value is one of the secrets, or has one of them in it: as it is, percent-encoded or in base64. */
export function holdsSecret(value: string, secrets: ReadonlySet<string>): boolean {
  if (secrets.has(value)) return true;
  const texts = [value, percentDecoded(value)];
  for (const secret of secrets) {
    if (secret.length < PART_CHARACTERS_MIN) continue;
    if (formsOf(secret).some((form) => texts.some((text) => text.includes(form)))) return true;
  }
  return false;
}

/**
 * The secret, and its base64 at each of the three places that it may have in a group of three bytes, as the password of
 * basic authentication has. The characters at both ends depend on the neighbours and are left out.
 */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const coded = [0, 1, 2].map((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const ownBits = (offset + bytes.length) * 8;
    return whole.slice(offset === 0 ? 0 : offset + 1, Math.floor(ownBits / 6));
  });
  return [secret, ...coded.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])];
}
