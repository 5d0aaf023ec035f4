import { metrics } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { expect, test } from 'vitest';
import type { GaugeReading } from '../../src/export/gauge-producer.ts';
import { createMetricReaders } from '../../src/export/metric-readers.ts';

const none = { push: undefined, onNotice: () => {} };

function gauge(points: GaugeReading['points']): GaugeReading {
  return { name: 'tasktrail.x', description: 'what it is', unit: '{x}', points };
}

test('a reader without an SDK, or after its shutdown, still answers', async () => {
  const { readers, readText } = createMetricReaders({ ...none, readGauges: async () => [] });
  expect(await readText()).toBe('# no metrics are collected\n');
  const provider = new MeterProvider({ readers });
  expect(await readText()).toBe('# no registered metrics\n');
  await provider.shutdown();
  expect(await readText()).toBe('# no metrics are collected\n');
  metrics.disable();
});

test('a gauge point is exported only while it is read', async () => {
  let points: GaugeReading['points'] = [{ value: 1.5, attributes: { 'tasktrail.a': 'b' } }];
  const { readers, readText } = createMetricReaders({ ...none, readGauges: async () => [gauge(points)] });
  const provider = new MeterProvider({ readers });
  expect(await readText()).toBe(
    [
      '# HELP tasktrail_x what it is',
      '# UNIT tasktrail_x {x}',
      '# TYPE tasktrail_x gauge',
      'tasktrail_x{tasktrail_a="b"} 1.5',
      '',
    ].join('\n'),
  );
  points = [];
  expect(await readText()).toBe('# no registered metrics\n');
  await provider.shutdown();
});
