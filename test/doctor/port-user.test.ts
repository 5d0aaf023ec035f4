import { expect, test } from 'vitest';
import { findPortUser } from '../../src/doctor/port-user.ts';
import { freePort } from '../support/free-port.ts';
import { otlpListener, serve, serveTcp, statusOf } from './subject.ts';

const host = '127.0.0.1';

test('a free port is free, and stays free', async () => {
  const port = await freePort();
  for (let look = 0; look < 2; look += 1)
    expect(await findPortUser({ host, port })).toEqual({ kind: 'free' });
});

test('a known program is named', async () => {
  const port = Number(new URL(await serve(otlpListener(['traces', 'logs']))).port);
  expect(await findPortUser({ host, port })).toMatchObject({ kind: 'known', program: { kind: 'collector' } });
  expect(await findPortUser({ host: '0.0.0.0', port })).toMatchObject({ kind: 'known' });
});

test.each([
  [() => serve(statusOf(404, { server: 'nginx/1.27' })), 'HTTP server nginx/1.27'],
  [() => serve(statusOf(404)), 'another HTTP server'],
  [
    async () => `http://x:${await serveTcp((socket) => void socket.end('SSH-2.0\r\n'))}`,
    'a program that speaks no HTTP',
  ],
])('an unknown program is described as well as possible (%#)', async (start, name) => {
  const port = Number(new URL(await start()).port);
  expect(await findPortUser({ host, port })).toEqual({ kind: 'stranger', name });
});

test('an address of another machine is refused, with the error of the system', async () => {
  expect(await findPortUser({ host: '192.0.2.1', port: await freePort() })).toMatchObject({
    kind: 'refused',
    errno: 'EADDRNOTAVAIL',
  });
});
