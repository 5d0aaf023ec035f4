import { context } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, suppressTracing } from '@opentelemetry/core';
import {
  AggregationTemporalityPreference,
  OTLPMetricExporter as JsonExporter,
} from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import {
  AggregationTemporality,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { messageOf } from '../errors.ts';

/**
 * Where this process sends its metrics, in which protocol, and how often. The exporter reads headers and TLS settings
 * from the environment.
 */
export interface MetricPush {
  readonly url: string;
  readonly protocol: 'http/json' | 'http/protobuf';
  readonly intervalMs: number;
}

/** OTLP/HTTP: the server has no such path. Jaeger and tasktrail's own receiver answer so. */
const NOT_FOUND = 404;

/**
 * Wraps the standard exporter and reports failures as a notice only: each export holds cumulative counts, so the next
 * one makes up for a lost one. A destination that does not accept metrics is not called again.
 */
export class PushedMetrics implements PushMetricExporter {
  readonly #push: MetricPush;
  #exporter: PushMetricExporter | undefined;
  readonly #onNotice: (notice: string | undefined) => void;
  #isRefused = false;

  constructor(push: MetricPush, onNotice: (notice: string | undefined) => void) {
    this.#push = push;
    this.#onNotice = onNotice;
  }

  export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    const finish = (): void => done({ code: ExportResultCode.SUCCESS });
    if (this.#isRefused) {
      finish();
      return;
    }
    try {
      // The constructor reads the environment and throws for an invalid setting.
      this.#exporter ??= exporterFor(this.#push);
      const exporter = this.#exporter;
      context.with(suppressTracing(context.active()), () =>
        exporter.export(metrics, (result) => {
          this.#report(result);
          finish();
        }),
      );
    } catch (error) {
      this.#onNotice(`metrics cannot be sent: ${messageOf(error)}`);
      finish();
    }
  }

  /** Counts restart with the process, as Prometheus expects. */
  selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE;
  }

  async forceFlush(): Promise<void> {
    await this.#exporter?.forceFlush();
  }

  async shutdown(): Promise<void> {
    await this.#exporter?.shutdown();
  }

  #report({ code, error }: ExportResult): void {
    if (code === ExportResultCode.SUCCESS) {
      this.#onNotice(undefined);
      return;
    }
    this.#isRefused = error !== undefined && 'code' in error && error.code === NOT_FOUND;
    this.#onNotice(
      this.#isRefused
        ? 'takes no metrics: they are not sent there'
        : `metrics were not taken: ${messageOf(error)}`,
    );
  }
}

function exporterFor({ url, protocol }: MetricPush): PushMetricExporter {
  const options = { url, temporalityPreference: AggregationTemporalityPreference.CUMULATIVE };
  return protocol === 'http/json' ? new JsonExporter(options) : new ProtobufExporter(options);
}
