import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { constants, deflateSync, gzipSync } from 'node:zlib';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { afterEach, expect, test } from 'vitest';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../src/model/sender.ts';
import { agentTokenOf, leftRecordsTokenOf, trailTokenOf } from '../../src/model/trail-token.ts';
import { type Receiver, type ReceiverOptions, startReceiver } from '../../src/receive/server.ts';
import type { IngestResult, Sink } from '../../src/receive/sink.ts';
import { createTokenCheck } from '../../src/serve/token.ts';
import { until } from '../support/until.ts';
import { field, logsRequest, requestBody, SPAN_ID, spansRequest, TRACE_ID } from './requests.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const PROTOBUF_TYPE = { 'Content-Type': 'application/x-protobuf' };
const GOOD_LOG = { body: { stringValue: 'kept' } };
const GOOD_SPAN = { traceId: TRACE_ID, spanId: SPAN_ID, name: 'work' };

const open: Receiver[] = [];
afterEach(async () => {
  for (const receiver of open.splice(0)) await receiver.close(0);
});

interface Started {
  readonly receiver: Receiver;
  readonly batches: TelemetryBatch[];
  post(path: string, headers: Record<string, string>, body: string | Buffer): Promise<Response>;
}

type Ingest = (batch: TelemetryBatch) => Promise<IngestResult>;

async function start(options: Partial<ReceiverOptions> = {}, ingest?: Ingest): Promise<Started> {
  const batches: TelemetryBatch[] = [];
  const sink = {
    ingest: async (batch: TelemetryBatch) => {
      batches.push(batch);
      return ingest === undefined ? { rejected: 0, reasons: [] } : ingest(batch);
    },
  };
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink, ...options });
  open.push(receiver);
  return {
    receiver,
    batches,
    post: (path, headers, body) => fetch(`${receiver.url}${path}`, { method: 'POST', headers, body }),
  };
}

/** The fields of a flat protobuf message; an embedded one stays bytes. */
async function fieldsOf(response: Response): Promise<Map<number, string | number>> {
  return readFields(new Uint8Array(await response.arrayBuffer()));
}

function readFields(bytes: Uint8Array): Map<number, string | number> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, string | number>();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    fields.set(number, wire === 0 ? Number(reader.int64()) : reader.string());
  }
  return fields;
}

test('logs and traces reach the sink, and the answer is an empty success', async () => {
  const { batches, post } = await start();
  const logs = await post('/v1/logs', JSON_TYPE, JSON.stringify(logsRequest(GOOD_LOG)));
  expect([logs.status, logs.headers.get('content-type'), await logs.text()]).toEqual([
    200,
    'application/json',
    '{}',
  ]);
  const spans = await post('/v1/traces', JSON_TYPE, JSON.stringify(spansRequest(GOOD_SPAN)));
  expect([spans.status, await spans.text()]).toEqual([200, '{}']);
  const protobuf = await post('/v1/logs', PROTOBUF_TYPE, requestBody(field(3, Buffer.from('INFO'))));
  expect([protobuf.status, protobuf.headers.get('content-type'), await protobuf.text()]).toEqual([
    200,
    'application/x-protobuf',
    '',
  ]);
  expect(batches.map(({ logs, spans }) => [logs.length, spans.length])).toEqual([
    [1, 0],
    [0, 1],
    [1, 0],
  ]);
});

test('an empty request is a success without a call of the sink', async () => {
  const { batches, post } = await start();
  expect((await post('/v1/logs', JSON_TYPE, '{}')).status).toBe(200);
  expect((await post('/v1/traces', PROTOBUF_TYPE, '')).status).toBe(200);
  expect(batches).toEqual([]);
});

test.each([
  ['/v1/logs', 'rejectedLogRecords', logsRequest(GOOD_LOG, 7, { attributes: 7 })],
  ['/v1/traces', 'rejectedSpans', spansRequest(GOOD_SPAN, 7, { ...GOOD_SPAN, spanId: '' })],
])('%s: records rejected by the reader and by the sink are summed in %s', async (path, name, request) => {
  const { batches, post } = await start({}, async () => ({ rejected: 3, reasons: ['the id is no path'] }));
  const response = await post(path, JSON_TYPE, JSON.stringify(request));
  expect(response.status).toBe(200);
  const { partialSuccess } = (await response.json()) as { partialSuccess: Record<string, string> };
  expect(partialSuccess[name]).toBe('5');
  expect(partialSuccess.errorMessage).toContain('a record is not an object; ');
  expect(partialSuccess.errorMessage).toContain('; the id is no path');
  expect(batches[0]?.logs.length || batches[0]?.spans.length).toBe(1);
});

