import { readFileSync } from 'node:fs';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import {
  JsonLogsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { decodeJson } from '../../../src/receive/json/decode-json.ts';
import type { Signal } from '../../../src/receive/signals.ts';
import { fc } from '../../support/fast-check.ts';
import { decode, field, first, LOGS, requestBody, SPAN_ID, TRACE_ID, TRACES } from '../requests.ts';

const RESOURCE = resourceFromAttributes({
  'service.name': 'twice',
  counts: [1, 2],
  big: 2 ** 40,
  share: 0.5,
});
const CONTEXT = { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: TraceFlags.SAMPLED };

function sample(name: string): Buffer {
  return readFileSync(new URL(`../../samples/claude-code/${name}`, import.meta.url));
}

/** The export of a real SDK, read from both encodings. */
function readTwice(signal: Signal, json: Uint8Array | undefined, protobuf: Uint8Array | undefined) {
  const fromJson = signal.read(decodeJson(Buffer.from(json ?? [])));
  const fromProtobuf = decode(signal, Buffer.from(protobuf ?? []));
  return { fromJson, fromProtobuf };
}

test('log records of a real SDK read the same from JSON and from protobuf', () => {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({
    resource: RESOURCE,
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  const logger = provider.getLogger('scope', '1.2');
  const context = trace.setSpanContext(ROOT_CONTEXT, CONTEXT);
  logger.emit({ eventName: 'bare' });
  logger.emit({
    eventName: 'full',
    context,
    timestamp: [1795227683, 58000001],
    observedTimestamp: [1795227684, 0],
    severityNumber: 17,
    severityText: 'ERROR',
    body: { text: 'größer ✓', list: [1, 'two', [3.25], { deep: true }], nothing: null, empty: {} },
    attributes: { 'a.b': -5, bytes: new Uint8Array([1, 2, 255]), long: 'x'.repeat(500), none: [] },
  });
  const records = exporter.getFinishedLogRecords();
  const { fromJson, fromProtobuf } = readTwice(
    LOGS,
    JsonLogsSerializer.serializeRequest(records),
    ProtobufLogsSerializer.serializeRequest(records),
  );
  expect(fromProtobuf).toStrictEqual(fromJson);
  expect(fromJson.batch.logs).toHaveLength(2);
  expect(fromJson.batch.logs[1]?.record).toMatchObject({
    timeUnixNano: '1795227683058000001',
    severityNumber: 17,
    body: { text: 'größer ✓', list: [1, 'two', [3.25], { deep: true }] },
    attributes: { 'a.b': -5, bytes: 'AQL/' },
    traceId: TRACE_ID,
    spanId: SPAN_ID,
  });
});

test('spans of a real SDK read the same from JSON and from protobuf', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    resource: RESOURCE,
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer('scope');
  tracer.startSpan('bare', { startTime: [1, 0] }).end([2, 5]);
  const span = tracer.startSpan('full', {
    kind: SpanKind.CONSUMER,
    attributes: { n: 7, share: 0.25, list: ['a', 'b'], no: false },
    links: [{ context: CONTEXT, attributes: { why: 'retry' } }],
  });
  span.addEvent('tick', { at: -1 }, [1795227683, 58000001]);
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'it broke' });
  span.end();
  const spans = exporter.getFinishedSpans();
  const { fromJson, fromProtobuf } = readTwice(
    TRACES,
    JsonTraceSerializer.serializeRequest(spans),
    ProtobufTraceSerializer.serializeRequest(spans),
  );
  expect(fromProtobuf).toStrictEqual(fromJson);
  expect(fromJson.batch.spans[1]?.span).toMatchObject({
    name: 'full',
    kind: 5,
    links: [{ traceId: TRACE_ID, spanId: SPAN_ID }],
    events: [{ name: 'tick', timeUnixNano: '1795227683058000001' }],
    status: { code: 2, message: 'it broke' },
  });
});

test('an empty body is an empty request', () => {
  expect(decode(LOGS, Buffer.alloc(0)).batch.logs).toEqual([]);
});

