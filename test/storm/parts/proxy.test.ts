import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { post } from './client.ts';
import { type CutMode, CutProxy } from './proxy.ts';

async function open(): Promise<{
  readonly proxy: CutProxy;
  readonly url: string;
  readonly bodies: string[];
}> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString();
    });
    request.on('error', () => {});
    request.on('end', () => {
      bodies.push(body);
      response.end('taken');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const target = typeof address === 'object' && address !== null ? address.port : 0;
  const proxy = new CutProxy(() => [1, target]);
  const port = await proxy.listen();
  onTestFinished(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  return { proxy, url: `http://127.0.0.1:${port}/`, bodies };
}

const LONG = 'x'.repeat(10_000);

test('an open proxy passes request and answer, to the first target that accepts', async () => {
  const { url, bodies } = await open();
  expect(await post(url, LONG, {})).toEqual({ status: 200, text: 'taken' });
  expect(bodies).toEqual([LONG]);
});

test.each<[CutMode, readonly string[]]>([
  ['refuse', []],
  ['reset', []],
  ['answer', [LONG]],
])('the mode %s cuts the connection; what the target has of it: %j', async (mode, taken) => {
  const { proxy, url, bodies } = await open();
  proxy.mode = mode;
  expect(await post(url, LONG, {})).toBe('cut');
  expect(bodies).toEqual(taken);
  proxy.open();
  expect(await post(url, 'again', {})).toMatchObject({ status: 200 });
});

test('a hanging connection is cut when the proxy opens again', async () => {
  const { proxy, url, bodies } = await open();
  proxy.mode = 'hang';
  const answer = post(url, LONG, {});
  const isWaiting = (): boolean => proxy.hanging > 0;
  await expect.poll(isWaiting).toBe(true);
  proxy.open();
  expect(await answer).toBe('cut');
  expect(bodies).toEqual([]);
});
