import { expect, onTestFinished, test } from 'vitest';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { type ReceiverOptions, startReceiver } from '../../src/receive/server.ts';
import { rawHttp, rawRequest } from '../support/raw-http.ts';
import { logsRequest } from './requests.ts';

const BODY = JSON.stringify(logsRequest({ body: { stringValue: 'a line' } }));
const JSON_TYPE = 'Content-Type: application/json';
const TOKEN = 'token-of-sixteen-characters';

interface Opened {
  readonly port: number;
  readonly batches: readonly TelemetryBatch[];
}

async function open(options: Partial<ReceiverOptions> = {}): Promise<Opened> {
  const batches: TelemetryBatch[] = [];
  const sink = {
    ingest: async (batch: TelemetryBatch) => {
      batches.push(batch);
      return { rejected: 0, reasons: [] };
    },
  };
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink, ...options });
  onTestFinished(() => receiver.close(0));
  return { port: receiver.port, batches };
}

const POST = 'POST /v1/logs HTTP/1.1';

test.each([
  ['a rebound page', POST, ['Host: evil.example', 'Origin: http://evil.example'], 401],
  ['a foreign name alone', POST, ['Host: evil.example:4318'], 401],
  ['a foreign page', POST, ['Host: localhost:4318', 'Origin: https://evil.example'], 401],
  ['a sandboxed page', POST, ['Host: localhost:4318', 'Origin: null'], 401],
  ['a page at 0.0.0.0', POST, ['Host: 0.0.0.0:4318', 'Origin: http://0.0.0.0:4318'], 401],
  ['an address as a number', POST, ['Host: 2130706433:4318'], 401],
  ['a target of another host', 'POST http://evil.example/v1/logs HTTP/1.1', ['Host: localhost'], 401],
  ['two hosts', POST, ['Host: localhost', 'Host: evil.example'], 400],
  ['no host', POST, [], 400],
])('a request of %s is refused, and nothing is stored', async (_who, start, lines, status) => {
  const { port, batches } = await open();
  const answer = await rawHttp(port, rawRequest(start, [...lines, JSON_TYPE], BODY));
  expect(answer.status).toBe(status);
  expect(batches).toEqual([]);
});

test.each([
  ['HTTP/1.0 without a host', 'POST /v1/logs HTTP/1.0', []],
  ['localhost', POST, ['Host: localhost']],
  ['localhost with a dot', POST, ['Host: localhost.:4318']],
  ['an IPv6 address', POST, ['Host: [::1]:4318']],
  ['an IPv4-mapped address', POST, ['Host: [::ffff:127.0.0.1]:4318']],
])('a program that names the receiver by %s is stored', async (_how, start, lines) => {
  const { port, batches } = await open();
  const answer = await rawHttp(port, rawRequest(start, [...lines, JSON_TYPE], BODY));
  expect(answer.status).toBe(200);
  expect(batches).toHaveLength(1);
});

test('with a token the name does not count: a collector in a container may use that of its network', async () => {
  const { port, batches } = await open({ secrets: { apiToken: TOKEN } });
  const lines = ['Host: tasktrail:4318', JSON_TYPE];
  const bare = await rawHttp(port, rawRequest(POST, lines, BODY));
  expect([bare.status, batches.length]).toEqual([401, 0]);
  const known = await rawHttp(port, rawRequest(POST, [...lines, `Authorization: Bearer ${TOKEN}`], BODY));
  expect([known.status, batches.length]).toEqual([200, 1]);
});

test.each([
  ['rebound', ['Host: evil.example', 'Origin: http://evil.example']],
  ['foreign', ['Host: localhost', 'Origin: https://evil.example']],
])('with a token a %s page, which does not know it, is refused', async (_who, lines) => {
  const { port, batches } = await open({ secrets: { apiToken: TOKEN } });
  const answer = await rawHttp(port, rawRequest(POST, [...lines, JSON_TYPE], BODY));
  expect([answer.status, batches.length]).toEqual([401, 0]);
});

test.each([
  'text/plain',
  'text/plain;charset=UTF-8',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain; application/json',
  'text/plain,application/json',
  'application/jsonx',
  undefined,
])('the content type %j, which a page may send without a preflight, is refused', async (type) => {
  const { port, batches } = await open();
  const lines = ['Host: localhost', ...(type === undefined ? [] : [`Content-Type: ${type}`])];
  const answer = await rawHttp(port, rawRequest(POST, lines, BODY));
  expect([answer.status, batches.length]).toEqual([415, 0]);
});

test('two content types are no way around a preflight', async () => {
  const { port, batches } = await open();
  const lines = ['Host: localhost', 'Content-Type: text/plain', JSON_TYPE];
  expect((await rawHttp(port, rawRequest(POST, lines, BODY))).status).toBe(415);
  expect(batches).toEqual([]);
});

const APP = 'https://app.example';
const PREFLIGHT = [
  'Host: localhost:4318',
  `Origin: ${APP}`,
  'Access-Control-Request-Method: POST',
  'Access-Control-Request-Headers: content-type',
];

test('a page of a named origin sends as the exporter of a browser does: a preflight, then JSON', async () => {
  const { port, batches } = await open({ corsOrigins: [APP] });
  const allowed = await rawHttp(port, rawRequest('OPTIONS /v1/logs HTTP/1.1', PREFLIGHT));
  expect(allowed).toMatchObject({
    status: 204,
    headers: {
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': expect.stringContaining('Content-Type'),
      vary: 'Origin',
    },
    body: '',
  });
  expect(allowed.headers).not.toHaveProperty('access-control-allow-credentials');
  const sent = await rawHttp(port, rawRequest(POST, ['Host: localhost', `Origin: ${APP}`, JSON_TYPE], BODY));
  expect([sent.status, sent.headers['access-control-allow-origin'], batches.length]).toEqual([200, APP, 1]);
});

test('a page of a named origin may read why it is refused', async () => {
  const { port } = await open({ corsOrigins: [APP], secrets: { apiToken: TOKEN } });
  const refused = await rawHttp(
    port,
    rawRequest(POST, ['Host: localhost', `Origin: ${APP}`, JSON_TYPE], BODY),
  );
  expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, APP]);
});

test.each([
  ['off', []],
  ['on for another origin', ['https://other.example']],
])('with CORS %s a preflight is refused', async (_how, corsOrigins) => {
  const { port } = await open({ corsOrigins });
  const refused = await rawHttp(port, rawRequest('OPTIONS /v1/logs HTTP/1.1', PREFLIGHT));
  expect(refused.status).toBe(401);
  expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
});
