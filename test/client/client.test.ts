import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { OPERATIONS } from '../../src/client/api/operations.ts';
import { ApiProblem, type Client, createClient } from '../../src/client.ts';
import { ENDPOINTS } from '../../src/serve/contract/endpoints.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { tempDir } from '../serve/log-server.ts';
import { outputLine, result, type SearchedTask, writeTask } from '../support/searched-tasks.ts';
import { allowOtherAnswers } from '../support/watch-answers.ts';

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Api {
  readonly client: Client;
  readonly url: string;
  readonly asked: string[];
}

/** The API of a directory with these tasks, below `/api`. */
async function apiOf(
  tasks: readonly SearchedTask[],
  options: { readonly token?: string } = {},
): Promise<Api> {
  const logDir = await tempDir();
  for (const task of tasks) writeTask(logDir, task);
  const reader = searchingReader({ logDir, workflowDir: undefined, s3: undefined } as never);
  const logs = serveLogs({ reader, ...options });
  onTestFinished(() => logs.close());
  const asked: string[] = [];
  const url = await listen((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    req.url = req.url?.replace(/^\/api/, '') ?? '/';
    logs(req, res);
  });
  // The documents are short ones.
  allowOtherAnswers();
  return { url, asked, client: createClient({ url, ...options }) };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function problemFrom(call: Promise<unknown>): Promise<ApiProblem> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ApiProblem);
  return error as ApiProblem;
}

const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `task-${n}`);

test.each(['client', 'call'])(
  'the signal of the %s ends the items of a page that is there',
  async (whose) => {
    const leaving = new AbortController();
    const page = '{"items":[{"task_id":"a"},{"task_id":"b"}],"next_cursor":null}';
    const url = await listen((_, res) =>
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(page),
    );
    const { signal } = leaving;
    const client = createClient({ url, ...(whose === 'client' && { signal }) });
    const seen: unknown[] = [];
    const reading = async (): Promise<void> => {
      for await (const { task_id } of client.each.listTasks({}, whose === 'call' ? { signal } : {})) {
        seen.push(task_id);
        leaving.abort(new Error('left'));
      }
    };
    await expect(reading()).rejects.toThrow('left');
    expect(seen).toEqual(['a']);
  },
);

test('there is a method for each request, but for deliveries of webhooks', () => {
  const rest = ENDPOINTS.filter(({ isOtherProtocol }) => !isOtherProtocol);
  const names = rest.map(({ name }) => name).filter((name) => name !== 'receiveWebhook');
  expect(Object.keys(OPERATIONS)).toEqual(names);
  const client = createClient();
  for (const name of names) expect(Reflect.get(client, name), name).toBeTypeOf('function');
  const paged = ENDPOINTS.filter(({ paging }) => paging !== undefined).map(({ name }) => name);
  expect(Object.keys(client.each)).toEqual(paged);
});

test('lists, documents and filters are answered with their types', async () => {
  const { client, asked } = await apiOf([
    { id: 'task-1', message: 'a question', result: result(true, { cost_usd: 0.5 }) },
    { id: 'task-2', result: result(false, {}, { error: 'no' }) },
  ]);
  const page = await client.listTasks({ status: 'completed', cost_min: 0.25, q: 'question & more? no' });
  expect(asked.at(-1)).toContain('q=question+%26+more%3F+no');
  expect(page.items).toEqual([]);
  const found = await client.listTasks({ status: 'completed', q: undefined });
  expect(found.items.map(({ task_id, message, cost_usd }) => [task_id, message, cost_usd])).toEqual([
    ['task-1', 'a question', 0.5],
  ]);
  expect((await client.getFinalResult('task-2')).error).toBe('no');
  expect((await client.getTask('task-1')).links.full).toBe('/tasks/task-1/logs/full');
  expect((await client.getStats({ group_by: 'status' })).rows).toHaveLength(2);
});

test('the items of all pages come one after the other, and a reader that leaves asks no more', async () => {
  const { client, asked } = await apiOf(ids(7).map((id) => ({ id })));
  const items = await all(client.each.listTasks({ limit: 3 }));
  expect(items.map(({ task_id }) => task_id).sort()).toEqual([...ids(7)]);
  expect(asked).toHaveLength(3);
  for await (const { task_id } of client.each.listTasks({ limit: 3 })) if (task_id) break;
  expect(asked).toHaveLength(4);
});