test('a partial success is encoded in protobuf for a protobuf request', async () => {
  const { post } = await start({}, async () => ({ rejected: 1, reasons: ['no room in it'] }));
  const body = Buffer.from(requestBody(field(3, Buffer.from('INFO'))));
  const answer = await fieldsOf(await post('/v1/logs', PROTOBUF_TYPE, body));
  const partial = readFields(Buffer.from(String(answer.get(1))));
  expect([...partial]).toEqual([
    [1, 1],
    [2, 'no room in it'],
  ]);
});

test('the message names ten reasons at most', async () => {
  const reasons = Array.from({ length: 1000 }, (_, index) => `reason ${index}`);
  const { post } = await start({}, async () => ({ rejected: 1000, reasons }));
  const response = await post('/v1/logs', JSON_TYPE, JSON.stringify(logsRequest(GOOD_LOG)));
  expect(await response.text()).toContain('reason 9"');
});

test('a sink that throws makes the sender retry', async () => {
  const { post } = await start({}, async () => {
    throw new TypeError('the disk is full');
  });
  const json = await post('/v1/logs', JSON_TYPE, JSON.stringify(logsRequest(GOOD_LOG)));
  expect([json.status, json.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await json.json()).toEqual({ code: 14, message: 'not stored: the disk is full' });
  const protobuf = await post('/v1/logs', PROTOBUF_TYPE, requestBody(field(3, Buffer.from('INFO'))));
  expect([protobuf.status, protobuf.headers.get('retry-after')]).toEqual([503, '5']);
  expect([...(await fieldsOf(protobuf))]).toEqual([
    [1, 14],
    [2, 'not stored: the disk is full'],
  ]);
});

test.each<[number, string, Record<string, string>, string]>([
  [400, 'malformed JSON', JSON_TYPE, '{'],
  [400, 'malformed JSON', JSON_TYPE, ''],
  [400, 'malformed request: resourceLogs is not an array', JSON_TYPE, '{"resourceLogs":{}}'],
  [400, 'malformed protobuf', PROTOBUF_TYPE, 'not protobuf'],
  [400, 'unsupported Content-Encoding', { ...JSON_TYPE, 'Content-Encoding': 'br' }, '{}'],
  [400, 'malformed body', { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, 'not gzip'],
  [415, 'unsupported Content-Type', { 'Content-Type': 'text/plain' }, '{}'],
  [415, 'unsupported Content-Type', { 'Content-Type': '' }, '{}'],
])('%i %s', { tags: 'full' }, async (status, message, headers, body) => {
  const { batches, post } = await start();
  const response = await post('/v1/logs', headers, body);
  expect(response.status).toBe(status);
  expect(response.headers.get('retry-after')).toBeNull();
  if (headers === PROTOBUF_TYPE) {
    const answer = await fieldsOf(response);
    expect([answer.get(1), answer.get(2)]).toEqual([3, expect.stringContaining(message)]);
  } else {
    expect(await response.json()).toEqual({ code: 3, message: expect.stringContaining(message) });
  }
  expect(batches).toEqual([]);
});

test.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;x=1'])(
  'the content type %s is JSON',
  async (type) => {
    const { post } = await start();
    expect((await post('/v1/logs', { 'Content-Type': type }, '{}')).status).toBe(200);
  },
);

test('metrics are refused with 404 and the reason, other paths with 404', async () => {
  const { post } = await start();
  const metrics = await post('/v1/metrics', JSON_TYPE, '{}');
  expect(metrics.status).toBe(404);
  expect(await metrics.json()).toEqual({
    code: 5,
    message: 'metrics are not taken here: this receiver takes /v1/logs and /v1/traces',
  });
  expect((await post('/v1/logs/', JSON_TYPE, '{}')).status).toBe(404);
  expect((await post('/', JSON_TYPE, '{}')).status).toBe(404);
});

test.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])(
  '%s is refused with 405 and the allowed method',
  async (method) => {
    const { receiver } = await start();
    const response = await fetch(`${receiver.url}/v1/logs`, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  },
);

test.each([[undefined], ['Bearer wrong'], ['Bearer '], ['Basic c2VjcmV0'], ['secret']])(
  'the authorization %j is refused with 401',
  async (authorization) => {
    const { batches, post } = await start({ secrets: { apiToken: 'secret' } });
    const headers = authorization === undefined ? JSON_TYPE : { ...JSON_TYPE, Authorization: authorization };
    const response = await post('/v1/logs', headers, JSON.stringify(logsRequest(GOOD_LOG)));
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="tasktrail"',
    ]);
    expect(batches).toEqual([]);
  },
);

