import type { Account } from '../../agent/account.ts';
import { allowedVariables, withoutCredentials } from '../../agent/allowed-variables.ts';
import { findDialect } from '../../agent/dialects/dialects.ts';
import type { Config } from '../../config/config.ts';
import { inheritedEnvironment, processEnvironment } from '../../config/environment.ts';
import { looksSecret, variablesOf } from '../../config/file/agent-variables.ts';
import { ATTR } from '../../model/attributes.ts';
import { noProxyFor } from '../no-proxy.ts';
import { holdsSecret, isOfServiceAlone, secretsInEnvironment, secretsOfService } from './secret-values.ts';

type Variables = Readonly<Record<string, string>>;

/** What an agent's environment is made from. */
export interface EnvironmentParts {
  readonly taskId: string;
  readonly attempt: number;
  /** Undefined: nothing is recorded. */
  readonly config: Config | undefined;
  /** Base URL of the holder's receiver; undefined when this process sends elsewhere, or nothing is recorded. */
  readonly receiver: string | undefined;
  /** The task's own token. */
  readonly token: string | undefined;
  /** The dialect whose telemetry is switched on. */
  readonly telemetryOf: string | undefined;
  /** What the caller adds. */
  readonly given: Variables;
  /** The user that the agent runs as; undefined: that of this process. */
  readonly account: Account | undefined;
  /** The command of `tasktrail run`, which belongs to the user of the shell: it keeps the shell's environment. */
  readonly isOwnShell: boolean;
}

export interface AgentEnvironment {
  readonly env: Record<string, string>;
  /** Names of variables that were to be handed over, and hold a secret of the service. */
  readonly dropped: readonly string[];
}

/** Where the service itself writes and sends. */
const OF_ADDRESS = /^(?:TASK_LOGS_(?:DIR|WORKFLOW_DIR|STORE|TENANT)|OTEL_EXPORTER_OTLP_\w+)$/;

/** Without these two an agent cannot start, so a value that only resembles a secret does not cost them. */
const VITAL: ReadonlySet<string> = new Set(['PATH', 'HOME']);

/** A shorter value of a variable with a secret's name, such as `dev`, is part of ordinary values by chance. */
const ASSUMED_CHARACTERS_MIN = 12;

/** The whole environment of an agent, except what `runAgentProcess` adds. */
export function agentEnvironment(parts: EnvironmentParts): AgentEnvironment {
  const { config, taskId, isOwnShell, given } = parts;
  const inherited = inheritedEnvironment();
  const { variables } = processEnvironment();
  const secrets = secretsOfService(variables, config);
  const dropped: string[] = [];
  const clean = (source: Variables, isDropped: (name: string, value: string) => boolean): Variables =>
    Object.fromEntries(
      Object.entries(source).filter(([name, value]) => {
        if (!isDropped(name, value)) return true;
        dropped.push(name);
        return false;
      }),
    );
  const isSecret = (name: string, value: string): boolean =>
    isOfServiceAlone(name) || holdsSecret(value, secrets);
  const base = isOwnShell
    ? shellEnvironment(config)
    : clean(allowed(inherited, parts.account), looseSecret(variables, secrets));
  const named = clean(variablesOf(config?.agentEnv).values, isSecret);
  // Of `{ ...process.env }` the caller means the keys in it, not the service's own addresses.
  const added = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => !OF_ADDRESS.test(name) || value !== variables[name]),
  );
  const whole = {
    ...base,
    ...named,
    OTEL_RESOURCE_ATTRIBUTES: resourceAttributes(inherited, parts, secrets),
    ...exportVariables(parts, variables),
    TASK_LOGS_TASK_ID: taskId,
    // A command in it would record to a directory that no setting has named.
    ...(config === undefined && !isOwnShell && { TASK_LOGS_ENABLED: 'false' }),
    ...clean(added, isSecret),
  };
  return {
    env: { ...whole, ...noProxyFor(whole, parts.receiver) },
    dropped: [...new Set(dropped)],
  };
}

