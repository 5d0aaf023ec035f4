import { deflateSync, gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { type Receiver, startReceiver } from '../../src/receive/server.ts';
import { field, logsRequest, requestBody, SPAN_ID, spansRequest, TRACE_ID } from './requests.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const PROTOBUF_TYPE = { 'Content-Type': 'application/x-protobuf' };
const TIME = '1795227683058000000';

const open: Receiver[] = [];
afterEach(async () => {
  for (const receiver of open.splice(0)) await receiver.close(0);
});

interface Exchanged {
  readonly status: number;
  readonly text: string;
  readonly batches: readonly TelemetryBatch[];
}

/** One request to a receiver of its own. */
async function post(
  path: string,
  headers: Record<string, string>,
  body: string | Buffer | object,
): Promise<Exchanged> {
  const batches: TelemetryBatch[] = [];
  const ingest = async (batch: TelemetryBatch) => {
    batches.push(batch);
    return { rejected: 0, reasons: [] };
  };
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink: { ingest } });
  open.push(receiver);
  const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await fetch(`${receiver.url}${path}`, { method: 'POST', headers, body: sent });
  return { status: response.status, text: await response.text(), batches };
}

const LOG = { timeUnixNano: TIME, severityNumber: 17, body: { stringValue: 'kept' } };
const SPAN = { traceId: TRACE_ID, spanId: SPAN_ID, name: 'work', startTimeUnixNano: TIME };

test('a log record without any time has the time of its receipt', async () => {
  const before = Date.now();
  const { batches } = await post('/v1/logs', JSON_TYPE, logsRequest({}, { timeUnixNano: '0' }, LOG));
  const after = Date.now();
  // Divided as integers: a double rounds today's nanoseconds.
  const times = batches[0]?.logs.map(({ record }) => Number(BigInt(record.timeUnixNano) / 1_000_000n)) ?? [];
  for (const time of times.slice(0, 2)) {
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(after);
  }
  expect(batches[0]?.logs[2]?.record.timeUnixNano).toBe(TIME);
});

test('a log record without any time in protobuf, too', async () => {
  const before = Date.now();
  const { batches } = await post('/v1/logs', PROTOBUF_TYPE, requestBody(field(3, Buffer.from('INFO'))));
  expect(Number(BigInt(batches[0]?.logs[0]?.record.timeUnixNano ?? 0) / 1_000_000n)).toBeGreaterThanOrEqual(
    before,
  );
});

const PROTOBUF_LOG = requestBody(
  Buffer.concat([Buffer.from('0900e876481734ea18', 'hex'), field(3, Buffer.from('INFO'))]),
);
const PROTOBUF_SPAN = requestBody(
  Buffer.concat([field(1, Buffer.from(TRACE_ID, 'hex')), field(2, Buffer.from(SPAN_ID, 'hex'))]),
);

