import { type Attributes, ValueType } from '@opentelemetry/api';
import { millisToHrTime } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';

export interface GaugePoint {
  readonly value: number;
  readonly attributes: Attributes;
}

/** Current values of a gauge. A point that is missing from the next reading is no longer exported. */
export interface GaugeReading {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly points: readonly GaugePoint[];
}

/** Never rejects, and resolves within two seconds. */
export type ReadGauges = () => Promise<readonly GaugeReading[]>;

/** Exports gauges outside the SDK, which keeps exporting a series that is no longer observed. */
export class GaugeProducer implements MetricProducer {
  readonly #read: ReadGauges;

  constructor(read: ReadGauges) {
    this.#read = read;
  }

  async collect(): Promise<CollectionResult> {
    const readings = await this.#read();
    const metrics = readings
      .filter(({ points }) => points.length > 0)
      .map((reading) => metricOf(reading, Date.now()));
    const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: 'tasktrail', version: '' }, metrics }];
    // The SDK replaces this resource by its own.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }
}

function metricOf({ name, description, unit, points }: GaugeReading, nowMs: number): MetricData {
  const time = millisToHrTime(nowMs);
  return {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    // A gauge has no temporality; the type requires one.
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.GAUGE,
    dataPoints: points.map(({ value, attributes }) => ({
      value,
      attributes,
      startTime: time,
      endTime: time,
    })),
  };
}
