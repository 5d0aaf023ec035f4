import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Bucket } from '../../src/archive/bucket.ts';
import { openBucket } from '../../src/archive/s3-bucket.ts';
import { NOT_IMPLEMENTED } from './proxy.ts';

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
});
afterEach(() => vi.unstubAllEnvs());

type Answer = (req: IncomingMessage, res: ServerResponse, nth: number) => void;

/** A bucket on a server with the given answers, and the requests that it received. */
async function bucketOn(answer: Answer, signal?: AbortSignal): Promise<{ bucket: Bucket; seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((req, res) => {
    const { 'if-match': match, 'if-none-match': noneMatch } = req.headers;
    seen.push([req.method, req.url?.split('?')[0], match ?? noneMatch ?? '-'].join(' '));
    req.resume().on('end', () => answer(req, res, seen.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const bucket = openBucket({
    bucket: 'logs',
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    pathStyle: true,
    signal,
  });
  onTestFinished(async () => {
    bucket.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { bucket, seen };
}

function errorXml(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>why</Message></Error>`;
}

const answer =
  (status: number, body = '', headers: Record<string, string> = {}): Answer =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body);

const BYTES = Buffer.from('{}');

test('an object is read with its ETag, and a missing one is undefined', async () => {
  const { bucket, seen } = await bucketOn(answer(200, '{"a":1}', { etag: '"e1"' }));
  const stored = await bucket.read('w/a.json');
  expect(Buffer.from(stored?.bytes ?? []).toString()).toBe('{"a":1}');
  expect(stored?.etag).toBe('"e1"');
  expect(seen).toEqual(['GET /logs/w/a.json -']);
  const empty = await bucketOn(answer(404, errorXml('NoSuchKey')));
  expect(await empty.bucket.read('w/a.json')).toBeUndefined();
});

test('a 404 of another kind is an error, and so is an object far over the limit', async () => {
  const { bucket } = await bucketOn(answer(404, errorXml('NoSuchBucket')));
  await expect(bucket.read('a')).rejects.toMatchObject({ scope: 'bucket' });
  const giant = await bucketOn(
    (_req, res) => void res.writeHead(200, { 'content-length': 300 * 1_048_576 }).flushHeaders(),
  );
  await expect(giant.bucket.read('a')).rejects.toMatchObject({ scope: 'object' });
});

test('a write has a condition on the object that was read before', async () => {
  const { bucket, seen } = await bucketOn(answer(200, '', { etag: '"e2"' }));
  expect(await bucket.write('a', BYTES, undefined)).toEqual({ kind: 'written', etag: '"e2"' });
  await bucket.write('a', BYTES, { bytes: BYTES, etag: '"e1"' });
  await bucket.write('a', BYTES, { bytes: BYTES, etag: undefined });
  expect(seen).toEqual(['PUT /logs/a *', 'PUT /logs/a "e1"', 'PUT /logs/a -']);
});

test.each([
  [412, 'PreconditionFailed'],
  [409, 'ConditionalRequestConflict'],
  [404, 'NoSuchKey'],
])('an answer %d to a write is a conflict', async (status, code) => {
  const { bucket } = await bucketOn(answer(status, errorXml(code)));
  expect(await bucket.write('a', BYTES, undefined)).toEqual({ kind: 'conflict' });
});

test('a server without conditional writes is written to without a condition from then on', async () => {
  const { bucket, seen } = await bucketOn((req, res, nth) =>
    (nth === 1 ? answer(501, NOT_IMPLEMENTED) : answer(200))(req, res, nth),
  );
  expect((await bucket.write('a', BYTES, undefined)).kind).toBe('written');
  expect((await bucket.write('b', BYTES, undefined)).kind).toBe('written');
  expect(seen).toEqual(['PUT /logs/a *', 'PUT /logs/a -', 'PUT /logs/b -']);
});

test('an aborted signal ends the request in flight and every later one', async () => {
  const abort = new AbortController();
  const { bucket, seen } = await bucketOn(() => abort.abort(), abort.signal);
  await expect(bucket.read('a')).rejects.toMatchObject({ name: 'UploadError' });
  await expect(bucket.read('a')).rejects.toMatchObject({ name: 'UploadError' });
  expect(seen).toHaveLength(1);
});

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('base64');

/** Servers by what they refuse, with the checksum headers of each PUT that they have to see. */
const REFUSING: readonly [string, (headers: IncomingHttpHeaders) => number, readonly string[]][] = [
  [
    'wants Content-MD5 or a checksum (Object Lock)',
    (headers) => (headers['content-md5'] === undefined && checksumIn(headers) === undefined ? 400 : 200),
    ['md5', 'md5'],
  ],
  [
    'answers 501 to x-amz-checksum-*',
    (headers) => (checksumIn(headers) === undefined ? 200 : 501),
    ['md5', 'md5'],
  ],
  [
    'takes CRC32 and no MD5 (a directory bucket)',
    (headers) => (headers['content-md5'] !== undefined || checksumIn(headers) === undefined ? 400 : 200),
    ['md5', 'crc32', 'crc32'],
  ],
  [
    'answers 501 to both',
    (headers) => ((headers['content-md5'] ?? checksumIn(headers)) === undefined ? 200 : 501),
    ['md5', 'md5', 'crc32', '-', '-'],
  ],
  [
    'answers 501 to MD5 and to conditions',
    (headers) => ((headers['content-md5'] ?? headers['if-none-match']) === undefined ? 200 : 501),
    ['md5', 'md5', 'crc32', '-', 'crc32', 'crc32'],
  ],
];

function checksumIn(headers: IncomingHttpHeaders): unknown {
  return Object.keys(headers).find(
    (name) => name.startsWith('x-amz-checksum-') || name === 'x-amz-sdk-checksum-algorithm',
  );
}

test.for(REFUSING)(
  'a server that %s: objects are written, the next one without a detour',
  async ([, judge, ways]) => {
    const used: string[] = [];
    const { bucket } = await bucketOn((req, res, nth) => {
      const { headers } = req;
      if (headers['content-md5'] !== undefined) expect(headers['content-md5']).toBe(md5(BYTES));
      used.push(
        headers['content-md5'] !== undefined ? 'md5' : checksumIn(headers) === undefined ? '-' : 'crc32',
      );
      const status = judge(headers);
      answer(status, status === 200 ? '' : errorXml('InvalidRequest'), { etag: '"e"' })(req, res, nth);
    });
    expect(await bucket.write('a', BYTES, undefined)).toMatchObject({ kind: 'written' });
    expect(await bucket.write('b', BYTES, undefined)).toMatchObject({ kind: 'written' });
    expect(used).toEqual(ways);
  },
);

test('a 400 for another reason is reported as it is, after the other checksums', async () => {
  const { bucket, seen } = await bucketOn(answer(400, errorXml('InvalidArgument')));
  await expect(bucket.write('a', BYTES, undefined)).rejects.toThrow(/InvalidArgument|why/);
  expect(seen).toHaveLength(3);
});