test.each<[string, string, Record<string, string>, string | Buffer | object, string]>([
  [
    'logs at the path of traces',
    '/v1/traces',
    JSON_TYPE,
    logsRequest(LOG),
    'these are logs: send them to /v1/logs',
  ],
  [
    'traces at the path of logs',
    '/v1/logs',
    JSON_TYPE,
    spansRequest(SPAN),
    'these are traces: send them to /v1/traces',
  ],
  [
    'metrics',
    '/v1/logs',
    JSON_TYPE,
    { resourceMetrics: [{}] },
    'these are metrics, which are not taken here',
  ],
  ['metrics in snake_case', '/v1/logs', JSON_TYPE, { resource_metrics: [{}] }, 'these are metrics'],
  [
    'logs in snake_case at the path of traces',
    '/v1/traces',
    JSON_TYPE,
    snake(logsRequest(LOG)),
    'these are logs',
  ],
  ['another list', '/v1/logs', JSON_TYPE, { logs: [{ message: 'x' }] }, 'it has no resourceLogs'],
  ['a lone record', '/v1/logs', JSON_TYPE, LOG, 'it has no resourceLogs'],
  ['an old version of OTLP', '/v1/logs', JSON_TYPE, oldRequest(), 'another list in place of scopeLogs'],
  [
    'records under another name',
    '/v1/logs',
    JSON_TYPE,
    { resourceLogs: [{ scopeLogs: [{ logs: [LOG] }] }] },
    'logRecords',
  ],
  ['a list of requests', '/v1/logs', JSON_TYPE, [logsRequest(LOG)], 'the request is not an object'],
  ['JSON in JSON', '/v1/logs', JSON_TYPE, JSON.stringify(JSON.stringify(logsRequest(LOG))), 'not an object'],
  ['lines of JSON', '/v1/logs', JSON_TYPE, `${JSON.stringify(logsRequest(LOG))}\n{}`, 'malformed JSON'],
  ['protobuf as JSON', '/v1/logs', JSON_TYPE, PROTOBUF_LOG, 'malformed JSON'],
  ['JSON as protobuf', '/v1/logs', PROTOBUF_TYPE, logsRequest(LOG), 'send Content-Type: application/json'],
  [
    'logs in protobuf at the path of traces',
    '/v1/traces',
    PROTOBUF_TYPE,
    PROTOBUF_LOG,
    'these records belong to /v1/logs',
  ],
  [
    'traces in protobuf at the path of logs',
    '/v1/logs',
    PROTOBUF_TYPE,
    PROTOBUF_SPAN,
    'belong to /v1/traces',
  ],
  [
    'unknown fields in protobuf',
    '/v1/logs',
    PROTOBUF_TYPE,
    Buffer.from('7a0141', 'hex'),
    'no field of it is known',
  ],
])('%s: 400 with the reason, and nothing is stored', async (_name, path, headers, body, reason) => {
  const { status, text, batches } = await post(path, headers, body);
  expect([status, batches]).toEqual([400, []]);
  expect(text).toContain(reason);
});

test('records of another signal beside those of the path are counted as rejected', async () => {
  const both = { ...logsRequest(LOG), ...spansRequest(SPAN) };
  const { status, text, batches } = await post('/v1/logs', JSON_TYPE, both);
  expect([status, batches[0]?.logs.length]).toEqual([200, 1]);
  expect(JSON.parse(text)).toEqual({
    partialSuccess: { rejectedLogRecords: '1', errorMessage: 'these are traces: send them to /v1/traces' },
  });
});

/** With the field names of the .proto files at every depth. */
function snake(value: unknown): object {
  const text = JSON.stringify(value);
  const names = text.replaceAll(/"([a-zA-Z]+)":/g, (_all, name: string) => {
    return `"${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}":`;
  });
  return JSON.parse(names);
}

function oldRequest(): object {
  return { resourceLogs: [{ resource: {}, instrumentationLibraryLogs: [{ logs: [LOG] }] }] };
}

const RICH_LOG = {
  ...LOG,
  observedTimeUnixNano: TIME,
  severityText: 'ERROR',
  eventName: 'a_b',
  body: { kvlistValue: { values: [{ key: 'a_b', value: { arrayValue: { values: [{ intValue: '7' }] } } }] } },
  attributes: [{ key: 'snake_key', value: { stringValue: '"time_unix_nano": 1' } }],
  traceId: TRACE_ID,
  spanId: SPAN_ID,
};
const RICH_SPAN = {
  ...SPAN,
  parentSpanId: SPAN_ID,
  endTimeUnixNano: TIME,
  attributes: [{ key: 'snake_key', value: { boolValue: true } }],
  droppedAttributesCount: 1,
  events: [{ timeUnixNano: TIME, name: 'e', attributes: [], droppedAttributesCount: 2 }],
  links: [{ traceId: TRACE_ID, spanId: SPAN_ID, traceState: 'a=b', attributes: [] }],
  status: { code: 2, message: 'm' },
};

