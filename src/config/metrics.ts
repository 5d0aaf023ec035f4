import { z } from 'zod';

/** Where metrics are sent to, by which encoding, and how often. */
export interface MetricsConfig {
  readonly url: string;
  readonly protocol: 'http/json' | 'http/protobuf';
  readonly intervalMs: number;
}

/** Graphs of tasks that take minutes want a point a quarter of a minute; the standard's minute hides short ones. */
const INTERVAL_MS = 15_000;

interface Row<T> {
  readonly schema: z.ZodType<T>;
  readonly fallback: T | undefined;
}

const list: z.ZodType<readonly string[]> = z
  .string()
  .transform((value) => value.split(',').map((name) => name.trim().toLowerCase()));
const interval: z.ZodType<number> = z
  .string()
  .trim()
  .regex(/^[1-9]\d{0,8}$/, 'use a whole number of milliseconds, at least 1')
  .transform(Number);

/** Rows of the settings' table. */
export const METRICS_SETTINGS: {
  readonly OTEL_METRICS_EXPORTER: Row<readonly string[]>;
  readonly OTEL_METRIC_EXPORT_INTERVAL: Row<number>;
  readonly OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: Row<string>;
} = {
  OTEL_METRICS_EXPORTER: { schema: list, fallback: undefined },
  OTEL_METRIC_EXPORT_INTERVAL: { schema: interval, fallback: INTERVAL_MS },
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: {
    schema: z.url({ protocol: /^https?$/, error: 'use a URL such as http://localhost:4318/v1/metrics' }),
    fallback: undefined,
  },
};

/** Undefined: metrics are sent nowhere, and can be asked for all the same. */
export function resolveMetrics(settings: {
  readonly OTEL_METRICS_EXPORTER: readonly string[] | undefined;
  readonly OTEL_METRIC_EXPORT_INTERVAL: number | undefined;
  readonly OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: string | undefined;
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: string | undefined;
  readonly OTEL_EXPORTER_OTLP_PROTOCOL: string | undefined;
}): MetricsConfig | undefined {
  const { OTEL_METRICS_EXPORTER: exporters = ['otlp'], OTEL_EXPORTER_OTLP_ENDPOINT: base } = settings;
  // The OTLP exporter's specification: the path is appended to the common endpoint, and to no other.
  const url =
    settings.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT ?? (base && `${base.replace(/\/+$/, '')}/v1/metrics`);
  if (url === undefined || !exporters.includes('otlp')) return undefined;
  return {
    url,
    protocol: settings.OTEL_EXPORTER_OTLP_PROTOCOL === 'http/json' ? 'http/json' : 'http/protobuf',
    intervalMs: settings.OTEL_METRIC_EXPORT_INTERVAL ?? INTERVAL_MS,
  };
}
