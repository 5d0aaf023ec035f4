import type { Config } from '../config/config.ts';
import { otlpTokenOf } from '../receive/otlp-token.ts';

/** Every secret of the settings. An agent that reads the configuration could print them, so they are masked in its output. */
export function secretsOf(config: Config): readonly string[] {
  const { apiToken, githubSecrets, jiraSecrets, slackSecrets, githubToken, redisUrl, webhooks } = config;
  return [
    ...[githubSecrets, jiraSecrets, slackSecrets].flat(),
    ...Object.values(webhooks).flatMap(({ secret }) => secret),
    ...(apiToken === undefined ? [] : [apiToken, otlpTokenOf(apiToken)]),
    ...(githubToken === undefined ? [] : [githubToken]),
    ...(redisUrl === undefined ? [] : passwordsIn(redisUrl)),
  ];
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
