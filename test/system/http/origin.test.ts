import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { checkOrigin, isLoopbackAuthority } from '../../../src/system/http/origin.ts';

test.each([
  'localhost',
  'localhost:4318',
  'localhost.',
  'localhost.:4318',
  '127.0.0.1',
  '127.0.0.1:65535',
  '127.8.8.8',
  '[::1]',
  '[::1]:4318',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]:4318',
  '[::ffff:7f00:1]',
])('%s is this machine', (authority) => {
  expect(isLoopbackAuthority(authority)).toBe(true);
});

test.each([
  'evil.example',
  'evil.example:4318',
  'localhost.evil.example',
  'evil.localhost',
  'localhost..',
  'xlocalhost',
  '127.0.0.1.evil.example',
  '127.0.0.1@evil.example',
  'evil.example#127.0.0.1',
  'evil.example/127.0.0.1',
  '0.0.0.0',
  '0.0.0.0:4318',
  '0',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '127.1',
  '[::]',
  '[::ffff:8.8.8.8]',
  '[::2]',
  '[::1',
  '::1',
  '[127.0.0.1]',
  '128.0.0.1',
  '10.0.0.1',
  'ｌocalhost',
  'localhost:',
  'localhost:99999999',
  'localhost 127.0.0.1',
  '',
])('%j is another host', (authority) => {
  expect(isLoopbackAuthority(authority)).toBe(false);
});

function check(headers: Record<string, string>, { url = '/v1/logs', origins = [] as string[] } = {}): void {
  const req = { method: 'POST', url, headers } as unknown as IncomingMessage;
  checkOrigin(req, { what: 'the API', origins });
}

const host = 'localhost:8000';

test.each([
  [{}],
  [{ host }],
  [{ host, origin: 'http://localhost:8000' }],
  [{ host, origin: 'https://localhost:8000' }],
  [{ host: 'LOCALHOST:8000', origin: 'http://localhost:8000' }],
  [{ host: '127.0.0.1:80', origin: 'http://127.0.0.1' }],
  [{ host, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }],
  [{ host, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
  [{ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }],
])('a request of a program, or of a page of this server, passes: %j', (headers) => {
  expect(() => check(headers)).not.toThrow();
});

test.each([
  [{ host, origin: 'https://evil.example' }],
  [{ host, origin: 'http://localhost:3000' }],
  [{ host, origin: 'http://127.0.0.1:8000' }],
  [{ host, origin: 'null' }],
  [{ host, origin: '' }],
  [{ host, origin: 'http://localhost:8000, https://evil.example' }],
  [{ host, origin: 'http://localhost:8000.evil.example' }],
  [{ host, origin: 'ftp://localhost:8000' }],
  [{ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  [{ host, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }],
])('a request of a page of another origin is refused: %j', (headers) => {
  expect(() => check(headers)).toThrow(/may not ask for the API: name its origin in TASK_LOGS_CORS_ORIGINS$/);
});

test('a page of a named origin passes, but not under another host', () => {
  const origin = 'https://app.example';
  expect(() => check({ host, origin }, { origins: [origin] })).not.toThrow();
  expect(() => check({ host: 'evil.example', origin }, { origins: [origin] })).toThrow(/loopback name/);
});

test.each([
  ['http://evil.example/v1/logs', 'evil.example'],
  ['http://localhost@evil.example/v1/logs', 'evil.example'],
  ['evil.example:443', 'evil.example:443'],
])('the host of the request target %s counts, too', (url, name) => {
  expect(() => check({ host }, { url })).toThrow(`"${name}" is not a loopback name`);
});
