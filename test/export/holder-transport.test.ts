import { expect, test } from 'vitest';
import { HolderTransport } from '../../src/export/holder-transport.ts';
import { startCollector, status } from './fixture.ts';

const BODY = Buffer.from('{}');

test('records are sent to the located holder as JSON, with the token', async () => {
  const collector = await startCollector();
  const transport = new HolderTransport({ locate: async () => collector.url, token: 'abc' });
  expect(await transport.send('traces', BODY)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(collector.got[0]).toMatchObject({
    url: '/v1/traces',
    headers: { authorization: 'Bearer abc', 'content-type': 'application/json' },
  });
  await transport.close();
});

test('the address is looked up once, and again after a failure', async () => {
  const [first, second] = [await startCollector(status(503)), await startCollector()];
  const urls = [first.url, second.url];
  let lookups = 0;
  const transport = new HolderTransport({ locate: async () => urls[lookups++] });
  expect((await transport.send('logs', BODY)).kind).toBe('retry');
  expect((await transport.send('logs', BODY)).kind).toBe('accepted');
  expect((await transport.send('logs', BODY)).kind).toBe('accepted');
  expect(lookups).toBe(2);
  await transport.close();
});

test.each([401, 403, 404, 405])('an answer %d is not from the holder: the records wait', async (code) => {
  const collector = await startCollector(status(code));
  const transport = new HolderTransport({ locate: async () => collector.url });
  expect(await transport.send('logs', BODY)).toEqual({ kind: 'retry', reason: `status ${code}` });
  await transport.close();
});

test('without a holder, or when it cannot be found, the records wait with a reason', async () => {
  const none = new HolderTransport({ locate: async () => undefined });
  expect(await none.send('logs', BODY)).toMatchObject({
    kind: 'retry',
    reason: expect.stringContaining('no process holds the log directory'),
  });
  const failing = new HolderTransport({ locate: () => Promise.reject(new Error('EACCES')) });
  expect(await failing.send('logs', BODY)).toEqual({
    kind: 'retry',
    reason: 'cannot find the holder: EACCES',
  });
});
