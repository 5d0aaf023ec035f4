import { expect, test } from 'vitest';
import { encodeProtobuf } from '../../src/export/encode-protobuf.ts';
import { LOGS_REQUEST, TRACES_REQUEST } from '../../src/model/otlp-messages.ts';
import { decodeProtobuf } from '../../src/receive/protobuf/decode-protobuf.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';

function roundTrip(signal: 'logs' | 'traces', request: unknown): unknown {
  const bytes = encodeProtobuf(signal, Buffer.from(JSON.stringify(request)));
  return decodeProtobuf(Buffer.from(bytes), signal === 'logs' ? LOGS_REQUEST : TRACES_REQUEST);
}

const logOf = (record: unknown): unknown => ({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] },
      scopeLogs: [{ scope: { name: 'tasktrail', version: '1' }, logRecords: [record] }],
    },
  ],
});

test('a log record has the same fields in protobuf as in JSON', () => {
  const request = logOf({
    timeUnixNano: '1767323045123456789',
    observedTimeUnixNano: '18446744073709551615',
    severityNumber: 17,
    severityText: 'ERROR',
    eventName: 'tasktrail.agent.output',
    body: { kvlistValue: { values: [{ key: 'é\u0000😀', value: { arrayValue: { values: [{}] } } }] } },
    attributes: [],
    traceId: TRACE_ID,
    spanId: SPAN_ID,
  });
  const read = roundTrip('logs', request);
  // An empty list is an absent one.
  expect(read).toEqual(JSON.parse(JSON.stringify(request).replace(',"attributes":[]', '')));
});

test.each([
  { stringValue: '' },
  { stringValue: 'text' },
  { boolValue: false },
  { boolValue: true },
  { intValue: '0' },
  { intValue: '-1' },
  { intValue: '2147483648' },
  { intValue: '-9223372036854775808' },
  { intValue: '9223372036854775807' },
  { doubleValue: 0 },
  { doubleValue: -1.5e300 },
  { bytesValue: 'AQID' },
  { arrayValue: { values: [{ stringValue: '' }, { intValue: '7' }] } },
  { kvlistValue: {} },
  {},
])('the value %j keeps its type, also when it is the default', (body) => {
  expect(roundTrip('logs', logOf({ body }))).toEqual(logOf({ body }));
});

test('numbers of JSON and the names of doubles are written as their types', () => {
  const values = [{ intValue: 5 }, { doubleValue: 'NaN' }, { doubleValue: '-Infinity' }];
  const read = roundTrip('logs', logOf({ body: { arrayValue: { values } } }));
  const expected = [{ intValue: '5' }, { doubleValue: Number.NaN }, { doubleValue: -Infinity }];
  expect(read).toEqual(logOf({ body: { arrayValue: { values: expected } } }));
});

test('a span has the same fields in protobuf as in JSON', () => {
  const request = {
    resourceSpans: [
      {
        resource: {},
        scopeSpans: [
          {
            scope: { name: 'tasktrail' },
            spans: [
              {
                traceId: TRACE_ID,
                spanId: SPAN_ID,
                parentSpanId: 'b7ad6b7169203331',
                traceState: 'a=b',
                flags: 257,
                name: 'POST /webhooks/github',
                kind: 2,
                startTimeUnixNano: '1767323045000000000',
                endTimeUnixNano: '1767323046000000001',
                attributes: [{ key: 'n', value: { intValue: '1' } }],
                droppedAttributesCount: 1,
                events: [{ timeUnixNano: '1', name: 'e', attributes: [{ key: 'k', value: {} }] }],
                links: [{ traceId: TRACE_ID, spanId: SPAN_ID }],
                status: { code: 2, message: 'failed' },
              },
            ],
          },
        ],
      },
    ],
  };
  expect(roundTrip('traces', request)).toEqual(request);
});

test.each([
  ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"n":2,,}]}]}]}', 'JSON'],
  ['[]', 'not an object'],
  ['{"resourceLogs":{}}', 'not an array'],
  ['{"resourceLogs":[7]}', 'not an object'],
  [JSON.stringify(logOf({ body: { intValue: '92233720368547758080' } })), 'int64'],
])('%s cannot be encoded', (json, why) => {
  expect(() => encodeProtobuf('logs', Buffer.from(json))).toThrow(why);
});
