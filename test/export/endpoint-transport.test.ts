import { afterEach, beforeEach, expect, test } from 'vitest';
import { EndpointTransport } from '../../src/export/endpoint-transport.ts';
import { LOGS_REQUEST } from '../../src/model/otlp-messages.ts';
import { decodeProtobuf } from '../../src/receive/protobuf/decode-protobuf.ts';
import { freePort } from '../support/free-port.ts';
import { startCollector, status } from './fixture.ts';

const BODY = Buffer.from('{"resourceLogs":[]}');

function clear(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
}
beforeEach(clear);
afterEach(clear);

test('headers, path and content type follow OTLP/HTTP', async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `${collector.url}/base/`;
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/json';
  process.env.OTEL_EXPORTER_OTLP_HEADERS = 'x-api-key=abc%20def,x-other=1';
  process.env.OTEL_EXPORTER_OTLP_TRACES_HEADERS = 'x-other=2';
  const transport = new EndpointTransport();
  expect(await transport.send('logs', BODY)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(await transport.send('traces', BODY)).toEqual({ kind: 'accepted', rejected: 0 });
  const [logs, traces] = collector.got;
  expect(logs?.url).toBe('/base/v1/logs');
  expect(logs?.headers).toMatchObject({
    'x-api-key': 'abc def',
    'x-other': '1',
    'content-type': 'application/json',
    'content-length': String(BODY.length),
  });
  expect(traces?.url).toBe('/base/v1/traces');
  expect(traces?.headers['x-other']).toBe('2');
  await transport.close();
});

test('gzip is used when it is configured', async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  process.env.OTEL_EXPORTER_OTLP_COMPRESSION = 'gzip';
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/json';
  await new EndpointTransport().send('logs', BODY);
  expect(collector.got[0]?.headers['content-encoding']).toBe('gzip');
  expect(collector.got[0]?.body).toBe(BODY.toString());
});

test('the endpoint of one signal is used unchanged', async () => {
  const [collector, other] = [await startCollector(), await startCollector()];
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = `${other.url}/custom/traces`;
  const transport = new EndpointTransport();
  await transport.send('logs', BODY);
  await transport.send('traces', BODY);
  expect(collector.got.map(({ url }) => url)).toEqual(['/v1/logs']);
  expect(other.got.map(({ url }) => url)).toEqual(['/custom/traces']);
});

test('the protocol is http/protobuf, unless a setting says otherwise for all signals or for one', async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  await sendBoth();
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/json';
  await sendBoth();
  process.env.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL = 'http/protobuf';
  await sendBoth();
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = '';
  process.env.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL = ' ';
  await sendBoth();
  const [json, protobuf] = ['application/json', 'application/x-protobuf'];
  expect(collector.got.map(({ headers }) => headers['content-type'])).toEqual([
    ...[protobuf, protobuf],
    ...[json, json],
    ...[protobuf, json],
    ...[protobuf, protobuf],
  ]);
  expect(collector.got.map(({ raw }) => raw[0] === 0x0a)).toEqual(
    collector.got.map(({ headers }) => headers['content-type'] === protobuf),
  );
});

async function sendBoth(): Promise<void> {
  const transport = new EndpointTransport();
  await transport.send('logs', Buffer.from('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}'));
  await transport.send('traces', Buffer.from('{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}'));
  await transport.close();
}

test('headers, compression and timeout of one signal apply to that one', async () => {
  const collector = await startCollector((got, res) => {
    if (got.url !== '/v1/traces') res.end();
  });
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  process.env.OTEL_EXPORTER_OTLP_LOGS_COMPRESSION = 'gzip';
  process.env.OTEL_EXPORTER_OTLP_LOGS_HEADERS = 'x-key=logs';
  process.env.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT = '60';
  const transport = new EndpointTransport();
  expect(await transport.send('logs', BODY)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(await transport.send('traces', Buffer.from('{}'))).toEqual({
    kind: 'retry',
    reason: 'no answer within 60 ms',
  });
  const [logs, traces] = collector.got;
  expect([logs?.headers['content-encoding'], logs?.headers['x-key']]).toEqual(['gzip', 'logs']);
  expect([traces?.headers['content-encoding'], traces?.headers['x-key']]).toEqual([undefined, undefined]);
  await transport.close();
});

test('a body that cannot be encoded is refused without a request', async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  expect(await new EndpointTransport().send('logs', Buffer.from('{"n":2,,}'))).toMatchObject({
    kind: 'refused',
    status: 400,
  });
  expect(collector.got).toEqual([]);
});

test('a probe is a valid request without records, in both encodings', async () => {
  const collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  process.env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL = 'http/json';
  const transport = new EndpointTransport();
  await transport.probe('logs');
  await transport.probe('traces');
  const [logs, traces] = collector.got;
  expect(decodeProtobuf(logs?.raw ?? Buffer.alloc(0), LOGS_REQUEST)).toEqual({
    resourceLogs: [{ resource: {} }],
  });
  expect(JSON.parse(traces?.body ?? '')).toEqual({ resourceSpans: [{ resource: {} }] });
  await transport.close();
});

test.each([
  [status(200, {}, 'not json'), { kind: 'accepted', rejected: 0 }],
  [status(202, {}, ''), { kind: 'accepted', rejected: 0 }],
  [status(200, {}, '{"partialSuccess":{"rejectedSpans":3}}'), { kind: 'accepted', rejected: 3 }],
  [status(404), { kind: 'unsupported', status: 404 }],
  [status(405), { kind: 'unsupported', status: 405 }],
  [status(415), { kind: 'unsupported', status: 415 }],
  [status(501), { kind: 'unsupported', status: 501 }],
  [status(413), { kind: 'too_large' }],
  [status(401, {}, 'who?'), { kind: 'refused', status: 401, reason: 'status 401: who?' }],
  [status(301, { location: '/' }), { kind: 'refused', status: 301, reason: 'status 301' }],
  [status(500), { kind: 'refused', status: 500, reason: 'status 500' }],
  [status(503, { 'retry-after': '7' }), { kind: 'retry', reason: 'status 503', afterMs: 7000 }],
  [status(429), { kind: 'retry', reason: 'status 429' }],
])('each answer is classified after one request', async (answer, result) => {
  const collector = await startCollector(answer);
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  expect(await new EndpointTransport().send('traces', BODY)).toEqual(result);
  expect(collector.got).toHaveLength(1);
});

test('a refused connection, a timeout and an untrusted certificate lead to a retry', async () => {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${await freePort()}`;
  expect((await new EndpointTransport().send('logs', BODY)).kind).toBe('retry');
  const silent = await startCollector(() => undefined);
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = silent.url;
  process.env.OTEL_EXPORTER_OTLP_TIMEOUT = '100';
  expect(await new EndpointTransport().send('logs', BODY)).toEqual({
    kind: 'retry',
    reason: 'no answer within 100 ms',
  });
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = silent.url.replace('http:', 'https:');
  expect((await new EndpointTransport().send('logs', BODY)).kind).toBe('retry');
});
