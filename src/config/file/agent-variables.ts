import type { Config } from '../config.ts';
import { processEnvironment } from '../environment.ts';
import { REFERENCE } from '../values/reference.ts';
import type { AgentConfig } from './agent-schema.ts';

export interface AgentVariables {
  readonly values: Readonly<Record<string, string>>;
  /** Variables that are named and not set, so that the agent does not get them. */
  readonly missing: readonly string[];
}

/** Names of variables that hold a secret, or several in one (`a=b,c=d`). */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY|_HEADERS$/i;

/** Names that look like the above and hold a place: their values are parts of other paths. */
const PLACE_NAME = /_(?:FILE|PATH|DIR|HOME)$/i;

/**
 * The variables that `env` of an agent names, with their values in this process. A variable that only `.env` gives counts:
 * its name in the configuration is the consent. One whose reference is not set is left out, as in a shell that never set it.
 */
export function variablesOf(
  env: AgentConfig['env'] = [],
  variables: Readonly<Record<string, string | undefined>> = processEnvironment().variables,
): AgentVariables {
  const wanted: Readonly<Record<string, string>> = isNames(env)
    ? Object.fromEntries(env.map((name) => [name, `\${${name}}`]))
    : env;
  const values: Record<string, string> = {};
  const missing = new Set<string>();
  for (const [name, template] of Object.entries(wanted)) {
    const unset = [...template.matchAll(REFERENCE)].flatMap(([, used = '']) =>
      (variables[used] ?? '') === '' ? [used] : [],
    );
    for (const used of unset) missing.add(used);
    if (unset.length === 0)
      values[name] = template.replaceAll(REFERENCE, (_, used: string) => variables[used] ?? '');
  }
  return { values, missing: [...missing] };
}

function isNames(env: NonNullable<AgentConfig['env']>): env is readonly string[] {
  return Array.isArray(env);
}

/** Whether a variable with this name holds a secret, by custom. */
export function looksSecret(name: string): boolean {
  return SECRET_NAME.test(name) && !PLACE_NAME.test(name);
}

/** The secrets that the configuration hands to agents, which may print them. */
export function handedSecrets({ agents, agentEnv }: Pick<Config, 'agents' | 'agentEnv'>): readonly string[] {
  const handed = [agentEnv, ...Object.values(agents).map(({ env }) => env)];
  return handed
    .flatMap((env) => Object.entries(variablesOf(env).values))
    .flatMap(([name, value]) => (looksSecret(name) ? [value] : []));
}
