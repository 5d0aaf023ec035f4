import type { Setting, SettingTable } from './setting.ts';
import { TRACE_URLS } from './values/trace-urls.ts';
import { httpUrl } from './values/urls.ts';
import { count, NAMES, TIMEOUT, text, unchecked } from './values/value-kinds.ts';

/** OpenTelemetry's standard variables, and those beside them that say who records and where traces are shown. */
export interface OtelSettings {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: string | undefined;
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: string | undefined;
  readonly OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: string | undefined;
  readonly OTEL_EXPORTER_OTLP_PROTOCOL: string | undefined;
  readonly OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: string | undefined;
  readonly OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: string | undefined;
  readonly OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: string | undefined;
  readonly OTEL_EXPORTER_OTLP_HEADERS: string | undefined;
  readonly OTEL_EXPORTER_OTLP_COMPRESSION: string | undefined;
  readonly OTEL_EXPORTER_OTLP_TIMEOUT: number | undefined;
  readonly OTEL_EXPORTER_OTLP_CERTIFICATE: string | undefined;
  readonly OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: string | undefined;
  readonly OTEL_EXPORTER_OTLP_CLIENT_KEY: string | undefined;
  readonly OTEL_METRICS_EXPORTER: readonly string[];
  readonly OTEL_METRIC_EXPORT_INTERVAL: number;
  readonly OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: string | undefined;
  readonly OTEL_SERVICE_NAME: string;
  readonly FRACTARY_ENV: string;
  readonly OTEL_RESOURCE_ATTRIBUTES: string | undefined;
  readonly TASK_LOGS_TRACE_URL: readonly string[];
}

const PROTOCOL = text('`http/protobuf` or `http/json`');

function signalEndpoint(signal: string, field: string): Setting<string | undefined> {
  return {
    kind: httpUrl(`http://localhost:4318/v1/${signal}`),
    default: undefined,
    defaultText: `\`v1/${signal}\` below \`OTEL_EXPORTER_OTLP_ENDPOINT\``,
    group: 'OpenTelemetry',
    sentence: `Another destination of ${signal}, with its path.`,
    field,
  };
}

function signalProtocol(signal: string): Setting<string | undefined> {
  return {
    kind: PROTOCOL,
    default: undefined,
    defaultText: '`OTEL_EXPORTER_OTLP_PROTOCOL`',
    group: 'OpenTelemetry',
    sentence: `The encoding of ${signal} alone.`,
  };
}

function pemFile(sentence: string): Setting<string | undefined> {
  return { kind: unchecked('path of a PEM file'), default: undefined, group: 'OpenTelemetry', sentence };
}

export const OTEL_SETTINGS: SettingTable<OtelSettings> = {
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: httpUrl('http://localhost:4318'),
    default: undefined,
    group: 'OpenTelemetry',
    sentence:
      'A second destination of records and metrics, beside the files: a collector or Jaeger, over HTTP.',
    field: 'otlpEndpoint',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: signalEndpoint('traces', 'otlpTracesEndpoint'),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: signalEndpoint('logs', 'otlpLogsEndpoint'),
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    kind: PROTOCOL,
    default: undefined,
    defaultText: '`http/protobuf`',
    group: 'OpenTelemetry',
    sentence: 'The encoding of what is sent to the endpoint; gRPC is refused.',
  },
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: signalProtocol('traces'),
  OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: signalProtocol('logs'),
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: signalProtocol('metrics'),
  OTEL_EXPORTER_OTLP_HEADERS: {
    kind: unchecked('`name=value` with commas'),
    default: undefined,
    group: 'OpenTelemetry',
    sentence:
      'Headers for the endpoint, for example its key. It and the five settings below also exist for one signal, with `_TRACES`, `_LOGS` or `_METRICS` after `_OTLP`.',
    isSecret: true,
  },
  OTEL_EXPORTER_OTLP_COMPRESSION: {
    kind: unchecked('`gzip` or `none`'),
    default: undefined,
    defaultText: '`none`',
    group: 'OpenTelemetry',
    sentence: 'The compression of requests to the endpoint.',
  },
  OTEL_EXPORTER_OTLP_TIMEOUT: {
    kind: TIMEOUT,
    default: undefined,
    defaultText: '`10000`',
    group: 'OpenTelemetry',
    sentence: 'How long a request to the endpoint may take.',
  },
  OTEL_EXPORTER_OTLP_CERTIFICATE: pemFile('The certificate that the endpoint is checked against.'),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pemFile('The certificate that is shown to the endpoint.'),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: pemFile('The key of that certificate.'),
  OTEL_METRICS_EXPORTER: {
    kind: NAMES,
    default: ['otlp'],
    group: 'OpenTelemetry',
    sentence: '`none`: metrics are not sent; `/metrics` shows them all the same.',
  },
  OTEL_METRIC_EXPORT_INTERVAL: {
    kind: count('milliseconds'),
    // Graphs of tasks that take minutes need several points a minute; the standard's minute hides short tasks.
    default: 15_000,
    group: 'OpenTelemetry',
    sentence: 'How often metrics are sent.',
    field: 'metrics.intervalMs',
  },
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: {
    kind: httpUrl('http://localhost:4318/v1/metrics'),
    default: undefined,
    defaultText: '`v1/metrics` below `OTEL_EXPORTER_OTLP_ENDPOINT`',
    group: 'OpenTelemetry',
    sentence: 'Another destination of metrics, with its path.',
    field: 'metrics.url',
    otherwise: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
  },
  OTEL_SERVICE_NAME: {
    kind: text('name'),
    default: 'tasktrail',
    group: 'OpenTelemetry',
    sentence: 'The service name of records and metrics; else `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.',
    field: 'serviceName',
    otherwise: ['OTEL_RESOURCE_ATTRIBUTES'],
  },
  FRACTARY_ENV: {
    kind: text('name'),
    default: 'development',
    group: 'OpenTelemetry',
    sentence:
      'The deployment environment of records; else `deployment.environment.name` in `OTEL_RESOURCE_ATTRIBUTES`.',
    field: 'environment',
    otherwise: ['OTEL_RESOURCE_ATTRIBUTES'],
  },
  OTEL_RESOURCE_ATTRIBUTES: {
    kind: unchecked('`name=value` with commas'),
    default: undefined,
    group: 'OpenTelemetry',
    sentence: 'More attributes of the resource.',
  },
  TASK_LOGS_TRACE_URL: {
    kind: TRACE_URLS,
    default: [],
    group: 'OpenTelemetry',
    sentence:
      'Pages that show a trace, for links in REST and the CLI, for example `http://localhost:16686/trace/{trace_id}`; also with `{task_id}` and `{workflow_id}`.',
    field: 'traceUrls',
  },
};
