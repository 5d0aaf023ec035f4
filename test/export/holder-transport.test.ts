import { expect, test } from 'vitest';
import { type HolderAddress, HolderTransport } from '../../src/export/holder-transport.ts';
import { startCollector, status } from './fixture.ts';

const BODY = Buffer.from('{}');

test('records are sent to the located holder as JSON, with the token', async () => {
  const collector = await startCollector();
  const transport = new HolderTransport({ locate: async () => ({ url: collector.url, token: 'abc' }) });
  expect(await transport.send('traces', BODY)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(collector.got[0]).toMatchObject({
    url: '/v1/traces',
    headers: { authorization: 'Bearer abc', 'content-type': 'application/json' },
  });
  await transport.close();
});

test('the address is proven again for each request, and an unproven one gets nothing', async () => {
  const [first, second] = [await startCollector(), await startCollector()];
  const found: HolderAddress[] = [{ url: first.url }, { url: second.url }, { refusal: 'it is not signed' }];
  const transport = new HolderTransport({ locate: async () => found.shift() });
  expect((await transport.send('logs', BODY)).kind).toBe('accepted');
  expect((await transport.send('logs', BODY)).kind).toBe('accepted');
  expect(await transport.send('logs', BODY)).toEqual({ kind: 'retry', reason: 'it is not signed' });
  expect([first.got.length, second.got.length]).toEqual([1, 1]);
  await transport.close();
});

test.each([401, 403, 404, 405])('an answer %d is not from the holder: the records wait', async (code) => {
  const collector = await startCollector(status(code));
  const transport = new HolderTransport({ locate: async () => ({ url: collector.url }) });
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
