import { join } from 'node:path';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, test } from 'vitest';
import { logRecordProcessor, spanProcessor } from '../../src/export/otel-recorder.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import { tempDir } from '../support/journal-records.ts';
import { openTrail, readLines, readSpans } from '../support/receiver.ts';

afterEach(() => {
  for (const api of [trace, context, propagation, metrics, logs]) api.disable();
});

test("a user's NodeSDK with our processors gets our spans, and its own spans and logs of a task are stored", async () => {
  const exporter = new InMemorySpanExporter();
  const sdk = new NodeSDK({
    spanProcessors: [spanProcessor(), new SimpleSpanProcessor(exporter)],
    logRecordProcessors: [logRecordProcessor()],
    metricReaders: [],
    instrumentations: [],
  });
  sdk.start();
  const logDir = await tempDir();
  const trail = await openTrail(logDir);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {
    trace.getTracer('pg').startSpan('SELECT').end();
    logs.getLogger('app').emit({ body: 'hello' });
  });
  trace.getTracer('pg').startSpan('outside of a task').end();
  await trail.shutdown();
  const seen = exporter.getFinishedSpans().map(({ name }) => name);
  await sdk.shutdown();
  expect(seen).toEqual(['SELECT', 'process test', 'outside of a task']);
  const stored = await readSpans(logDir, 'task-1');
  expect(stored.map(({ name }) => name).sort()).toEqual(['SELECT', 'process test']);
  const [select, process] = ['SELECT', 'process test'].map((name) =>
    stored.find((span) => span.name === name),
  );
  expect(select?.parentSpanId).toBe(process?.spanId);
  const output = await readLines(join(logDir, 'task-1', '03-agent-output.jsonl'));
  expect(output.map(({ content }) => content)).toEqual(['hello']);
});