test.each<[string, Signal]>([
  ['otlp-logs.bin', LOGS],
  ['otlp-traces.bin', TRACES],
])(
  '%s truncated at any byte is read or refused as malformed, without extra records',
  { tags: 'full' },
  (name, signal) => {
    const body = sample(name);
    const whole = decode(signal, body).batch;
    let refused = 0;
    for (let length = 1; length < body.length; length++) {
      try {
        const { batch } = decode(signal, body.subarray(0, length));
        expect(batch.logs.length + batch.spans.length).toBeLessThan(whole.logs.length + whole.spans.length);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(body.length * 0.9);
  },
);

test('random bytes are read or refused, and never throw another error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(LOGS, TRACES), (bytes, signal) => {
      readOrRefuse(signal, Buffer.from(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('a real body with changed bytes is read or refused, and never throws another error', () => {
  const body = sample('otlp-logs.bin').subarray(0, 3000);
  const change = fc.record({ at: fc.nat(body.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const changed = Buffer.from(body);
      for (const { at, to } of changes) changed[at] = to;
      readOrRefuse(LOGS, changed);
    }),
    { numRuns: 1000 },
  );
});

function readOrRefuse(signal: Signal, body: Buffer): void {
  try {
    decode(signal, body);
  } catch (error) {
    expect(error).toBeInstanceOf(TasktrailError);
    expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
  }
}

/** A LogRecord whose body lies inside of that many arrays. */
function nestedRecord(levels: number): Uint8Array {
  let value: Uint8Array = new BinaryWriter().tag(1, WireType.LengthDelimited).string('x').finish();
  for (let level = 0; level < levels; level++) value = field(5, field(1, value));
  return field(5, value);
}

test.each([65, 200, 5000])(
  'a value %i levels deep refuses its record and keeps those beside it',
  (levels) => {
    const { batch, rejected, reasons } = decode(LOGS, requestBody(nestedRecord(0), nestedRecord(levels)));
    expect(first(batch.logs).record.body).toBe('x');
    expect({ rejected, reasons }).toEqual({
      rejected: 1,
      reasons: ['a value nests deeper than 64 levels'],
    });
  },
);

test('64 levels of maps, the largest number of messages in a valid value, are read', () => {
  let value: Uint8Array = new BinaryWriter().tag(1, WireType.LengthDelimited).string('x').finish();
  for (let level = 0; level < 64; level++) value = field(6, field(1, field(2, value)));
  const { batch, reasons } = decode(LOGS, requestBody(field(5, value)));
  expect(reasons).toEqual([]);
  expect(JSON.stringify(first(batch.logs).record.body)).toContain('"x"');
});

test.each<[string, Uint8Array]>([
  ['a message longer than the one around it', Buffer.from([0x0a, 0x02, 0x12, 0x05, 0, 0, 0, 0, 0])],
  // Its string would swallow exactly the record behind it, which logsWith makes 9 bytes long.
  ['a string longer than the message around it', logsWith(Buffer.from([0x1a, 0x09]))],
  // Length and text together are as long as the number would be.
  ['a time with the wire type of a string', logsWith(field(1, Buffer.from('1234567')))],
  ['attributes with the wire type of a number', logsWith(Buffer.from([0x30, 0x01]))],
  ['a group', logsWith(Buffer.from([0x23, 0x24]))],
  ['a tag of field 0', logsWith(Buffer.from([0x02, 0x00]))],
  ['a number without an end', Buffer.alloc(20, 0xff)],
])('%s is malformed', (_, body) => {
  expect(() => decode(LOGS, Buffer.from(body))).toThrow(
    expect.objectContaining({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(/^malformed protobuf: /),
    }),
  );
});

function logsWith(record: Uint8Array): Buffer {
  return requestBody(record, field(3, Buffer.from('after')));
}

test('every field of a span has its number', () => {
  const ids = (writer: BinaryWriter) =>
    writer.raw(field(1, Buffer.from(TRACE_ID, 'hex'))).raw(field(2, Buffer.from(SPAN_ID, 'hex')));
  const pair = Buffer.concat([field(1, Buffer.from('k')), field(2, field(1, Buffer.from('v')))]);
  const state = field(3, Buffer.from('a=b'));
  const event = new BinaryWriter()
    .tag(1, WireType.Bit64)
    .fixed64('9')
    .raw(field(2, Buffer.from('tick')));
  event.raw(field(3, pair)).tag(4, WireType.Varint).uint32(1);
  const link = ids(new BinaryWriter()).raw(state).raw(field(4, pair)).tag(5, WireType.Varint).uint32(2);
  link.tag(6, WireType.Bit32).fixed32(257);
  const span = ids(new BinaryWriter())
    .raw(state)
    .raw(field(4, Buffer.from('d5efe8f0839c103f', 'hex')));
  span
    .raw(field(5, Buffer.from('work')))
    .tag(6, WireType.Varint)
    .int32(5);
  span.tag(7, WireType.Bit64).fixed64('7').tag(8, WireType.Bit64).fixed64('18446744073709551615');
  span.raw(field(9, pair)).tag(10, WireType.Varint).uint32(3);
  span.raw(field(11, event.finish())).tag(12, WireType.Varint).uint32(4);
  span.raw(field(13, link.finish())).tag(14, WireType.Varint).uint32(5);
  span.raw(field(15, Buffer.concat([field(2, Buffer.from('broke')), Buffer.from([0x18, 2])])));
  span.tag(16, WireType.Bit32).fixed32(769);
  const attributes = [{ key: 'k', value: { stringValue: 'v' } }];
  expect(first(decode(TRACES, requestBody(span.finish())).batch.spans).span).toStrictEqual({
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    traceState: 'a=b',
    parentSpanId: 'd5efe8f0839c103f',
    name: 'work',
    kind: 5,
    startTimeUnixNano: '7',
    endTimeUnixNano: '18446744073709551615',
    attributes,
    droppedAttributesCount: 3,
    events: [{ timeUnixNano: '9', name: 'tick', attributes, droppedAttributesCount: 1 }],
    droppedEventsCount: 4,
    links: [
      {
        traceId: TRACE_ID,
        spanId: SPAN_ID,
        traceState: 'a=b',
        attributes,
        droppedAttributesCount: 2,
        flags: 257,
      },
    ],
    droppedLinksCount: 5,
    status: { code: 2, message: 'broke' },
    flags: 769,
  });
});

test('unknown fields of every wire type are skipped', () => {
  const writer = new BinaryWriter();
  writer.tag(100, WireType.Varint).uint32(7);
  writer.tag(101, WireType.Bit64).fixed64(7);
  writer.tag(102, WireType.Bit32).fixed32(7);
  writer.tag(103, WireType.LengthDelimited).string('new');
  writer.tag(3, WireType.LengthDelimited).string('INFO');
  const record = first(decode(LOGS, requestBody(writer.finish())).batch.logs).record;
  expect(record).toStrictEqual({ timeUnixNano: '0', severityText: 'INFO', attributes: {} });
});

test('a request with too many messages is refused before it fills the memory', { tags: 'full' }, () => {
  // Two bytes each: an empty ResourceLogs.
  const body = Buffer.alloc(2 * 8_000_001);
  for (let at = 0; at < body.length; at += 2) body[at] = 0x0a;
  expect(() => decode(LOGS, body)).toThrow(expect.objectContaining({ code: 'ERR_TOO_LARGE' }));
});
