import { expect, test } from 'vitest';
import { askHttp, hostOf, isAnswer, jsonOf, placeOfUrl } from '../../src/doctor/http-answer.ts';
import { freePort } from '../support/free-port.ts';
import { serve, serveTcp, statusOf } from './subject.ts';

test('an answer of any status has its headers and text', async () => {
  const url = await serve(statusOf(418, { 'x-tea': 'green' }, '{"a":1}'));
  const answer = await askHttp({ url });
  expect(answer).toMatchObject({ status: 418, text: '{"a":1}', headers: { 'x-tea': 'green' } });
  expect(isAnswer(answer) && jsonOf(answer)).toEqual({ a: 1 });
});

test('a body makes it a POST with the headers of the question', async () => {
  const seen: unknown[] = [];
  const url = await serve((req, res) => {
    seen.push([req.method, req.headers['content-length'], req.headers['x-key']]);
    req.resume().on('end', () => res.end());
  });
  await askHttp({ url });
  await askHttp({ url, body: Buffer.from('{}'), headers: { 'x-key': 'v' } });
  expect(seen).toEqual([
    ['GET', undefined, undefined],
    ['POST', '2', 'v'],
  ]);
});

test('an endless answer is cut at 64 KiB', async () => {
  const url = await serve((_req, res) => {
    res.on('drain', () => res.write('x'.repeat(50_000))).write('x'.repeat(50_000));
    res.write('x'.repeat(50_000));
  });
  const answer = await askHttp({ url });
  expect(isAnswer(answer) && answer.text.length).toBe(65_536);
});

test('a failure has the phase that it happened in', async () => {
  expect(await askHttp({ url: `http://127.0.0.1:${await freePort()}` })).toMatchObject({
    phase: 'connect',
    error: { code: 'ECONNREFUSED' },
  });
  expect(await askHttp({ url: 'http://no-such-host.invalid/' })).toMatchObject({ phase: 'lookup' });
  const port = await serveTcp((socket) => void socket.end('SSH-2.0\r\n'));
  expect(await askHttp({ url: `http://127.0.0.1:${port}` })).toMatchObject({ phase: 'answer' });
  expect(await askHttp({ url: 'not a url' })).toMatchObject({ error: { code: 'ERR_INVALID_URL' } });
});

test.each([
  ['http://[::1]:4318/x', '::1'],
  ['https://host/', 'host'],
  ['collector', ''],
])('the host of %s is %j', (url, expected) => {
  expect(hostOf(url)).toBe(expected);
});

test.each([
  ['https://user:pass@host:1234/path?key=1#x', 'https://host:1234/path'],
  ['http://host/', 'http://host'],
])('%s is shown as %s, without secrets', (url, expected) => {
  expect(placeOfUrl(url)).toBe(expected);
});