test('the right token is accepted', async () => {
  const { post } = await start({ secrets: { apiToken: 'secret' } });
  const headers = { ...JSON_TYPE, Authorization: 'bearer secret' };
  expect((await post('/v1/logs', headers, '{}')).status).toBe(200);
});

const KEY = 'c0ffee'.repeat(10);
const AGENT: Sender = { kind: 'agent', taskId: 'task-1' };

test.each<[string, string | undefined, string | undefined, unknown]>([
  ['no token', undefined, undefined, ANONYMOUS],
  ['an empty token, as from a collector without one', 'Bearer ', undefined, ANONYMOUS],
  ['the token of the trail', `Bearer ${trailTokenOf(KEY)}`, undefined, TRAIL],
  ['the token of an agent', `Bearer ${agentTokenOf(KEY, 'task-1')}`, undefined, AGENT],
  [
    'the token for what an agent has left',
    `Bearer ${leftRecordsTokenOf(KEY, 'task-1')}`,
    undefined,
    { ...AGENT, isLeft: true },
  ],
  [
    'the token of an agent as the one for what it has left',
    `Bearer ${agentTokenOf(KEY, 'task-1').replace('agent.', 'left.')}`,
    undefined,
    401,
  ],
  ['no token where one is set', undefined, 'secret', 401],
  ['an empty token where one is set', 'Bearer ', 'secret', 401],
  ['the token of the API', 'bearer secret', 'secret', TRAIL],
  ['the token of the trail where one is set', `Bearer ${trailTokenOf(KEY)}`, 'secret', TRAIL],
  ['the token of an agent where one is set', `Bearer ${agentTokenOf(KEY, 'task-1')}`, 'secret', AGENT],
  ['a wrong token', 'Bearer wrong', undefined, 401],
  ['another scheme', 'Basic c2VjcmV0', undefined, 401],
  ['the key itself', `Bearer ${KEY}`, undefined, 401],
  ['the token of another key', `Bearer ${trailTokenOf('other')}`, 'secret', 401],
  [
    'the token of an agent with another task in it',
    `Bearer ${agentTokenOf(KEY, 'task-1').replace('task-1', 'task-2')}`,
    undefined,
    401,
  ],
])('%s makes the sender', async (_name, authorization, apiToken, expected) => {
  const senders: Sender[] = [];
  const sink: Sink = {
    ingest: async (_batch, sender) => {
      senders.push(sender);
      return { rejected: 0, reasons: [] };
    },
  };
  const { post } = await start({ sink, secrets: { apiToken, key: KEY } });
  const headers = authorization === undefined ? JSON_TYPE : { ...JSON_TYPE, Authorization: authorization };
  const { status } = await post('/v1/logs', headers, JSON.stringify(logsRequest(GOOD_LOG)));
  expect(status === 200 ? senders[0] : status).toEqual(expected);
  expect(senders).toHaveLength(status === 200 ? 1 : 0);
});

test('the tokens of the trail and of agents are not accepted by the API', () => {
  for (const token of [trailTokenOf(KEY), agentTokenOf(KEY, 'task-1'), leftRecordsTokenOf(KEY, 'task-1')]) {
    const request = { headers: { authorization: `Bearer ${token}` } } as IncomingMessage;
    expect(() => createTokenCheck('secret')(request)).toThrow('the token is wrong');
  }
});

test.each<[string, (text: string) => Buffer]>([
  ['gzip', (text) => gzipSync(text)],
  ['deflate', (text) => deflateSync(text)],
  ['identity', (text) => Buffer.from(text)],
  ['GZIP', (text) => Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])],
])('a body in the encoding %s is read', async (encoding, encode) => {
  const { batches, post } = await start();
  const body = encode(JSON.stringify(logsRequest(GOOD_LOG)));
  const response = await post('/v1/logs', { ...JSON_TYPE, 'Content-Encoding': encoding }, body);
  expect(response.status).toBe(200);
  expect(batches[0]?.logs[0]?.record.body).toBe('kept');
});

