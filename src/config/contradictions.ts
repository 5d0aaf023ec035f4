import { isLoopback } from '../model/loopback.ts';
import { tenantProblem } from '../model/tenant.ts';
import type { Given, ReadSettings } from './read-settings.ts';
import { SETTINGS } from './settings.ts';

/** Settings that are valid alone and cannot work together. Each line names only settings that are set. */
export function contradictions(read: ReadSettings, isService: boolean): readonly string[] {
  const { given, sources } = read;
  return [
    ...exposedHosts(read),
    ...(isService ? samePorts(given) : []),
    ...lonelyDialect(sources),
    ...unsupportedProtocols(read),
    ...tenantProblems(read, isService),
  ];
}

function exposedHosts({ given, sources }: ReadSettings): readonly string[] {
  if (given('TASK_LOGS_API_TOKEN') !== undefined) return [];
  return (['HOST', 'TASK_LOGS_OTLP_HOST'] as const).flatMap((name) => {
    const host = given(name);
    if (host === undefined || isLoopback(host)) return [];
    // A file for another program may set it: without its name the reader looks in the wrong place.
    const where = sources[name] === 'env file' ? ' in .env' : '';
    return [`${name}=${host}${where} can be reached from outside: set TASK_LOGS_API_TOKEN, or use 127.0.0.1`];
  });
}

/** The token decides about the tenant of a client, so each service needs one. */
function tenantProblems({ given }: ReadSettings, isService: boolean): readonly string[] {
  const [address, tenant] = [given('TASK_LOGS_STORE_URL'), given('TASK_LOGS_TENANT')];
  const problem = address === undefined ? undefined : tenantProblem(address, tenant);
  if (problem !== undefined) return [`TASK_LOGS_STORE_URL: ${problem}`];
  if (tenant === undefined || !isService) return [];
  if (address === undefined) {
    // A worker: it meets the services of its tenant in Redis, and has no clients.
    if (given('TASK_LOGS_STORE') === false) return [];
    return [
      'TASK_LOGS_TENANT is a tenant of a VictoriaLogs: set TASK_LOGS_STORE_URL for a service or TASK_LOGS_STORE=false for a worker, or leave it out where records are in files',
    ];
  }
  if (given('TASK_LOGS_API_TOKEN') !== undefined) return [];
  return [
    'TASK_LOGS_TENANT needs TASK_LOGS_API_TOKEN, another one for each tenant: it decides which one a client reads',
  ];
}

function samePorts(given: Given): readonly string[] {
  const port = given('PORT') ?? SETTINGS.PORT.default;
  const host = given('HOST') ?? SETTINGS.HOST.default;
  const isSameHost = (given('TASK_LOGS_OTLP_HOST') ?? host) === host;
  if (port === 0 || port !== given('TASK_LOGS_OTLP_PORT') || !isSameHost) return [];
  return [`PORT and TASK_LOGS_OTLP_PORT are both ${port}: give each a port of its own`];
}

function lonelyDialect(sources: ReadSettings['sources']): readonly string[] {
  const { TASK_LOGS_AGENT_DIALECT: dialect, TASK_LOGS_AGENT_COMMAND: command } = sources;
  if (dialect === 'default' || command !== 'default') return [];
  return ['TASK_LOGS_AGENT_DIALECT is the output format of TASK_LOGS_AGENT_COMMAND, which is not set'];
}

const SIGNALS = ['TRACES', 'LOGS', 'METRICS'] as const;

/** Names the setting that gives the protocol of a signal that is sent. */
function unsupportedProtocols({ given, value }: ReadSettings): readonly string[] {
  const names = new Set<
    'OTEL_EXPORTER_OTLP_PROTOCOL' | `OTEL_EXPORTER_OTLP_${(typeof SIGNALS)[number]}_PROTOCOL`
  >();
  for (const signal of SIGNALS) {
    const endpoint = given(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) ?? given('OTEL_EXPORTER_OTLP_ENDPOINT');
    const isOff = signal === 'METRICS' && !value('OTEL_METRICS_EXPORTER').includes('otlp');
    if (endpoint === undefined || isOff) continue;
    const own = `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL` as const;
    names.add(given(own) === undefined ? 'OTEL_EXPORTER_OTLP_PROTOCOL' : own);
  }
  return [...names].flatMap((name) => {
    const protocol = given(name);
    if (protocol === undefined || /^http\/(?:json|protobuf)$/.test(protocol)) return [];
    const what = protocol === 'grpc' ? 'gRPC' : JSON.stringify(protocol);
    return [
      `${name}: ${what} is not supported: use http/json or http/protobuf, and the HTTP port of the endpoint, usually 4318`,
    ];
  });
}
