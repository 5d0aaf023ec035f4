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

/** Where this process sends its metrics, how, and how often. Headers, TLS and the like are the exporter's to read. */
export interface MetricPush {
  readonly url: string;
  readonly protocol: 'http/json' | 'http/protobuf';
  readonly intervalMs: number;
}

/** OTLP, 404: there is no such path. Jaeger answers so, and so does our own receiver. */
const NOT_FOUND = 404;

/**
 * The standard exporter, whose failures are a notice and no more: each export holds all of the counts, so the next one
 * makes up for those that were lost. A destination that takes no metrics is not asked again.
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
      // It reads the environment, in which something may be that it does not take.
      this.#exporter ??= exporterFor(this.#push);
      const exporter = this.#exporter;
      context.with(suppressTracing(context.active()), () =>
        exporter.export(metrics, (result) => {
          this.#note(result);
          finish();
        }),
      );
    } catch (error) {
      this.#onNotice(`metrics cannot be sent: ${messageOf(error)}`);
      finish();
    }
  }

  /** Counts that start anew with the process, as Prometheus expects them. */
  selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE;
  }

  async forceFlush(): Promise<void> {
    await this.#exporter?.forceFlush();
  }

  async shutdown(): Promise<void> {
    await this.#exporter?.shutdown();
  }

  #note({ code, error }: ExportResult): void {
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
