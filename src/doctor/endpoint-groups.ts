import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../errors.ts';
import { type EndpointSettings, endpointSettings } from '../export/endpoint-transport.ts';
import { type Finding, ok, problem, type Subject } from './finding.ts';
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

export function endpointGroups(subject: Subject): readonly EndpointGroup[] {
  const { env } = subject;
  const groups = new Map<string, SignalSettings[]>();
  for (const signal of SIGNALS.filter((name) => isSent(name, subject))) {
    const settings = endpointSettings(signal);
    const { origin } = new URL(settings.url);
    groups.set(origin, [...(groups.get(origin) ?? []), { signal, settings }]);
  }
  return [...groups].flatMap(([origin, [lead, ...others]]) =>
    lead === undefined ? [] : [{ where: whereOf(lead, env), origin, lead, others }],
  );
}

type Env = Subject['env'];

/** Whether there is an address for the signal: its own, or the common one. */
function isSent(signal: SignalName, { config, env }: Subject): boolean {
  if (config.otlpEndpoint !== undefined) return true;
  const { otlpTracesEndpoint: traces, otlpLogsEndpoint: logs } = config;
  const own = { traces, logs, metrics: isSet(env, settingOf('metrics')) ? 'set' : undefined };
  return own[signal] !== undefined;
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

/** The signals without an address, which stay in the files. */
export function unsentFindings(subject: Subject): readonly Finding[] {
  const unsent = (['traces', 'logs'] as const).filter((signal) => !isSent(signal, subject));
  if (unsent.length === 2) return [ok(ENDPOINT, 'not set: records go to the files only')];
  return unsent.map((signal) => ok(settingOf(signal), `not set: ${signal} go to the files only`));
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
