import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { serveLogs } from '../../../src/serve/logs.ts';
import { compressTask } from '../../../src/store/compress.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';
import { SseClient } from '../../support/sse.ts';
import { until } from '../../support/until.ts';
import { ask, listen, tempDir, writeTask } from '../log-server.ts';

const STREAM = '/tasks/task-1/stream';
const FILE = '03-agent-output.jsonl';

interface Served {
  readonly dir: string;
  readonly store: TestStore;
  readonly port: number;
  readonly file: string;
  /** Another process: it knows nothing of the first one. */
  restart(): Promise<number>;
}

async function serve(): Promise<Served> {
  const dir = await tempDir();
  const store = openStore(dir);
  const restart = (): Promise<number> => listen(serveLogs({ reader: createReader(dir) }));
  return { dir, store, port: await restart(), file: join(dir, 'task-1', FILE), restart };
}

const metadata = (number: number, status: string): ReturnType<typeof log> =>
  log({ event: 'tasktrail.task.metadata', id: eventId(number), atMs: number, body: { status } });

const result = (number: number): ReturnType<typeof log> =>
  log({
    event: 'tasktrail.task.result',
    id: eventId(number),
    atMs: number,
    body: { success: true, status: 'completed', result: 'done' },
  });

const stage = (number: number): ReturnType<typeof log> =>
  log({
    event: 'tasktrail.webhook.received',
    id: eventId(number),
    atMs: number,
    attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.webhook.stage': 'received' },
  });

const idsOf = (client: SseClient): unknown[] => client.of('line').map(({ event_id: id }) => id);

async function linesOf(client: SseClient, count: number): Promise<void> {
  await until(() => client.of('line').length >= count, `${count} lines`);
}

test('a stream sends what is there, then what comes, and ends with the task', async () => {
  const { store, port } = await serve();
  await store.logs(metadata(1, 'running'), stage(2), outputLog(3));
  const client = await SseClient.open(port, STREAM);
  expect(client.status).toBe(200);
  expect(client.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  await linesOf(client, 1);
  expect(client.names).toEqual(['metadata', 'stage', 'line']);
  expect(client.text.startsWith('retry: 2000\n\n')).toBe(true);
  await store.logs(outputLog(4));
  await linesOf(client, 2);
  await store.sendSpans(span({ id: spanId(1) }));
  await until(() => client.names.includes('span'), 'a span');
  expect(client.of('span')[0]).toMatchObject({ span_id: spanId(1), parent_span_id: null, attributes: {} });
  await store.logs(result(5));
  await until(() => client.names.includes('end'), 'the end');
  expect(client.of('result')[0]).toMatchObject({ result: 'done', success: true });
  expect(client.of('end')).toEqual([{ task_id: 'task-1', status: 'completed' }]);
  expect(client.isEnded).toBe(false);
  await store.logs(outputLog(6));
  await linesOf(client, 3);
  await store.pass(12_000);
  await until(() => client.isEnded, 'the stream is over once the files are complete');
  expect(client.of('metadata').at(-1)).toMatchObject({ settled: true });
  const again = await SseClient.open(port, STREAM, { 'Last-Event-ID': client.lastId });
  expect(again.status).toBe(204);
});

test('a client goes on after any event, by header or parameter, without a gap or a repeat', async () => {
  const { store, port, restart } = await serve();
  await store.logs(metadata(1, 'running'), stage(2), ...[3, 4, 5, 6].map((number) => outputLog(number)));
  const whole = await SseClient.open(port, STREAM);
  await linesOf(whole, 4);
  const other = await restart();
  for (const [index, { id }] of whole.sent.entries()) {
    const rest = whole.sent.slice(index + 1);
    if (rest.length === 0) break;
    const byHeader = await SseClient.open(other, STREAM, { 'Last-Event-ID': id ?? '' });
    const byQuery = await SseClient.open(port, `${STREAM}?after=${id}`);
    for (const client of [byHeader, byQuery]) {
      await until(() => client.sent.length >= rest.length, 'the rest');
      expect(client.sent).toEqual(rest);
      client.close();
    }
  }
});

test('a connection that is cut at any byte goes on without a gap or a repeat', async () => {
  const { store, port } = await serve();
  await store.logs(metadata(1, 'running'), outputLog(3), outputLog(4));
  const whole = await SseClient.open(port, STREAM);
  await linesOf(whole, 2);
  const { text } = whole;
  for (let cut = 0; cut < text.length; cut += 7) {
    // What a client has dispatched before the cut.
    const frames = text.slice(0, cut).split('\n\n').slice(0, -1);
    const id = frames.flatMap((frame) => /^id: (.*)$/m.exec(frame)?.[1] ?? []).at(-1);
    const got = frames.filter((frame) => frame.includes('data: ')).length;
    const client = await SseClient.open(port, STREAM, id === undefined ? {} : { 'Last-Event-ID': id });
    if (got < whole.sent.length) await until(() => client.sent.length >= whole.sent.length - got, 'the rest');
    expect([...whole.sent.slice(0, got), ...client.sent]).toEqual(whole.sent);
    client.close();
  }
});

test('after settling a client that had lines in another order gets exactly the lines that it had not', async () => {
  const { store, port, restart, file } = await serve();
  // Line 9 comes before 4 and 5: the order of the files changes with the end.
  await store.logs(metadata(1, 'running'), outputLog(3), outputLog(9));
  await store.logs(outputLog(4));
  await store.logs(outputLog(5));
  const live = await SseClient.open(port, STREAM);
  await linesOf(live, 4);
  const places = live.sent.filter(({ event }) => event === 'line').map(({ id }) => id ?? '');
  const had = idsOf(live);
  await store.logs(result(20));
  await store.pass(12_000);
  const settled = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event_id);
  expect(settled).toEqual([3, 4, 5, 9].map(eventId));
  await until(() => live.isEnded, 'the live stream is over');
  expect(idsOf(live)).toEqual([3, 9, 4, 5].map(eventId));
  for (const other of [port, await restart()]) {
    for (const [index, id] of places.entries()) {
      const client = await SseClient.open(other, STREAM, { 'Last-Event-ID': id });
      await until(() => client.isEnded, 'the rest');
      const missing = settled.filter((one) => !had.slice(0, index + 1).includes(one));
      expect(idsOf(client)).toEqual(missing);
      expect(client.names).not.toContain('reset');
    }
  }
});

