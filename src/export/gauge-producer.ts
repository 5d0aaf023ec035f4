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

/** A gauge as it stands: a point that is not there any more is gone with the next collection. */
export interface GaugeReading {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly points: readonly GaugePoint[];
}

/** Never rejects, and answers within two seconds. */
export type ReadGauges = () => Promise<readonly GaugeReading[]>;

/** Gauges beside those of the SDK, which goes on showing a series when nothing is observed of it any more. */
export class GaugeProducer implements MetricProducer {
  readonly #read: ReadGauges;

  constructor(read: ReadGauges) {
    this.#read = read;
  }

  async collect(): Promise<CollectionResult> {
    const readings = await this.#read();
    const metrics = readings
      .filter(({ points }) => points.length > 0)
      .map((one) => metricOf(one, Date.now()));
    const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: 'tasktrail', version: '' }, metrics }];
    // The resource is that of the SDK, whatever stands here.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }
}

function metricOf({ name, description, unit, points }: GaugeReading, nowMs: number): MetricData {
  const time = millisToHrTime(nowMs);
  return {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    // A gauge has none; the type asks for one.
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
