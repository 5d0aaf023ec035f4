import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { expect, test } from 'vitest';
import { detectProtocol } from '../../src/doctor/spoken-protocol.ts';
import { freePort } from '../support/free-port.ts';
import { makeCertificate } from './certificate.ts';
import { listenUntilEnd, serve, serveTcp, statusOf } from './subject.ts';

test('HTTP/1 is detected without and with TLS', async () => {
  expect(await detectProtocol(await serve(statusOf(404)))).toBe('http');
  const { key, cert } = makeCertificate();
  const port = await listenUntilEnd(createHttpsServer({ key, cert }, statusOf(200)));
  expect(await detectProtocol(`http://127.0.0.1:${port}`)).toBe('https');
});

test('a server with HTTP/1 and HTTP/2 counts as HTTP/1', async () => {
  const { key, cert } = makeCertificate();
  const server = createSecureServer({ key, cert, allowHTTP1: true });
  const port = await listenUntilEnd(server as never);
  expect(await detectProtocol(`https://127.0.0.1:${port}`)).toBe('https');
});

test('HTTP/2 only is detected without TLS', async () => {
  const port = await listenUntilEnd(createHttp2Server() as never);
  expect(await detectProtocol(`http://127.0.0.1:${port}`)).toBe('h2c');
});

test('HTTP/2 only is detected with TLS', async () => {
  const { key, cert } = makeCertificate();
  const server = createSecureServer({ key, cert, allowHTTP1: false, ALPNProtocols: ['h2'] });
  // Node answers an unknown protocol with 403 instead of closing the connection, as gRPC servers do.
  server.on('unknownProtocol', (socket) => socket.destroy());
  const port = await listenUntilEnd(server as never);
  expect(await detectProtocol(`https://127.0.0.1:${port}`)).toBe('h2');
});

test('another protocol and a closed port are unknown', async () => {
  const port = await serveTcp((socket) => void socket.end('SSH-2.0\r\n'));
  expect(await detectProtocol(`http://127.0.0.1:${port}`)).toBeUndefined();
  expect(await detectProtocol(`http://127.0.0.1:${await freePort()}`)).toBeUndefined();
});