test('a client goes on in the middle of the rest of another order, and after a second settling', async () => {
  const { store, restart } = await serve();
  await store.logs(metadata(1, 'running'), outputLog(30), outputLog(10));
  const port = await restart();
  const first = await SseClient.open(port, STREAM);
  await linesOf(first, 2);
  const afterFirst = first.sent.find(({ event }) => event === 'line')?.id ?? '';
  first.close();
  await store.logs(outputLog(20), result(40));
  await store.pass(12_000);
  const second = await SseClient.open(port, STREAM, { 'Last-Event-ID': afterFirst });
  await until(() => second.isEnded, 'the rest');
  expect(idsOf(second)).toEqual([10, 20].map(eventId));
  const middle = second.sent.find(({ event }) => event === 'line')?.id ?? '';
  const third = await SseClient.open(port, STREAM, { 'Last-Event-ID': middle });
  await until(() => third.isEnded, 'the rest');
  expect(idsOf(third)).toEqual([eventId(20)]);
  await store.logs(outputLog(5));
  await store.pass(12_000);
  await store.pass(60_000);
  for (const [id, rest] of [
    [afterFirst, [5, 10, 20]],
    [middle, [5, 20]],
    [third.lastId, [5]],
  ] as const) {
    const client = await SseClient.open(await restart(), STREAM, { 'Last-Event-ID': id });
    await until(() => client.isEnded, 'the rest');
    expect(idsOf(client)).toEqual(rest.map(eventId));
  }
});

test('after compression, with and without the index, a client goes on', async () => {
  const { store, dir, restart, file } = await serve();
  await store.logs(metadata(1, 'running'), outputLog(9), outputLog(4), outputLog(6));
  const client = await SseClient.open(await restart(), STREAM);
  await linesOf(client, 3);
  const places = client.sent.filter(({ event }) => event === 'line').map(({ id }) => id ?? '');
  await store.logs(result(20));
  await store.pass(12_000);
  await compressTask(join(dir, 'task-1'));
  expect(existsSync(file)).toBe(false);
  const rests = [[4, 6], [6], []];
  for (const [index, id] of places.entries()) {
    const rest = await SseClient.open(await restart(), STREAM, { 'Last-Event-ID': id });
    await until(() => rest.isEnded, 'the rest');
    expect(idsOf(rest)).toEqual(rests[index]?.map(eventId));
  }
});

test('a task whose file another program has gzipped is sent, and a client goes on in it', async () => {
  const { dir, port, restart } = await serve();
  const text = Array.from(
    { length: 5_000 },
    (_, n) => `${JSON.stringify({ event_id: `id-${n}`, content: 'x'.repeat(n % 300) })}\n`,
  ).join('');
  const metadata = { task_id: 'task-2', status: 'completed', settled: true };
  const folder = writeTask(dir, 'task-2', { metadata });
  writeFileSync(join(folder, `${FILE}.gz`), gzipSync(text));
  const path = '/tasks/task-2/stream';
  const whole = await SseClient.open(port, path);
  await until(() => whole.isEnded, 'all of it');
  expect(idsOf(whole)).toEqual(Array.from({ length: 5_000 }, (_, n) => `id-${n}`));
  const middle = whole.sent.filter(({ event }) => event === 'line')[2_345]?.id ?? '';
  const rest = await SseClient.open(await restart(), path, { 'Last-Event-ID': middle });
  await until(() => rest.isEnded, 'the rest');
  expect(idsOf(rest)).toEqual(Array.from({ length: 2_654 }, (_, n) => `id-${n + 2_346}`));
});

