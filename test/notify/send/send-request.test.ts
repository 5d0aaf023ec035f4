import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { AddressGuard } from '../../../src/notify/send/address-guard.ts';
import type { SendOutcome } from '../../../src/notify/send/send-outcome.ts';
import { post } from '../../../src/notify/send/send-request.ts';

const LOOPBACK = new AddressGuard(['127.0.0.1']);

/** A server of bytes. `onSocket` is called with each connection once something has come. */
async function serve(onSocket: (socket: Socket) => void): Promise<{ url: URL; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', () => onSocket(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`), sockets };
}

function send(url: URL, deadlineMs = 300, guard = LOOPBACK): Promise<SendOutcome> {
  return post(url, '{}', { guard, headers: {}, signal: new AbortController().signal, deadlineMs });
}

test('a status decides, and the connection of an endless body is closed', async () => {
  const { url, sockets } = await serve((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    const timer = setInterval(() => socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`), 1);
    socket.on('close', () => clearInterval(timer));
  });
  expect(await send(url, 30_000)).toEqual({ status: 200, failure: undefined, retryAfterMs: undefined });
  await expect.poll(() => sockets.size).toBe(0);
});

test.each<[string, (socket: Socket) => void]>([
  ['hangs', () => {}],
  [
    'answers a byte at a time',
    (socket) => {
      const text = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(5_000)}`;
      let at = 0;
      const timer = setInterval(() => socket.write(text[at++ % text.length] ?? 'y'), 20);
      socket.on('close', () => clearInterval(timer));
    },
  ],
  [
    'sends 1xx for ever',
    (socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 5);
      socket.on('close', () => clearInterval(timer));
    },
  ],
])('a receiver that %s is given up at the deadline', async (_what, onSocket) => {
  const { url, sockets } = await serve(onSocket);
  expect(await send(url)).toMatchObject({ status: undefined, failure: 'no answer within 0.3 s' });
  await expect.poll(() => sockets.size).toBe(0);
});

test('a long head of an answer is a failure', async () => {
  const { url } = await serve((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\n`),
  );
  expect((await send(url, 30_000)).failure).toBe('the head of the answer is too long');
});

test('a redirect to loopback is a failure and is not followed', async () => {
  let hits = 0;
  const inner = await serve(() => {
    hits += 1;
  });
  const { url } = await serve((socket) =>
    socket.end(`HTTP/1.1 301 Moved\r\nlocation: ${inner.url.href}\r\ncontent-length: 0\r\n\r\n`),
  );
  expect(await send(url)).toMatchObject({
    status: 301,
    failure: 'answered 301: redirects are not followed',
  });
  expect(hits).toBe(0);
});

test('an address that is not named gets no connection', async () => {
  let connections = 0;
  const { url } = await serve(() => {
    connections += 1;
  });
  const guard = new AddressGuard(['127.0.0.2']);
  expect((await send(url, 300, guard)).failure).toMatch(/allow_addresses does not name it/);
  expect((await send(new URL(`http://localhost:${url.port}/`), 300, guard)).failure).toMatch(
    /allow_addresses/,
  );
  expect(connections).toBe(0);
});

test('the name is resolved once: the connection goes to the address that was checked', async () => {
  let hits = 0;
  const { url } = await serve((socket) => {
    hits += 1;
    socket.end('HTTP/1.1 204 No Content\r\n\r\n');
  });
  let lookups = 0;
  const guard = Object.assign(new AddressGuard(['127.0.0.1']), {
    resolve: async () => {
      lookups += 1;
      return [{ address: '127.0.0.1', family: 4 as const }];
    },
  });
  // No name server knows this host: only the checked address can be what is connected to.
  expect((await send(new URL(`http://rebinding.invalid:${url.port}/`), 30_000, guard)).status).toBe(204);
  expect([hits, lookups]).toEqual([1, 1]);
});

test('a refused connection and an unknown host are reported in fixed words', async () => {
  const { url } = await serve(() => {});
  const free = new URL(url);
  free.port = '1';
  expect((await send(free, 30_000)).failure).toBe('connection refused');
  expect((await send(new URL('http://tasktrail.invalid/'), 30_000)).failure).toMatch(
    /unknown host|name server|no answer/,
  );
});
