import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import { encodeSpan } from '../../src/export/encode.ts';
import type { OtlpSpan } from '../../src/model/otlp.ts';

/** A span as a user's own SDK creates it from a user's values. */
function encoded(record: (tracer: ReturnType<BasicTracerProvider['getTracer']>) => void): OtlpSpan {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  record(provider.getTracer('test'));
  const [span] = exporter.getFinishedSpans();
  if (span === undefined) throw new Error('there is no span');
  return encodeSpan(span);
}

test('a time before 1970 becomes 1970, because a receiver would refuse the whole request', () => {
  const span = encoded((tracer) => {
    const open = tracer.startSpan('old', { startTime: new Date(-86_400_000) });
    open.addEvent('older', new Date(-1));
    open.end(new Date(1_000));
  });
  expect(span).toMatchObject({ startTimeUnixNano: '0', endTimeUnixNano: '1000000000' });
  expect(span.events).toMatchObject([{ name: 'older', timeUnixNano: '0' }]);
});

test('a link to an invalid span context is left out, one to a span is kept', () => {
  const good = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
  const bad = { traceId: 'no trace', spanId: 'b'.repeat(16), traceFlags: 1 };
  const span = encoded((tracer) =>
    tracer.startSpan('linked', { links: [{ context: bad }, { context: good }] }).end(),
  );
  expect(span.links?.map(({ traceId }) => traceId)).toEqual([good.traceId]);
});

test('a span kind that is not an integer becomes one', () => {
  const span = encoded((tracer) => tracer.startSpan('odd', { kind: 1.5 as number }).end());
  expect(span.kind).toBe(2);
});