test('the feed is read to its present end', async () => {
  const pages = [
    { items: [{ n: 1 }], next_cursor: 'a' },
    { items: [], next_cursor: 'b' },
    { items: [{ n: 2 }], next_cursor: 'c' },
    { items: [], next_cursor: 'c' },
  ];
  const asked: string[] = [];
  const url = await listen((req, res) => {
    asked.push(req.url ?? '');
    res.end(JSON.stringify(pages[asked.length - 1]));
  });
  const items = await all(createClient({ url }).each.listEvents());
  expect(items).toEqual([{ n: 1 }, { n: 2 }]);
  expect(asked).toEqual(['', '?after=a', '?after=b', '?after=c'].map((query) => `/api/events${query}`));
});

test('the lines of a file come window by window, and a tail is the last lines only', async () => {
  const lines = Array.from({ length: 2_500 }, (_, n) => ({ ...outputLine(`line ${n}`), event_id: `e${n}` }));
  const { client, asked } = await apiOf([{ id: 'task-1', lines }]);
  const found = await all(client.each.getAgentOutput('task-1'));
  expect(found.map(({ event_id }) => event_id)).toEqual(lines.map(({ event_id }) => event_id));
  expect(asked).toHaveLength(3);
  const tail = await all(client.each.getAgentOutput('task-1', { tail: 2 }));
  expect(tail.map(({ event_id }) => event_id)).toEqual(['e2498', 'e2499']);
  const before = await all(client.each.getAgentOutput('task-1', { before: 'e10', limit: 2 }));
  expect(before.map(({ event_id }) => event_id)).toEqual(['e8', 'e9']);
});

test('an error is a problem with its code, also without a body of tasktrail', async () => {
  const { client } = await apiOf([]);
  const missing = await problemFrom(client.getTask('task-9'));
  expect([missing.status, missing.code, missing.problem.title]).toEqual([404, 'ERR_NOT_FOUND', 'Not found']);
  const query = await problemFrom(client.listTasks({ q: 'cost:>x' }));
  expect(query.problem.position).toBeTypeOf('number');
  const url = await listen((_, res) => {
    res.writeHead(502, { 'Content-Type': 'text/html', 'Retry-After': '7' }).end('<h1>Bad gateway</h1>');
  });
  const proxy = await problemFrom(createClient({ url }).listTasks());
  expect([proxy.status, proxy.code, proxy.retryAfterMs]).toEqual([502, 'HTTP_ERROR', 7_000]);
  const page = await listen((_, res) => res.end('<h1>Hello</h1>'));
  expect((await problemFrom(createClient({ url: page }).listTasks())).code).toBe('HTTP_ERROR');
});

test('a token is sent, also one that changes, and a wrong one is a problem', async () => {
  const { url, client } = await apiOf([{ id: 'task-1' }], { token: 'right' });
  expect((await client.listTasks()).items).toHaveLength(1);
  const turning = ['wrong', 'right'];
  const changing = createClient({ url, token: async () => turning.shift() ?? '' });
  expect((await problemFrom(changing.listTasks())).code).toBe('ERR_UNAUTHORIZED');
  expect((await changing.listTasks()).items).toHaveLength(1);
});

test('an id is one part of the path, whatever it is', async () => {
  const { client, asked } = await apiOf([]);
  await problemFrom(client.getTask('a/../../b?c#d'));
  expect(asked).toEqual(['GET /api/tasks/a%2F..%2F..%2Fb%3Fc%23d']);
  for (const id of ['', '.', '..']) await expect(client.getTask(id)).rejects.toThrow(TypeError);
  await expect(client.getTask(undefined as never)).rejects.toThrow(TypeError);
  expect(asked).toHaveLength(1);
});

test('a base path and another place of the API are kept', async () => {
  const asked: string[] = [];
  const url = await listen((req, res) => {
    asked.push(req.url ?? '');
    res.end('{}');
  });
  await createClient({ url: `${url}/proxy/` }).listTasks();
  const other = createClient({ url: new URL(url), apiPath: '/internal/logs/' });
  await other.listTasks();
  await other.getHealth();
  expect(asked).toEqual(['/proxy/api/tasks', '/internal/logs/tasks', '/healthz']);
});

test('an abort ends a call and a stream with its reason', async () => {
  const url = await listen((req, res) => {
    if (req.url?.includes('stream'))
      res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
  });
  const reason = new Error('enough');
  for (const isOfClient of [true, false]) {
    const controller = new AbortController();
    const { signal } = controller;
    const client = createClient(isOfClient ? { url, signal } : { url });
    const options = isOfClient ? {} : { signal };
    const call = client.listTasks({}, options);
    const stream = all(client.streamTask('task-1', {}, options));
    setTimeout(() => controller.abort(reason), 50);
    await expect(call).rejects.toBe(reason);
    await expect(stream).rejects.toBe(reason);
  }
});