test('a gzip body that is cut short is malformed', async () => {
  const { post } = await start();
  const body = gzipSync(JSON.stringify(logsRequest(GOOD_LOG)));
  for (const length of [1, 10, body.length - 9, body.length - 1]) {
    const headers = { ...JSON_TYPE, 'Content-Encoding': 'gzip' };
    expect((await post('/v1/logs', headers, body.subarray(0, length))).status).toBe(400);
  }
});

test('the limit applies to the compressed body', async () => {
  const { batches, post } = await start({ bodyBytesMax: 1000 });
  const body = (bytes: number) => `{}${' '.repeat(bytes - 2)}`;
  expect((await post('/v1/logs', JSON_TYPE, body(1000))).status).toBe(200);
  const response = await post('/v1/logs', JSON_TYPE, body(1001));
  expect(response.status).toBe(413);
  expect(await response.json()).toEqual({
    code: 3,
    message: expect.stringMatching(/^a body is at most 1000 bytes: send smaller batches /),
  });
  expect(batches).toEqual([]);
});

test('the limit applies to a body without a length', async () => {
  const { post } = await start({ bodyBytesMax: 100_000 });
  const chunks = async function* () {
    for (let sent = 0; sent < 100; sent++) yield Buffer.alloc(10_000, 0x20);
  };
  const init = { method: 'POST', headers: JSON_TYPE, body: ReadableStream.from(chunks()), duplex: 'half' };
  const { receiver } = await start({ bodyBytesMax: 100_000 });
  expect((await fetch(`${receiver.url}/v1/logs`, init as RequestInit)).status).toBe(413);
  expect((await post('/v1/logs', JSON_TYPE, '{}')).status).toBe(200);
});

test('the limit applies to compressed bytes that inflate to nothing', async () => {
  const { receiver } = await start({ bodyBytesMax: 10_000 });
  const socket = await connect(receiver);
  const empty = gzipSync('');
  socket.write(`${HEAD}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const members = Buffer.concat(new Array(Math.ceil(10_001 / empty.length)).fill(empty));
  socket.write(`${members.length.toString(16)}\r\n`);
  socket.write(members);
  expect(await answerTo(socket)).toMatch(/^HTTP\/1.1 413 /);
  socket.destroy();
});

test('a refused sender can finish its body and reuse the connection', async () => {
  const { receiver } = await start({ bodyBytesMax: 20_000_000 });
  const socket = await connect(receiver);
  const bomb = Buffer.concat(new Array(150).fill(gzipSync(Buffer.alloc(200_000, 0x20), { level: 0 })));
  socket.write(`${HEAD}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.write(`${bomb.length.toString(16)}\r\n`);
  const answer = answerTo(socket);
  await new Promise((resolve) => socket.write(bomb, resolve));
  expect(await answer).toMatch(/^HTTP\/1.1 413 /);
  socket.write(`\r\n0\r\n\r\n${HEAD}Content-Length: 2\r\n\r\n{}`);
  expect(await answerTo(socket)).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
});

test('a gzip bomb is refused at the limit while the memory stays flat', { tags: 'full' }, async () => {
  const { post } = await start();
  const member = gzipSync(Buffer.alloc(128 * 1024 * 1024, 0x20), { level: 9 });
  const bomb = Buffer.concat(new Array(80).fill(member));
  expect(bomb.length).toBeGreaterThan(10_000_000);
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 5);
  const response = await post('/v1/logs', { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, bomb);
  clearInterval(watch);
  expect(response.status).toBe(413);
  expect(peak - before).toBeLessThan(200 * 1024 * 1024);
});

test('a huge Content-Length is refused before the body is sent', async () => {
  const { receiver } = await start();
  const socket = await connect(receiver);
  socket.write(
    'POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n',
  );
  expect(await answerTo(socket)).toMatch(/^HTTP\/1.1 413 /);
  socket.destroy();
});

test.each<[string, (text: string) => Buffer]>([
  ['identity', (text) => Buffer.from(text)],
  ['gzip', (text) => gzipSync(text, { finishFlush: constants.Z_SYNC_FLUSH })],
])(
  'many large %s bodies at once are refused for a retry; a disconnected sender frees its memory',
  async (...row) => {
    const [encoding, encode] = row;
    const { receiver, post } = await start({ bodyBytesMax: 1000 });
    const sockets: Socket[] = [];
    for (let count = 0; count < 4; count++) {
      const socket = await connect(receiver);
      socket.write(`${HEAD}Content-Encoding: ${encoding}\r\nContent-Length: 1000\r\n\r\n`);
      socket.write(encode(' '.repeat(990)));
      sockets.push(socket);
    }
    const large = () => post('/v1/logs', JSON_TYPE, `{}${' '.repeat(500)}`);
    await until(async () => (await large()).status === 503, 'the answer or the batch');
    for (const socket of sockets) socket.destroy();
    await until(async () => (await large()).status === 200, 'the answer or the batch');
  },
);

test('a sender that disconnects during its body does not affect others', async () => {
  const { receiver, batches, post } = await start();
  for (const encoding of ['identity', 'gzip']) {
    const socket = await connect(receiver);
    socket.write(`${HEAD}Content-Encoding: ${encoding}\r\nContent-Length: 100\r\n\r\n`);
    socket.write(gzipSync('x').subarray(0, 12));
    socket.destroy();
    await once(socket, 'close');
  }
  expect((await post('/v1/logs', JSON_TYPE, '{}')).status).toBe(200);
  expect(batches).toEqual([]);
});

test('a request that does not arrive in time is ended', { tags: 'full' }, async () => {
  const { receiver } = await start({ requestTimeoutMs: 200 });
  const slow = await connect(receiver);
  slow.write(`${HEAD}Content-Length: 100\r\n\r\n{`);
  expect(await answerTo(slow)).toMatch(/^HTTP\/1.1 408 /);
  const silent = await connect(receiver);
  silent.write('POST /v1/logs HTTP/1.1\r\nHost:');
  expect(await answerTo(silent)).toMatch(/^HTTP\/1.1 408 /);
});

test('bytes that are not HTTP are refused', async () => {
  const { receiver, post } = await start();
  const socket = await connect(receiver);
  socket.write('\x16\x03\x01 hello\r\n\r\n');
  expect(await answerTo(socket)).toMatch(/^HTTP\/1.1 400 /);
  expect((await post('/v1/logs', JSON_TYPE, '{}')).status).toBe(200);
});

test('a port in use is an error that names host and port', async () => {
  const { receiver } = await start();
  const second = startReceiver({
    host: '127.0.0.1',
    port: receiver.port,
    sink: { ingest: async () => ({ rejected: 0, reasons: [] }) },
  });
  await expect(second).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: `cannot receive OTLP on 127.0.0.1:${receiver.port}: the port is in use. Stop the program that listens there, or choose another port (0 selects a free one)`,
  });
});

