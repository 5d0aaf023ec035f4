import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../errors.ts';
import { type EndpointSettings, endpointSettings } from '../export/endpoint-transport.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { placeOfUrl } from './http-answer.ts';

export type SignalName = 'traces' | 'logs' | 'metrics';

/** Traces first: every OTLP receiver accepts them, so their answer tells whether the other signals are worth a request. */
const SIGNALS: readonly SignalName[] = ['traces', 'logs', 'metrics'];

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** Settings that name files. The exporters of the SDK silently ignore a file that they cannot read. */
const FILES = ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'];

export interface SignalSettings {
  readonly signal: SignalName;
  readonly settings: EndpointSettings;
}

/** The signals that go to one server: an unreachable server is one finding. */
export interface EndpointGroup {
  /** Setting and address, without password. */
  readonly where: string;
  /** Scheme, host and port. */
  readonly origin: string;
  readonly lead: SignalSettings;
  readonly others: readonly SignalSettings[];
}

export function endpointGroups({ config, env }: Subject): readonly EndpointGroup[] {
  // Without the common endpoint only the setting for metrics is used.
  const signals =
    config.otlpEndpoint === undefined ? SIGNALS.filter((name) => isUsedAlone(name, env)) : SIGNALS;
  const groups = new Map<string, SignalSettings[]>();
  for (const signal of signals) {
    const settings = endpointSettings(signal);
    const { origin } = new URL(settings.url);
    groups.set(origin, [...(groups.get(origin) ?? []), { signal, settings }]);
  }
  return [...groups].flatMap(([origin, [lead, ...others]]) =>
    lead === undefined ? [] : [{ where: whereOf(lead, env), origin, lead, others }],
  );
}

type Env = Subject['env'];

function isUsedAlone(signal: SignalName, env: Env): boolean {
  return signal === 'metrics' && isSet(env, settingOf(signal));
}

function settingOf(signal: SignalName): string {
  return `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
}

function isSet(env: Env, name: string): boolean {
  return (env[name] ?? '').trim() !== '';
}

function whereOf({ signal, settings }: SignalSettings, env: Env): string {
  const own = settingOf(signal);
  if (isSet(env, own)) return `${own} ${placeOfUrl(settings.url)}`;
  return `${ENDPOINT} ${placeOfUrl(settings.url).replace(new RegExp(`/v1/${signal}$`), '')}`;
}

/** Settings that are set but not used, and a missing endpoint. */
export function unusedFindings({ config, env }: Subject): readonly Finding[] {
  const findings: Finding[] = [];
  for (const signal of SIGNALS) {
    const name = settingOf(signal);
    if (!isSet(env, name)) continue;
    if (!URL.canParse(env[name] ?? ''))
      findings.push(
        problem(name, 'is not a URL, and is not used', 'use a full URL: http://host:4318/v1/...'),
      );
    else if (config.otlpEndpoint === undefined && !isUsedAlone(signal, env))
      findings.push(
        warning(name, `is not used as long as ${ENDPOINT} is not set`, `set ${ENDPOINT} as well`),
      );
  }
  if (config.otlpEndpoint === undefined) findings.push(ok(ENDPOINT, 'not set: records go to the files only'));
  return findings;
}

export function certificateFindings({ env, cwd }: Subject): readonly Finding[] {
  const kinds = ['', 'TRACES_', 'LOGS_', 'METRICS_'];
  const names = kinds.flatMap((kind) => FILES.map((file) => `OTEL_EXPORTER_OTLP_${kind}${file}`));
  return names
    .filter((name) => isSet(env, name))
    .flatMap((name) => fileFinding(name, resolve(cwd, env[name] ?? '')));
}

function fileFinding(name: string, path: string): readonly Finding[] {
  try {
    accessSync(path, constants.R_OK);
    return [];
  } catch (error) {
    const what = `cannot be read, so it is not used: ${messageOf(error)}`;
    return [problem(name, what, 'correct the path, or give this user access')];
  }
}
