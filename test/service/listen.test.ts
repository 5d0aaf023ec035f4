import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type HttpService, listen } from '../../src/service/listen.ts';
import { closeServer, listenOn } from '../../src/system/http/node-server.ts';
import { limitConnections } from '../../src/system/http/server-limits.ts';
import { rawHttp, rawRequest } from '../support/raw-http.ts';

test('requests are answered at the url, with the port that the system selects', async () => {
  const service = await listen((_req, res) => res.end('hello'), { host: '127.0.0.1', port: 0 });
  onTestFinished(() => service.close(0));
  expect(service.url).toBe(`http://127.0.0.1:${service.port}`);
  expect(await (await fetch(service.url)).text()).toBe('hello');
});

test('a port in use is an error that names the setting and what to do', async () => {
  const { port, close } = await listen(() => {}, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => close(0));
  await expect(listen(() => {}, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: `PORT: 127.0.0.1:${port} is in use. Stop the program that listens there, or set another PORT (0 selects a free port)`,
    cause: { code: 'EADDRINUSE' },
  });
});

test('an address of another machine is an error of the settings', async () => {
  await expect(listen(() => {}, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: 'HOST: 192.0.2.1 is not an address of this machine',
  });
});

async function openSlow(handler: RequestListener): Promise<HttpService> {
  const service = await listen(handler, { host: '127.0.0.1', port: 0, requestTimeoutMs: 300 });
  onTestFinished(() => service.close(0));
  return service;
}

test.each([
  ['headers', 'GET / HTTP/1.1\r\nHost:'],
  ['a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{'],
  ['nothing', ''],
])('a client that sends %s and then no more loses its connection', async (_what, text) => {
  const { port } = await openSlow((req) => req.resume());
  // The promise resolves when the server has closed the connection.
  const { status } = await rawHttp(port, text);
  expect(status).toBe(408);
});

test('a client that sends a byte of its body now and then loses its connection, too', async () => {
  const { port } = await openSlow((req) => req.resume());
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n');
  const drip = setInterval(() => socket.write('x'), 20);
  onTestFinished(() => clearInterval(drip));
  const closed = once(socket.resume(), 'close');
  await closed;
  clearInterval(drip);
  expect(socket.bytesWritten).toBeLessThan(100_000);
});

test('an answer may take longer than a request', async () => {
  const { url } = await openSlow((req, res) => {
    req.resume();
    res.write('first ');
    setTimeout(() => res.end('last'), 1_500);
  });
  expect(await (await fetch(url)).text()).toBe('first last');
});

test('headers of more than 16 KiB are refused', async () => {
  const { port } = await openSlow((_req, res) => res.end());
  const answer = await rawHttp(port, rawRequest(`GET /${'x'.repeat(20_000)} HTTP/1.1`, ['Host: localhost']));
  expect(answer.status).toBe(431);
});

test('connections above the limit are closed at once, and the others go on', async () => {
  const server = createServer((_req, res) => res.end('hello'));
  limitConnections(server, 1);
  const port = await listenOn(server, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => closeServer(server, 0));
  const first = connect(port, '127.0.0.1');
  onTestFinished(() => {
    first.destroy();
  });
  await once(first, 'connect');
  const second = connect(port, '127.0.0.1').resume();
  second.on('error', () => {});
  await once(second, 'close');
  first.write(rawRequest('GET / HTTP/1.1', ['Host: localhost']));
  expect(String((await once(first, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
});
