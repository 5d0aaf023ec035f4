import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  type IMetricReader,
  MetricReader,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { GaugeProducer, type ReadGauges } from './gauge-producer.ts';
import { type MetricPush, PushedMetrics } from './metric-push.ts';

/** Timeout of a push: shorter than the shortest usual interval. */
const PUSH_TIMEOUT_MS = 10_000;

export interface MetricReadersOptions {
  readonly readGauges: ReadGauges;
  /** Destination of pushed metrics; undefined: metrics are not pushed. */
  readonly push: MetricPush | undefined;
  /** Receives the reason when pushing fails, and undefined when it works again. */
  onNotice(notice: string | undefined): void;
}

export interface MetricReaders {
  readonly readers: IMetricReader[];
  /** Current values of all metrics in the Prometheus text format 0.0.4. Never rejects. */
  readText(): Promise<string>;
}

/** Creates the SDK's metric readers: one that is read on request and, with a destination, one that pushes. */
export function createMetricReaders({ readGauges, push, onNotice }: MetricReadersOptions): MetricReaders {
  const metricProducers = [new GaugeProducer(readGauges)];
  const text = new TextReader({ metricProducers });
  const readers: IMetricReader[] = [text];
  if (push !== undefined) {
    const exportIntervalMillis = push.intervalMs;
    readers.push(
      new PeriodicExportingMetricReader({
        exporter: new PushedMetrics(push, onNotice),
        exportIntervalMillis,
        exportTimeoutMillis: Math.min(PUSH_TIMEOUT_MS, exportIntervalMillis),
        metricProducers,
      }),
    );
  }
  return { readers, readText: () => text.readText() };
}

/**
 * Collects on request. Metric names are those that a collector's Prometheus exporter derives from the same metrics.
 */
class TextReader extends MetricReader {
  // No prefix, timestamps, resource or scope: the scraping server adds its own labels and times.
  readonly #serializer = new PrometheusSerializer('', false, undefined, true, true);

  constructor(options: { readonly metricProducers: GaugeProducer[] }) {
    super({ ...options, aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }

  async readText(): Promise<string> {
    try {
      const { resourceMetrics } = await this.collect();
      return `${this.#serializer.serialize(resourceMetrics).trimEnd()}\n`;
    } catch {
      // The reader throws when it is not registered (OTEL_SDK_DISABLED) or shut down.
      return '# no metrics are collected\n';
    }
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}
