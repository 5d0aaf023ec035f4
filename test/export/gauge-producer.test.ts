import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics';
import { expect, test } from 'vitest';
import { GaugeProducer } from '../../src/export/gauge-producer.ts';

const GAUGE = { name: 'tasktrail.x', description: 'a gauge', unit: '{x}' };

test('each reading becomes a gauge with its points', async () => {
  const points = [
    { value: 1, attributes: { a: 'b' } },
    { value: 2.5, attributes: {} },
  ];
  const { resourceMetrics, errors } = await new GaugeProducer(async () => [{ ...GAUGE, points }]).collect();
  expect(errors).toEqual([]);
  expect(resourceMetrics.scopeMetrics).toMatchObject([
    {
      scope: { name: 'tasktrail' },
      metrics: [
        {
          descriptor: GAUGE,
          dataPointType: DataPointType.GAUGE,
          aggregationTemporality: AggregationTemporality.CUMULATIVE,
          dataPoints: points,
        },
      ],
    },
  ]);
});

test('a gauge without points is left out, and so is the scope without gauges', async () => {
  const { resourceMetrics } = await new GaugeProducer(async () => [{ ...GAUGE, points: [] }]).collect();
  expect(resourceMetrics.scopeMetrics).toEqual([]);
});
