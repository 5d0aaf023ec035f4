import { Agent, request } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { post, readRetryAfter } from '../../src/export/post.ts';
import type { SendResult } from '../../src/export/transport.ts';
import { freePort } from '../support/free-port.ts';
import { startCollector, status } from './fixture.ts';

const BODY = Buffer.from('{"n":1}');

async function send(
  url: string,
  more: { headers?: Record<string, string>; timeoutMs?: number } = {},
): Promise<SendResult> {
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  return post(BODY, { url, request, agent, headers: {}, timeoutMs: 10_000, ...more });
}

test('the body is sent with its length and the given headers', async () => {
  const collector = await startCollector();
  expect(await send(collector.url, { headers: { 'x-a': 'b' } })).toEqual({ kind: 'accepted', rejected: 0 });
  expect(collector.got[0]).toMatchObject({
    body: BODY.toString(),
    headers: { 'x-a': 'b', 'content-length': String(BODY.length) },
  });
});

test('a request without a complete answer is to be retried, with the reason', async () => {
  const silent = await startCollector(() => undefined);
  const cut = await startCollector((_got, res) => void res.destroy());
  const torn = await startCollector((_got, res) => {
    res.writeHead(200, { 'content-length': 100 });
    res.write('{', () => res.destroy());
  });
  expect(await send(silent.url, { timeoutMs: 50 })).toEqual({
    kind: 'retry',
    reason: 'no answer within 50 ms',
  });
  expect(await send(cut.url)).toEqual({ kind: 'retry', reason: 'socket hang up' });
  expect((await send(torn.url)).kind).toBe('retry');
  expect(await send(`http://127.0.0.1:${await freePort()}`)).toMatchObject({
    kind: 'retry',
    reason: expect.stringContaining('ECONNREFUSED'),
  });
});

test('a URL or header that node:http rejects is to be retried, too', async () => {
  expect((await send('no url')).kind).toBe('retry');
  expect((await send('http://127.0.0.1:1', { headers: { 'x-a': 'b\nc' } })).kind).toBe('retry');
});

test('a long answer is classified by its status', async () => {
  const collector = await startCollector(status(400, {}, 'x'.repeat(2_000_000)));
  expect(await send(collector.url)).toMatchObject({ kind: 'refused', status: 400 });
});

test('an answer whose body never ends counts by its status', async () => {
  const stopped = await startCollector((_got, res) => void res.writeHead(200).write('{'));
  const refusing = await startCollector((_got, res) => void res.writeHead(400).write('bad span'));
  const endless = await startCollector((_got, res) => {
    res.writeHead(200);
    const more = (): boolean => res.destroyed || (res.write('x'.repeat(65_536)) ? more() : false);
    res.on('drain', more);
    more();
  });
  expect(await send(stopped.url, { timeoutMs: 3_000 })).toEqual({ kind: 'accepted', rejected: 0 });
  expect(await send(refusing.url, { timeoutMs: 3_000 })).toEqual({
    kind: 'refused',
    status: 400,
    reason: 'status 400: bad span',
  });
  expect(await send(endless.url)).toEqual({ kind: 'accepted', rejected: 0 });
});

test('a port that speaks HTTP/2 or TLS is named as such', async () => {
  const server = createServer((socket) => {
    // A SETTINGS frame, as a gRPC server sends it first.
    socket.on('error', () => undefined).end(Buffer.from('000000040000000000', 'hex'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  expect(await send(`http://127.0.0.1:${port}`)).toMatchObject({
    kind: 'retry',
    reason: expect.stringContaining('it does not speak HTTP/1.1: use its OTLP/HTTP port, usually 4318'),
  });
});

test('a connection that is half open ends with the time of the request, and the next one is a new one', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    if (sockets.length > 1) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const options = { url: `http://127.0.0.1:${port}`, request, agent, headers: {}, timeoutMs: 100 };
  expect((await post(BODY, options)).kind).toBe('retry');
  expect(await post(BODY, { ...options, timeoutMs: 10_000 })).toEqual({ kind: 'accepted', rejected: 0 });
});

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(readRetryAfter('120', now)).toBe(120_000);
  expect(readRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000);
  expect(readRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
  expect(readRetryAfter('soon', now)).toBeUndefined();
  expect(readRetryAfter(undefined, now)).toBeUndefined();
});
