import type { Config } from '../config/config.ts';
import { passwordsIn, percentDecoded, secretsOf } from '../trail/config-secrets.ts';

/** Names of variables that hold a secret, or several in one (`a=b,c=d`). */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|API_?KEY|ACCESS_KEY|_HEADERS$/;

/** Every value that must not be printed, from the environment and from the settings of flags and file. */
export function allSecretsOf(
  env: Readonly<Record<string, string | undefined>>,
  config: Config | undefined,
): readonly string[] {
  const values: string[] = [];
  for (const [name, value = ''] of Object.entries(env)) {
    if (SECRET_NAME.test(name)) values.push(...headerValuesOf(value));
    values.push(...passwordsIn(value));
  }
  return config === undefined ? values : [...values, ...secretsOf(config)];
}

/** The value itself and, for a list of headers, each header value as written and as sent (percent-decoded). */
function headerValuesOf(value: string): readonly string[] {
  const pieces = value.split(',').map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
  const decoded = pieces.map(percentDecoded);
  return [value, ...pieces, ...decoded, ...decoded.flatMap((piece) => piece.split(' '))];
}
