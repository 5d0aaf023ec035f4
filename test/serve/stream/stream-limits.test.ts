import { appendFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type ServeLogsOptions, serveLogs } from '../../../src/serve/logs.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { SseClient } from '../../support/sse.ts';
import { until } from '../../support/until.ts';
import { ask, askRaw, listen, tempDir, writeTask } from '../log-server.ts';

const STREAM = '/tasks/task-1/stream';

const line = (n: number, bytes: number = 10): string =>
  `${JSON.stringify({ event_id: `id-${n}`, content: 'x'.repeat(bytes) })}\n`;

async function served(
  options: Partial<ServeLogsOptions> = {},
  agentOutput: string = line(1),
): Promise<{ port: number; path: string; dir: string; handler: ReturnType<typeof serveLogs> }> {
  const dir = await tempDir();
  const folder = writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1', status: 'running' },
    agentOutput,
  });
  const handler = serveLogs({ reader: createReader(dir), ...options });
  return { port: await listen(handler), path: join(folder, '03-agent-output.jsonl'), dir, handler };
}

/** A client that asks and never reads. */
async function silent(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.pause();
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return socket;
}

function openFilesBelow(dir: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
    } catch {
      // Closed since it was listed.
      return false;
    }
  }).length;
}

test('beyond the limit of all streams a client gets 503, beyond that of its address 429, with what to do', async () => {
  const all = await served({ streams: { streamsMax: 2 } });
  const own = await served({ streams: { streamsOfClientMax: 2 } });
  for (const [{ port }, status] of [
    [all, 503],
    [own, 429],
  ] as const) {
    const first = await SseClient.open(port, STREAM);
    await SseClient.open(port, STREAM);
    const refused = await ask(port, STREAM);
    expect(refused.status).toBe(status);
    expect(refused.json()).toMatchObject({ code: 'ERR_BUSY', status });
    expect(refused.headers['retry-after']).toBe('10');
    first.close();
    await until(async () => {
      const again = await SseClient.open(port, STREAM);
      const isOpen = again.status === 200;
      again.close();
      return isOpen;
    }, 'a room after a client has gone');
  }
});

test('a request that is refused or fails leaves its room', async () => {
  const { port } = await served({ streams: { streamsMax: 1 } });
  for (let count = 0; count < 5; count += 1) {
    expect((await ask(port, '/tasks/task-9/stream')).status).toBe(404);
    expect((await ask(port, `${STREAM}?after=x`)).status).toBe(400);
    expect((await ask(port, STREAM, { method: 'HEAD' })).status).toBe(200);
  }
  expect((await SseClient.open(port, STREAM)).status).toBe(200);
});

test('the token and the methods are those of the other requests', async () => {
  const { port } = await served({ token: 'secret' });
  for (const path of [STREAM, '/stream', '/events/stream', '/workflows/w-1/stream']) {
    expect((await ask(port, path)).status, path).toBe(401);
    expect((await ask(port, path, { headers: { authorization: 'Bearer other' } })).status).toBe(401);
    expect(
      (await ask(port, path, { method: 'POST', headers: { authorization: 'Bearer secret' } })).status,
    ).toBe(405);
  }
  const client = await SseClient.open(port, STREAM, { authorization: 'Bearer secret' });
  expect(client.status).toBe(200);
});

test('a heartbeat comes while nothing happens', async () => {
  const { port } = await served({ streams: { heartbeatMs: 20 } });
  const client = await SseClient.open(port, STREAM);
  await until(() => client.comments.length > 2, 'heartbeats');
  expect(client.names).toEqual(['metadata', 'line']);
});

test('a reader that takes nothing is closed after the time, and holds up no other one', async () => {
  const many = Array.from({ length: 600 }, (_, n) => line(n, 30_000)).join('');
  const { port, dir } = await served({ streams: { stallMs: 300, heartbeatMs: 5 } }, many);
  const socket = await silent(port, STREAM);
  const client = await SseClient.open(port, STREAM);
  await until(() => client.of('line').length === 600, 'all lines');
  client.close();
  await until(() => openFilesBelow(dir) === 0, 'the stream of the silent reader is closed');
  socket.destroy();
});

test('a slow reader is waited for and gets everything', async () => {
  const many = Array.from({ length: 600 }, (_, n) => line(n, 30_000)).join('');
  const { port, path } = await served({}, many);
  const client = await SseClient.open(port, STREAM);
  client.pause();
  appendFileSync(path, line(600));
  const other = await SseClient.open(port, STREAM);
  await until(() => other.of('line').length === 601, 'all lines of the other one');
  client.resume();
  await until(() => client.of('line').length === 601, 'all lines');
  expect(client.sent).toEqual(other.sent);
});

test('many readers of a task read its files once', async () => {
  const { dir, port, path } = await served();
  const clients = await Promise.all(Array.from({ length: 50 }, () => SseClient.open(port, STREAM)));
  await until(() => clients.every((client) => client.of('line').length === 1), 'the first line');
  expect(openFilesBelow(dir)).toBe(1);
  appendFileSync(path, line(2));
  await until(() => clients.every((client) => client.of('line').length === 2), 'the second line');
  for (const client of clients) client.close();
  await until(() => openFilesBelow(dir) === 0, 'the file is closed');
});

test('close ends the streams, also of silent readers, and refuses new ones', async () => {
  const many = Array.from({ length: 600 }, (_, n) => line(n, 30_000)).join('');
  const { port, handler, dir } = await served({}, many);
  const client = await SseClient.open(port, STREAM);
  await until(() => client.of('line').length === 600, 'all lines');
  await silent(port, STREAM);
  await until(() => openFilesBelow(dir) > 0, 'the file is open');
  handler.close();
  await until(() => client.isEnded, 'the end of the stream');
  await until(() => openFilesBelow(dir) === 0, 'the files are closed');
  expect((await ask(port, STREAM)).status).toBe(503);
});

test('clients that come in thousands and never read leave the server to others', {
  tags: 'full',
}, async () => {
  const many = Array.from({ length: 200 }, (_, n) => line(n, 30_000)).join('');
  const { port } = await served(
    { streams: { streamsMax: 300, streamsOfClientMax: 300, stallMs: 500 } },
    many,
  );
  const before = process.memoryUsage().rss;
  const sockets: Socket[] = [];
  for (let count = 0; count < 1_000; count += 1) sockets.push(await silent(port, STREAM));
  expect((await ask(port, '/tasks/task-1')).status).toBe(200);
  expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
  await until(async () => {
    const client = await SseClient.open(port, STREAM);
    client.close();
    return client.status === 200;
  }, 'a room after the silent readers were closed');
  for (const socket of sockets) socket.destroy();
});

test('a wrong request line changes nothing', async () => {
  const { port } = await served();
  expect(
    await askRaw(port, `GET ${STREAM}?after=%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
  ).toContain(' 400 ');
});
