import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { arrayText, objectText, sendJson, streamJson } from '../../src/serve/json-response.ts';
import { listen } from '../support/receiver.ts';

async function textOf(pieces: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

async function serve(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const { url, close } = await listen(createServer(handler).listeners('request')[0] as never);
  onTestFinished(close);
  return url;
}

test('an array of no lines, one line and many lines is JSON', async () => {
  expect((await textOf(arrayText([]))).join('')).toBe('[]');
  expect((await textOf(arrayText(['1']))).join('')).toBe('[1]');
  expect((await textOf(arrayText(['1', '{"a":2}']))).join('')).toBe('[1,{"a":2}]');
});

test('many lines are sent in few pieces', async () => {
  const line = JSON.stringify('x'.repeat(1_000));
  const pieces = await textOf(arrayText(Array.from({ length: 200 }, () => line)));
  expect(pieces.length).toBeLessThan(10);
  expect(JSON.parse(pieces.join(''))).toHaveLength(200);
});

test('an object is written key by key', async () => {
  expect((await textOf(objectText([]))).join('')).toBe('{}');
  const text = await textOf(
    objectText([
      ['a"b', ['1']],
      ['c', arrayText(['2'])],
    ]),
  );
  expect(JSON.parse(text.join(''))).toEqual({ 'a"b': 1, c: [2] });
});

test('an answer has its length, its headers, and is not cached', async () => {
  const url = await serve((_req, res) =>
    sendJson(res, { status: 201, value: { a: 'ä' }, headers: { 'X-A': 'b' } }),
  );
  const response = await fetch(url);
  expect(response.status).toBe(201);
  expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength('{"a":"ä"}')));
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('x-a')).toBe('b');
  expect(await response.json()).toEqual({ a: 'ä' });
});

test('HEAD has the headers of GET and no body, and reads nothing', async () => {
  let isRead = false;
  async function* lines(): AsyncGenerator<string> {
    isRead = true;
    yield '1';
  }
  const url = await serve((_req, res) => void streamJson(res, arrayText(lines()), { 'X-A': 'b' }));
  const response = await fetch(url, { method: 'HEAD' });
  expect(response.headers.get('x-a')).toBe('b');
  expect(isRead).toBe(false);
});

test('a client that disconnects ends the stream without an error, and closes its source', async () => {
  const outcome = new Promise<unknown>((resolve) => {
    void serve((_req, res) => {
      let isClosed = false;
      async function* endless(): AsyncGenerator<string> {
        try {
          for (;;) yield 'x'.repeat(65_536);
        } finally {
          isClosed = true;
        }
      }
      streamJson(res, endless(), {}).then(
        () => resolve({ isClosed }),
        (error: unknown) => resolve(error),
      );
    }).then(async (url) => {
      const abort = new AbortController();
      const response = await fetch(url, { signal: abort.signal });
      await response.body?.getReader().read();
      abort.abort();
    });
  });
  expect(await outcome).toEqual({ isClosed: true });
});

test('a failure of the source is thrown, and the client does not get a complete answer', async () => {
  async function* failing(): AsyncGenerator<string> {
    yield '[1';
    throw new Error('disk');
  }
  let thrown: unknown;
  const url = await serve((_req, res) => {
    streamJson(res, failing(), {}).catch((error: unknown) => {
      thrown = error;
    });
  });
  await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
  expect(thrown).toMatchObject({ message: 'disk' });
});
