import type { Config } from '../config/config.ts';
import { secretsInEnvironment } from '../trail/agents/secret-values.ts';
import { secretsOf } from '../trail/config-secrets.ts';

/** Every value that must not be printed, from the environment and from the settings of flags and file. */
export function allSecretsOf(
  env: Readonly<Record<string, string | undefined>>,
  config: Config | undefined,
): readonly string[] {
  const values = secretsInEnvironment(env);
  return config === undefined ? values : [...values, ...secretsOf(config)];
}
