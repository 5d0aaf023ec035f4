import { expect, test } from 'vitest';
import { SIGNALS } from '../../src/receive/signals.ts';
import { logsRequest, SPAN_ID, signalAt, spansRequest, TRACE_ID } from './requests.ts';

test('logs and traces are received, each at its path of OTLP/HTTP', () => {
  expect(SIGNALS.map(({ path, rejectedField }) => [path, rejectedField])).toEqual([
    ['/v1/logs', 'rejectedLogRecords'],
    ['/v1/traces', 'rejectedSpans'],
  ]);
});

test('a request becomes a batch of its own signal alone', () => {
  const span = { traceId: TRACE_ID, spanId: SPAN_ID, name: 's' };
  const logs = signalAt('/v1/logs').read(logsRequest({ body: { stringValue: 'a' } }));
  const traces = signalAt('/v1/traces').read(spansRequest(span));
  expect([logs.batch.logs.length, logs.batch.spans.length]).toEqual([1, 0]);
  expect([traces.batch.logs.length, traces.batch.spans.length]).toEqual([0, 1]);
});

test('the request of another signal is malformed, and names the path of that signal', () => {
  expect(() => signalAt('/v1/traces').read(logsRequest({}))).toThrow('these are logs: send them to /v1/logs');
  expect(() => signalAt('/v1/logs').read(spansRequest({}))).toThrow(
    'these are traces: send them to /v1/traces',
  );
  expect(() => signalAt('/v1/logs').read({ resourceMetrics: [{}] })).toThrow('these are metrics');
});

test('invalid records are counted, with a reason', () => {
  expect(signalAt('/v1/traces').read(spansRequest({}, { traceId: TRACE_ID, spanId: SPAN_ID }))).toMatchObject(
    {
      batch: { spans: [{ span: { spanId: SPAN_ID } }] },
      rejected: 1,
      reasons: [expect.stringContaining('traceId')],
    },
  );
});