test('an address of another machine is an error of the configuration', async () => {
  await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
});

test('the url of a wildcard address is reachable', async () => {
  const { receiver, post } = await start({ host: '0.0.0.0' });
  expect(receiver.url).toBe(`http://127.0.0.1:${receiver.port}`);
  expect((await post('/v1/logs', JSON_TYPE, '{}')).status).toBe(200);
});

test('close waits for a request in flight and accepts no new one', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { receiver, batches, post } = await start({}, async () => {
    await gate;
    return { rejected: 0, reasons: [] };
  });
  const inFlight = post('/v1/logs', JSON_TYPE, JSON.stringify(logsRequest(GOOD_LOG)));
  await until(async () => batches.length === 1, 'the answer or the batch');
  let closed = false;
  const closing = receiver.close(20_000).then(() => {
    closed = true;
  });
  await expect(connect(receiver)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(closed).toBe(false);
  release();
  const response = await inFlight;
  expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
  await closing;
});

test('close ends open requests at the deadline, and may be called twice', async () => {
  const { receiver, batches, post } = await start({}, () => new Promise(() => {}));
  const stuck = post('/v1/logs', JSON_TYPE, JSON.stringify(logsRequest(GOOD_LOG)));
  const failed = expect(stuck).rejects.toThrow();
  await until(async () => batches.length === 1, 'the answer or the batch');
  await Promise.all([receiver.close(50), receiver.close(50)]);
  await failed;
});

test('close does not wait for connections that are kept alive', async () => {
  const { receiver, post } = await start();
  await (await post('/v1/logs', JSON_TYPE, '{}')).text();
  // Longer than the test may take.
  await receiver.close(600_000);
});

const HEAD = 'POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

async function connect(receiver: Receiver): Promise<Socket> {
  const socket = createConnection(receiver.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function answerTo(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}