/** What the command of `tasktrail run` inherits: the environment of its shell, without the service's own secrets. */
export function shellEnvironment(config: Config | undefined): Record<string, string> {
  const secrets = secretsOfService(processEnvironment().variables, config);
  return Object.fromEntries(
    Object.entries(inheritedEnvironment()).filter(
      // The endpoint is set again, without the access that stands in its headers or in its address.
      ([name, value]) =>
        !name.startsWith('OTEL_EXPORTER_OTLP_') && !isOfServiceAlone(name) && !holdsSecret(value, secrets),
    ),
  );
}

/** Names of these variables that no agent gets, because they hold a secret of the service. */
export function refusedVariables(values: Variables, config: Config): readonly string[] {
  const secrets = secretsOfService(processEnvironment().variables, config);
  return Object.entries(values).flatMap(([name, value]) =>
    isOfServiceAlone(name) || holdsSecret(value, secrets) ? [name] : [],
  );
}

/** The allowed variables. Another user gets the home of its own, and no folder of the service's user. */
function allowed(inherited: Variables, account: Account | undefined): Variables {
  // The attributes are cleaned pair by pair.
  const { OTEL_RESOURCE_ATTRIBUTES: _attributes, ...rest } = allowedVariables(inherited);
  if (account === undefined) return rest;
  const { HOME: home = '' } = inherited;
  const isOwn = (value: string): boolean => home !== '' && value.startsWith(home.replace(/\/*$/, '/'));
  const kept = Object.entries(rest).filter(
    ([name, value]) => name !== 'TMPDIR' && !name.startsWith('XDG_') && (name === 'PATH' || !isOwn(value)),
  );
  const { name, home: ownHome, shell } = account;
  return { ...Object.fromEntries(kept), HOME: ownHome, USER: name, LOGNAME: name, SHELL: shell };
}

/** Whether a variable that no configuration names holds a secret of the service, or one of its other variables. */
function looseSecret(
  variables: Readonly<Record<string, string | undefined>>,
  secrets: ReadonlySet<string>,
): (name: string, value: string) => boolean {
  const assumed = secretsInEnvironment(variables).filter(({ length }) => length >= ASSUMED_CHARACTERS_MIN);
  const all = new Set([...secrets, ...assumed]);
  return (name, value) => holdsSecret(value, VITAL.has(name) ? secrets : all);
}

/** The attributes that were set, without secrets, and those that put the agent's telemetry into its task. */
function resourceAttributes(
  { OTEL_RESOURCE_ATTRIBUTES: text = '' }: Variables,
  { taskId, attempt }: EnvironmentParts,
  secrets: ReadonlySet<string>,
): string {
  const own = [`${ATTR.taskId}=${taskId}`, `${ATTR.attempt}=${attempt}`];
  const given = text.split(',').filter((pair) => {
    const name = pair.slice(0, pair.indexOf('=')).trim();
    if (pair.trim() === '' || name === ATTR.taskId || name === ATTR.attempt) return false;
    return !looksSecret(name.replaceAll('.', '_')) && !holdsSecret(pair, secrets);
  });
  return [...given, ...own].join(',');
}

const SETTINGS_OF_ENDPOINT =
  /^OTEL_EXPORTER_OTLP_(?:(?:TRACES|LOGS|METRICS)_)?(?:ENDPOINT|PROTOCOL|COMPRESSION|TIMEOUT|CERTIFICATE)$/;

/** Where the agent's own telemetry goes, with the task's token and without any other access. */
function exportVariables(
  { receiver, token, telemetryOf }: EnvironmentParts,
  variables: Readonly<Record<string, string | undefined>>,
): Variables {
  const headers = token === undefined ? undefined : `Authorization=Bearer%20${token}`;
  const access: Variables = headers === undefined ? {} : { OTEL_EXPORTER_OTLP_HEADERS: headers };
  if (receiver === undefined) {
    const env: Record<string, string> = {};
    for (const [name, value = ''] of Object.entries(variables)) {
      if (!SETTINGS_OF_ENDPOINT.test(name) || value === '') continue;
      env[name] = name.endsWith('_ENDPOINT') ? withoutCredentials(value) : value;
    }
    return Object.keys(env).some((name) => name.endsWith('ENDPOINT')) ? { ...env, ...access } : {};
  }
  const telemetry =
    telemetryOf === undefined ? {} : findDialect(telemetryOf).telemetryEnv?.(receiver, headers);
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    ...access,
    ...telemetry,
  };
}
