import { Agent, request } from 'node:http';
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

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(readRetryAfter('120', now)).toBe(120_000);
  expect(readRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000);
  expect(readRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
  expect(readRetryAfter('soon', now)).toBeUndefined();
  expect(readRetryAfter(undefined, now)).toBeUndefined();
});