test.each<[string, object]>([
  ['/v1/logs', logsRequest(RICH_LOG)],
  ['/v1/traces', spansRequest(RICH_SPAN)],
])('%s: field names in snake_case are read at every depth', async (path, request) => {
  const camel = await post(path, JSON_TYPE, request);
  const read = await post(path, JSON_TYPE, snake(request));
  expect([read.status, read.text]).toEqual([200, '{}']);
  expect(read.batches).toEqual(camel.batches);
  expect((camel.batches[0]?.logs.length ?? 0) + (camel.batches[0]?.spans.length ?? 0)).toBe(1);
});

test('field names in both forms: the one of OTLP/JSON counts', async () => {
  const { batches } = await post(
    '/v1/logs',
    JSON_TYPE,
    logsRequest({ ...LOG, time_unix_nano: '5', severity_text: 'x' }),
  );
  expect(batches[0]?.logs[0]?.record).toMatchObject({ timeUnixNano: TIME, severityText: 'x' });
});

test.each<[string, (text: string) => Buffer]>([
  ['x-gzip', (text) => gzipSync(text)],
  ['X-GZIP', (text) => gzipSync(text)],
  ['gzip, identity', (text) => gzipSync(text)],
  ['zlib', (text) => deflateSync(text)],
  ['none', (text) => Buffer.from(text)],
  ['None', (text) => Buffer.from(text)],
  ['identity, none', (text) => Buffer.from(text)],
])('a body with the Content-Encoding %s is read', async (encoding, encode) => {
  const body = encode(JSON.stringify(logsRequest(LOG)));
  const { status, batches } = await post('/v1/logs', { ...JSON_TYPE, 'Content-Encoding': encoding }, body);
  expect([status, batches[0]?.logs[0]?.record.body]).toEqual([200, 'kept']);
});

test.each(['br', 'zstd', 'snappy', 'gzip, gzip', 'gzip, br', 'aws-chunked'])(
  'the Content-Encoding %s is refused with what to send',
  async (encoding) => {
    const body = gzipSync(JSON.stringify(logsRequest(LOG)));
    const { status, text } = await post('/v1/logs', { ...JSON_TYPE, 'Content-Encoding': encoding }, body);
    expect([status, JSON.parse(text).message]).toEqual([
      400,
      'unsupported Content-Encoding: send gzip, deflate or identity',
    ]);
  },
);

test.each<[object, string]>([
  [{ timeUnixNano: String(Date.now()) }, 'a time is before 1971: times are in nanoseconds'],
  [{ observedTimeUnixNano: '1795227683' }, 'a time is before 1971: times are in nanoseconds'],
  [{ ...LOG, traceId: 'S/kvNXezTaajzpKdDg5HNg==' }, 'kept without its traceId, which is not 32 hex digits'],
  [{ ...LOG, traceId: 7 }, 'kept without its traceId'],
  [
    { ...LOG, traceId: TRACE_ID, spanId: 'APBnqguiArc=' },
    'kept without its spanId, which is not 16 hex digits',
  ],
])('%j is kept, and the answer warns', async (log, warning) => {
  const { status, text, batches } = await post('/v1/logs', JSON_TYPE, logsRequest(log));
  expect([status, batches[0]?.logs.length]).toEqual([200, 1]);
  const { partialSuccess } = JSON.parse(text);
  expect(partialSuccess.rejectedLogRecords).toBe('0');
  expect(partialSuccess.errorMessage).toContain(warning);
});

test.each([{}, { traceId: '', spanId: '' }, { traceId: '0'.repeat(32) }, { traceId: null }])(
  'absent ids %j cause no warning',
  async (ids) => {
    expect((await post('/v1/logs', JSON_TYPE, logsRequest({ ...LOG, ...ids }))).text).toBe('{}');
  },
);

test('a warning in protobuf has no count', async () => {
  const log = Buffer.concat([Buffer.from('090100000000000000', 'hex'), field(3, Buffer.from('INFO'))]);
  const { status, text } = await post('/v1/logs', PROTOBUF_TYPE, requestBody(log));
  // Field 2 of the partial success: its tag and length, then the text.
  expect([status, text.charCodeAt(2), text.slice(4)]).toEqual([
    200,
    0x12,
    'a time is before 1971: times are in nanoseconds',
  ]);
});
