import { join } from 'node:path';
import { context, createContextKey, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  type IMetricReader,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, expect, test, vi } from 'vitest';
import { createMetricReaders } from '../../src/export/metric-readers.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import { startTelemetry, type Telemetry } from '../../src/service/telemetry.ts';
import { tempDir } from '../support/journal-records.ts';
import { openTrail, readLines, readSpans } from '../support/receiver.ts';

const NO_PUSH = { readGauges: async () => [], push: undefined, onNotice: () => {} };
const resource = resourceFromAttributes({ 'service.name': 'mine' });

afterEach(() => {
  for (const api of [trace, context, metrics, logs]) api.disable();
  vi.unstubAllEnvs();
});

function start(readers: IMetricReader[] = []): Telemetry {
  return startTelemetry({ resource, readers });
}

test('metrics of the global meter are read until the shutdown', async () => {
  const { readers, readText } = createMetricReaders(NO_PUSH);
  const telemetry = start(readers);
  metrics.getMeter('test').createCounter('done').add(3);
  expect(await readText()).toContain('\ndone_total 3\n');
  await telemetry.shutdown();
  expect(await readText()).toBe('# no metrics are collected\n');
});

test('OTEL_SDK_DISABLED registers nothing: no metrics are collected', async () => {
  vi.stubEnv('OTEL_SDK_DISABLED', 'true');
  const { readers, readText } = createMetricReaders(NO_PUSH);
  const telemetry = start(readers);
  metrics.getMeter('test').createCounter('done').add(3);
  expect(await readText()).toBe('# no metrics are collected\n');
  expect(trace.getTracer('t').startSpan('s').isRecording()).toBe(false);
  await telemetry.shutdown();
});

test('spans and log records of a task that other code in the process makes are stored', async () => {
  const telemetry = start();
  const logDir = await tempDir();
  const trail = await openTrail(logDir);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {
    trace.getTracer('pg').startSpan('SELECT').end();
    logs.getLogger('app').emit({ body: 'hello' });
  });
  await trail.shutdown();
  await telemetry.shutdown();
  const spans = await readSpans(logDir, 'task-1');
  expect(spans.map(({ name }) => name).sort()).toEqual(['SELECT', 'process test']);
  const output = await readLines(join(logDir, 'task-1', '03-agent-output.jsonl'));
  expect(output.map(({ content }) => content)).toEqual(['hello']);
});

test('the context is kept across await before a trail is open', async () => {
  const telemetry = start();
  const key = createContextKey('k');
  const seen = await context.with(ROOT_CONTEXT.setValue(key, 'v'), async () => {
    await Promise.resolve();
    return context.active().getValue(key);
  });
  expect(seen).toBe('v');
  await telemetry.shutdown();
});

test('the shutdown pushes the last metrics', async () => {
  const exporter = new InMemoryMetricExporter(1);
  const telemetry = start([new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })]);
  metrics.getMeter('test').createCounter('done').add(3);
  await telemetry.shutdown();
  const [pushed] = exporter.getMetrics();
  expect(pushed?.resource.attributes['service.name']).toBe('mine');
  expect(pushed?.scopeMetrics[0]?.metrics[0]?.descriptor.name).toBe('done');
});

test('the shutdown does not wait for an exporter that hangs', { tags: 'full' }, async () => {
  const exporter = new InMemoryMetricExporter(1);
  exporter.export = () => {};
  // Its own timeout is longer than the test may take.
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: 600_000,
    exportTimeoutMillis: 600_000,
  });
  const telemetry = start([reader]);
  metrics.getMeter('test').createCounter('done').add(3);
  await telemetry.shutdown();
});
