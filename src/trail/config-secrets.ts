import type { Config } from '../config/config.ts';
import { trailTokenOf } from '../model/trail-token.ts';
import { maskSecrets } from '../redact/redact.ts';

/** Every secret of the settings. An agent that reads the configuration could print them, so they are masked in its output. */
export function secretsOf(config: Config): readonly string[] {
  const { apiToken, key, githubSecrets, jiraSecrets, slackSecrets, githubToken, webhooks, notify } = config;
  const { redisUrl, storeUrl } = config;
  return [
    ...[githubSecrets, jiraSecrets, slackSecrets].flat(),
    ...Object.values(webhooks).flatMap(({ secret }) => secret),
    ...notify.flatMap(({ secret, url }) => [...secret.flatMap(secretForms), ...secretPath(url)]),
    ...(apiToken === undefined ? [] : [apiToken]),
    ...(key === undefined ? [] : secretsOfKey(key)),
    ...(githubToken === undefined ? [] : [githubToken]),
    ...[redisUrl, storeUrl].flatMap((url) => (url === undefined ? [] : passwordsIn(url))),
  ];
}

/** A shorter path is a word such as `/hooks/tasktrail`. */
const PATH_MIN = 24;

/** Agents that run at the same time: more than a machine runs. Each token makes the search for secrets slower. */
const AGENT_TOKENS_MAX = 200;

/** The secrets that are masked in everything that is recorded. */
export class KnownSecrets {
  readonly #fixed: Set<string>;
  readonly #tokens = new Set<string>();
  readonly #onChange: (secrets: readonly string[]) => void;

  /** `onChange` tells other threads, which mask for themselves. */
  constructor(fixed: readonly string[], onChange: (secrets: readonly string[]) => void = () => {}) {
    this.#fixed = new Set(fixed);
    this.#onChange = onChange;
    maskSecrets(this.all);
  }

  get all(): readonly string[] {
    return [...this.#fixed, ...this.#tokens];
  }

  /** Adds the key of a log directory. */
  addKey(key: string): void {
    for (const secret of secretsOfKey(key)) this.#fixed.add(secret);
    this.#apply();
  }

  /** Adds the token of an agent. The oldest ones are forgotten: their tasks have ended. */
  addToken(key: string, token: string): void {
    for (const secret of secretsOfKey(key)) this.#fixed.add(secret);
    this.#tokens.delete(token);
    this.#tokens.add(token);
    const [oldest] = this.#tokens;
    if (this.#tokens.size > AGENT_TOKENS_MAX && oldest !== undefined) this.#tokens.delete(oldest);
    this.#apply();
  }

  #apply(): void {
    maskSecrets(this.all);
    this.#onChange(this.all);
  }
}

/** With and without the prefix: some libraries take the second. */
function secretForms(secret: string): readonly string[] {
  return secret.startsWith('whsec_') ? [secret, secret.slice('whsec_'.length)] : [secret];
}

/** Path and query of a receiver's URL, where they are long enough to hold a token. */
function secretPath(url: string): readonly string[] {
  const { pathname, search } = new URL(url);
  return pathname.length + search.length >= PATH_MIN ? [url, pathname + search] : [];
}

/** The key of a log directory, and the token that is derived from it. */
export function secretsOfKey(key: string): readonly string[] {
  return [key, trailTokenOf(key)];
}

/** The password of a URL, as written and decoded; empty for any other text. */
export function passwordsIn(text: string): readonly string[] {
  if (!text.includes('@') || !URL.canParse(text)) return [];
  const { password } = new URL(text);
  return password === '' ? [] : [password, percentDecoded(password)];
}

/** The text itself when it is not percent-encoded. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A URIError: a percent sign without two hex digits.
    return text;
  }
}