test('a place that is gone gets reset and all events again, and what is no id is refused', async () => {
  const { dir, store, port, file } = await serve();
  await store.logs(metadata(1, 'running'), outputLog(3), outputLog(4));
  const client = await SseClient.open(port, STREAM);
  await linesOf(client, 2);
  const id = client.lastId;
  client.close();
  // Another program has changed the file: no history of it.
  writeFileSync(`${file}.x`, readFileSync(file, 'utf8').split('\n').slice(1).join('\n'));
  renameSync(`${file}.x`, file);
  const again = await SseClient.open(port, STREAM, { 'Last-Event-ID': id });
  await linesOf(again, 1);
  expect(again.names).toEqual(['reset', 'metadata', 'line']);
  expect(again.of('reset')[0]).toMatchObject({ task_id: 'task-1' });
  writeTask(dir, 'task-2', { metadata: { status: 'running' }, agentOutput: '' });
  const future = await SseClient.open(port, '/tasks/task-2/stream', { 'Last-Event-ID': id });
  await until(() => future.names.includes('metadata'), 'metadata');
  expect(future.names[0]).toBe('reset');
  for (const bad of ['nonsense', '1.2.3', `${id}x.`, '...', 'x'.repeat(7_000), '-'])
    expect((await ask(port, STREAM, { headers: { 'Last-Event-ID': bad } })).status, bad).toBe(400);
  expect((await ask(port, `${STREAM}?since=1`)).status).toBe(400);
  expect((await ask(port, STREAM, { headers: { 'Last-Event-ID': 'x'.repeat(20_000) } })).status).toBe(431);
  expect((await ask(port, '/tasks/task-9/stream')).status).toBe(404);
});

test('a reader gets a reset when a file of the task is replaced, and one before the end when the task is removed', async () => {
  const { dir, store, port, file } = await serve();
  await store.logs(metadata(1, 'running'), outputLog(3));
  const client = await SseClient.open(port, STREAM);
  await linesOf(client, 1);
  rmSync(file);
  writeFileSync(file, `${JSON.stringify({ event_id: 'other', content: 'x' })}\n`);
  await until(() => client.names.includes('reset'), 'a reset');
  await until(() => idsOf(client).includes('other'), 'the lines of the new file');
  renameSync(join(dir, 'task-1'), join(dir, '.pruned-task-1'));
  await until(() => client.isEnded, 'the end of the stream');
  expect(client.of('reset').at(-1)).toMatchObject({ task_id: 'task-1', removed: true });
});

test('torn, damaged and over-long lines are passed, and a line is sent when it is complete', async () => {
  const { dir, port } = await serve();
  const text = (n: number): string => `${JSON.stringify({ event_id: `id-${n}`, content: 'é\u2028' })}\n`;
  const folder = writeTask(dir, 'task-2', { metadata: { status: 'running' }, agentOutput: '' });
  const path = join(folder, FILE);
  appendFileSync(
    path,
    `${text(1)}nonsense\n\n${JSON.stringify({ x: 'y'.repeat(17_000_000) })}\n${text(2).slice(0, 9)}`,
  );
  const client = await SseClient.open(port, '/tasks/task-2/stream');
  await linesOf(client, 1);
  appendFileSync(path, text(2).slice(9));
  await linesOf(client, 2);
  appendFileSync(path, `{"event_id":"cr"\r}\r\n`);
  await linesOf(client, 3);
  expect(idsOf(client)).toEqual(['id-1', 'id-2', 'cr']);
});

test('after=now sends the documents, then only what comes, and goes on like any other stream', async () => {
  const { store, port, restart } = await serve();
  await store.logs(metadata(1, 'running'), stage(2), outputLog(3), outputLog(4));
  await store.sendSpans(span({ id: spanId(1) }));
  const client = await SseClient.open(port, `${STREAM}?after=now`);
  await until(() => client.names.includes('metadata'), 'the metadata');
  await store.logs(outputLog(5));
  await linesOf(client, 1);
  expect(client.names).toEqual(['metadata', 'line']);
  expect(idsOf(client)).toEqual([eventId(5)]);
  const { lastId } = client;
  client.close();
  await store.logs(outputLog(6), result(20));
  // A browser sends the id with the address that it has got.
  const again = await SseClient.open(await restart(), `${STREAM}?after=now`, { 'Last-Event-ID': lastId });
  await until(() => again.names.includes('end'), 'the end');
  expect(idsOf(again)).toEqual([eventId(6)]);
  const late = await SseClient.open(port, `${STREAM}?after=now`);
  await until(() => late.names.includes('end'), 'the end');
  expect(late.names).toEqual(['metadata', 'result', 'end']);
  expect((await ask(port, '/tasks/task-9/stream?after=now')).status).toBe(404);
});

test('after=now of a task without files sends all that comes', async () => {
  const { dir, store, port } = await serve();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1', status: 'running' } });
  const client = await SseClient.open(port, `${STREAM}?after=now`);
  await until(() => client.names.includes('metadata'), 'the metadata');
  await store.logs(outputLog(3));
  await linesOf(client, 1);
  expect(client.names).not.toContain('reset');
  client.close();
});
