import type { Config } from '../config/config.ts';

/** Names of variables that hold a secret, or several in one (`a=b,c=d`). */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|API_?KEY|ACCESS_KEY|_HEADERS$/;

/** Every value that must not be printed, from the environment and from the settings of flags and file. */
export function secretsOf(
  env: Readonly<Record<string, string | undefined>>,
  config: Config | undefined,
): readonly string[] {
  const values: string[] = [];
  for (const [name, value = ''] of Object.entries(env)) {
    if (SECRET_NAME.test(name)) values.push(...piecesOf(value));
    values.push(...passwordsIn(value));
  }
  if (config === undefined) return values;
  const { apiToken, githubToken, githubSecrets, jiraSecrets, slackSecrets, webhooks } = config;
  for (const token of [apiToken, githubToken]) if (token !== undefined) values.push(token);
  const custom = Object.values(webhooks).flatMap(({ secret }) => secret);
  return [...values, ...githubSecrets, ...jiraSecrets, ...slackSecrets, ...custom];
}

/** The value itself and, for a list of headers, each header value as written and as sent (percent-decoded). */
function piecesOf(value: string): readonly string[] {
  const pieces = value.split(',').map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
  return [value, ...pieces, ...pieces.map(decoded), ...pieces.flatMap((piece) => decoded(piece).split(' '))];
}

function passwordsIn(value: string): readonly string[] {
  if (!value.includes('@') || !URL.canParse(value)) return [];
  const { password } = new URL(value);
  return password === '' ? [] : [password, decoded(password)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A URIError: the text is not percent-encoded.
    return text;
  }
}
