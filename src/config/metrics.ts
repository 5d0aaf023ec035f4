import type { ReadSettings } from './read-settings.ts';

/** Destination, encoding and interval of metrics. */
export interface MetricsConfig {
  readonly url: string;
  readonly protocol: 'http/json' | 'http/protobuf';
  readonly intervalMs: number;
}

/** Undefined: metrics are not sent, only served. */
export function resolveMetrics({ value }: ReadSettings): MetricsConfig | undefined {
  const base = value('OTEL_EXPORTER_OTLP_ENDPOINT');
  // OTLP exporter specification: the path is appended to the common endpoint, and not to the endpoint of one signal.
  const url =
    value('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT') ?? (base && `${base.replace(/\/+$/, '')}/v1/metrics`);
  if (url === undefined || !value('OTEL_METRICS_EXPORTER').includes('otlp')) return undefined;
  const protocol = value('OTEL_EXPORTER_OTLP_METRICS_PROTOCOL') ?? value('OTEL_EXPORTER_OTLP_PROTOCOL');
  return {
    url,
    protocol: protocol === 'http/json' ? protocol : 'http/protobuf',
    intervalMs: value('OTEL_METRIC_EXPORT_INTERVAL'),
  };
}