test('after an abort no event comes that was there before', async () => {
  const url = await listen((_, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write(Array.from({ length: 50 }, (_, id) => `id: ${id}\nevent: x\ndata: {}\n\n`).join(''));
  });
  const controller = new AbortController();
  let count = 0;
  const read = async (): Promise<void> => {
    for await (const _ of createClient({ url }).streamTask('task-1', {}, { signal: controller.signal })) {
      count += 1;
      controller.abort(new Error('enough'));
    }
  };
  await expect(read()).rejects.toThrow('enough');
  expect(count).toBe(1);
});

/** A server of one stream: a script for each connection. */
async function scripted(
  scripts: readonly ((res: ServerResponse, req: IncomingMessage) => void)[],
): Promise<{ readonly client: Client; readonly ids: (string | undefined)[]; readonly urls: string[] }> {
  const seen: (string | undefined)[] = [];
  const urls: string[] = [];
  const url = await listen((req, res) => {
    const script = scripts[seen.length];
    seen.push(req.headers['last-event-id'] as string | undefined);
    urls.push(req.url ?? '');
    if (script === undefined) res.writeHead(204).end();
    else script(res, req);
  });
  return { client: createClient({ url }), ids: seen, urls };
}

const SSE = { 'Content-Type': 'text/event-stream' };

const frame = (event: string, data: object, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

test('a stream that breaks goes on behind the last event, through failures of the server, and ends with 204', async () => {
  const {
    client,
    ids: seen,
    urls,
  } = await scripted([
    (res) =>
      res.writeHead(200, SSE).end(`retry: 10\n\n${frame('line', { n: 1 }, 'a')}event: line\ndata: {"n":`),
    (res) => void res.destroy(),
    (res) => res.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '0' }).end('{}'),
    (res) => res.writeHead(200, SSE).end(frame('line', { n: 2 }, 'b') + frame('span', { n: 3 })),
    (res) => res.writeHead(200, SSE).end(),
  ]);
  const events = await all(client.streamTask('task-1', { after: 'start' }));
  expect(events).toEqual([
    { event: 'line', data: { n: 1 }, id: 'a' },
    { event: 'line', data: { n: 2 }, id: 'b' },
    { event: 'span', data: { n: 3 }, id: undefined },
  ]);
  expect(seen).toEqual([undefined, 'a', 'a', 'a', 'b', 'b']);
  expect(urls[0]).toContain('?after=start');
  expect(urls[1]).not.toContain('after');
});

test('a stream goes on behind a given id', async () => {
  const { client, ids: seen } = await scripted([]);
  expect(await all(client.streamTask('task-1', {}, { lastEventId: 'x' }))).toEqual([]);
  expect(seen).toEqual(['x']);
});

test('a first connection that fails, and an error that does not pass, are thrown', async () => {
  const gone = await scripted([(res) => res.writeHead(503).end()]);
  expect((await problemFrom(all(gone.client.streamTask('task-1')))).status).toBe(503);
  const forbidden = await scripted([
    (res) => res.writeHead(200, SSE).end('retry: 10\n\n'),
    (res) => res.writeHead(401).end(),
  ]);
  expect((await problemFrom(all(forbidden.client.streamTask('task-1')))).status).toBe(401);
  await expect(all(createClient({ url: 'http://127.0.0.1:1' }).streamTask('task-1'))).rejects.toThrow(
    'fetch',
  );
});

test('a reader that leaves closes the connection', async () => {
  let isClosed = false;
  const { client } = await scripted([
    (res) => {
      res.on('close', () => {
        isClosed = true;
      });
      res.writeHead(200, SSE).write(frame('line', {}, 'a'));
    },
  ]);
  for await (const { event } of client.streamTask('task-1')) if (event === 'line') break;
  await expect.poll(() => isClosed).toBe(true);
});

test('the stream of a real task has its documents and lines', async () => {
  const { client } = await apiOf([
    {
      id: 'task-1',
      message: 'a',
      lines: [outputLine('one')],
      result: result(true),
      metadata: { settled: true },
    },
  ]);
  const events = await all(client.streamTask('task-1'));
  expect(events.map(({ event }) => event)).toEqual(['metadata', 'line', 'result', 'end']);
  const line = events.find((one) => one.event === 'line');
  expect(line?.data.content).toBe('one');
  const { id } = line ?? {};
  const rest = await all(client.streamTask('task-1', {}, { lastEventId: id }));
  expect(rest.map(({ event }) => event)).toEqual(['result', 'end']);
});
