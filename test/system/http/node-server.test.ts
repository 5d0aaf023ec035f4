import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import {
  authorityOf,
  closeServer,
  listenOn,
  originOf,
  reachableHost,
} from '../../../src/system/http/node-server.ts';

const LOOPBACK = '127.0.0.1';

test('port 0 selects a free port, and a port in use is an error of the system', async () => {
  const [first, second] = [createServer(), createServer()];
  const port = await listenOn(first, { host: LOOPBACK, port: 0 });
  onTestFinished(() => closeServer(first, 0));
  expect(port).toBeGreaterThan(0);
  await expect(listenOn(second, { host: LOOPBACK, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('an error of a listening server does not end the process', async () => {
  const server = createServer();
  await listenOn(server, { host: LOOPBACK, port: 0 });
  onTestFinished(() => closeServer(server, 0));
  expect(() => server.emit('error', new Error('accept EMFILE'))).not.toThrow();
});

test('closing waits for a request in flight', async () => {
  const requests: ServerResponse[] = [];
  const server = createServer((_req, res) => void requests.push(res));
  const port = await listenOn(server, { host: LOOPBACK, port: 0 });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: LOOPBACK, port, agent: false }, resolve).on('error', reject);
  });
  await once(server, 'request');
  // The deadline is longer than the test may take.
  const closed = closeServer(server, 600_000);
  requests[0]?.end('done');
  expect((await answered).resume().statusCode).toBe(200);
  await closed;
});

test('closing ends a connection that is open at the deadline, and may be called twice', async () => {
  const server = createServer(() => {});
  const port = await listenOn(server, { host: LOOPBACK, port: 0 });
  const socket = connect(port, LOOPBACK);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(server, 'request');
  const ended = once(socket, 'close');
  socket.resume().on('error', () => {});
  await closeServer(server, 1);
  await ended;
  await closeServer(server, 1);
});

test.each([
  [{ host: '127.0.0.1', port: 80 }, '127.0.0.1:80'],
  [{ host: 'localhost', port: 4318 }, 'localhost:4318'],
  [{ host: '::1', port: 80 }, '[::1]:80'],
])('%j is written as %s', (at, expected) => {
  expect(authorityOf(at)).toBe(expected);
  expect(originOf(at)).toBe(`http://${expected}`);
});

test.each([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
  ['127.0.0.1', '127.0.0.1'],
  ['example.com', 'example.com'],
])('%s is reached at %s', (host, expected) => {
  expect(reachableHost(host)).toBe(expected);
});
