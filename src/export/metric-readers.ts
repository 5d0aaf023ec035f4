import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  type IMetricReader,
  MetricReader,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { GaugeProducer, type ReadGauges } from './gauge-producer.ts';
import { type MetricPush, PushedMetrics } from './metric-push.ts';

/** Longer than a push may take nobody waits for the metrics of a process; less than the shortest usual interval. */
const PUSH_TIMEOUT_MS = 10_000;

export interface MetricReadersOptions {
  readonly readGauges: ReadGauges;
  /** Where metrics are sent to; undefined: nowhere. */
  readonly push: MetricPush | undefined;
  /** Hears what is to be known of the sending; undefined when it is in order again. */
  onNotice(notice: string | undefined): void;
}

export interface MetricReaders {
  /** For the SDK. */
  readonly readers: IMetricReader[];
  /** All metrics as they stand, in Prometheus' text format 0.0.4. Never rejects. */
  readText(): Promise<string>;
}

/** The readers of an SDK's metrics: one that is asked, and one that sends where a destination is set. */
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

/** Collects when it is asked. The names are those that a collector's Prometheus exporter makes of the same metrics. */
class TextReader extends MetricReader {
  // No prefix, times, resource or scope: whoever scrapes says whose series these are, and when.
  readonly #serializer = new PrometheusSerializer('', false, undefined, true, true);

  constructor(options: { readonly metricProducers: GaugeProducer[] }) {
    super({ ...options, aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }

  async readText(): Promise<string> {
    try {
      const { resourceMetrics } = await this.collect();
      return `${this.#serializer.serialize(resourceMetrics).trimEnd()}\n`;
    } catch {
      // An Error of the reader: no SDK has it (OTEL_SDK_DISABLED), or the service is ending.
      return '# no metrics are collected\n';
    }
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}
