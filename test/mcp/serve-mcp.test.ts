import { expect, test } from 'vitest';
import { ask, listen, tempDir, writeTask } from '../serve/log-server.ts';
import { callTool, connectClient, handlerOf, partsOf, readerOf, serveDirectory } from './mcp-fixture.ts';

const METADATA = {
  task_id: 'task-1',
  status: 'completed',
  created_at: '2026-11-01T10:00:00.000Z',
  source: 'cli',
};

async function oneTask(): Promise<string> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: METADATA, input: { message: 'fix it' } });
  return dir;
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

test.each(['legacy', 'auto'] as const)('a client of the SDK lists and calls the tools (%s)', async (mode) => {
  const client = await connectClient(await serveDirectory(await oneTask()), { mode });
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual([
    'search_tasks',
    'get_task',
    'read_output',
    'get_timeline',
    'compare_attempts',
    'list_deliveries',
    'cost_summary',
    'health',
  ]);
  for (const { annotations, inputSchema } of tools) {
    expect(annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false, openWorldHint: false });
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
  }
  const { rows } = partsOf((await callTool(client, 'search_tasks')).text);
  expect(rows).toEqual([expect.objectContaining({ task_id: 'task-1', message: 'fix it' })]);
});

test('GET and DELETE, which belong to sessions, are answered with 405', async () => {
  const port = await serveDirectory(await oneTask());
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const got = await ask(port, '/mcp', { method, headers: { accept: 'text/event-stream' } });
    expect([got.status, got.headers.allow]).toEqual([405, 'POST']);
  }
});

test('with a token a request without it gets 401, and the SDK gets in with it', async () => {
  const port = await serveDirectory(await oneTask(), { token: 'a-long-enough-token' });
  const body = JSON.stringify(INITIALIZE);
  const got = await ask(port, '/mcp', { method: 'POST', headers: HEADERS, body });
  expect([got.status, got.json().code]).toEqual([401, 'ERR_UNAUTHORIZED']);
  expect(got.headers['www-authenticate']).toContain('Bearer');
  const basic = `Basic ${Buffer.from('x:a-long-enough-token').toString('base64')}`;
  const withBasic = await ask(port, '/mcp', {
    method: 'POST',
    headers: { ...HEADERS, authorization: basic },
    body,
  });
  expect(withBasic.status).toBe(401);
  const client = await connectClient(port, { token: 'a-long-enough-token' });
  expect((await callTool(client, 'health')).isError).toBe(false);
});

test('a page of another origin gets 403, with a token too', async () => {
  const port = await serveDirectory(await oneTask(), {
    token: 'a-long-enough-token',
    corsOrigins: ['https://app.example'],
  });
  const send = (headers: Record<string, string>) =>
    ask(port, '/mcp', {
      method: 'POST',
      headers: { ...HEADERS, authorization: 'Bearer a-long-enough-token', ...headers },
      body: JSON.stringify(INITIALIZE),
    });
  expect((await send({ origin: 'https://evil.example' })).status).toBe(403);
  expect((await send({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await send({ origin: 'https://app.example' })).status).toBe(200);
  expect((await send({ origin: `http://127.0.0.1:${port}` })).status).toBe(200);
});

test('without a token a foreign host gets 403: a page may have made its name lead here', async () => {
  const port = await serveDirectory(await oneTask());
  for (const host of ['evil.example', '0.0.0.0', '2130706433']) {
    const body = JSON.stringify(INITIALIZE);
    const got = await ask(port, '/mcp', { method: 'POST', headers: { ...HEADERS, host }, body });
    expect(got.status, host).toBe(403);
  }
});

test('bodies that are too large, of another type, no JSON or a batch are refused', async () => {
  const port = await serveDirectory(await oneTask());
  const send = (body: string, headers: Record<string, string> = {}) =>
    ask(port, '/mcp', { method: 'POST', headers: { ...HEADERS, ...headers }, body });
  expect((await send(' '.repeat(70_000))).status).toBe(413);
  expect((await send(JSON.stringify(INITIALIZE), { 'content-type': 'text/plain' })).status).toBe(415);
  expect((await send('{"jsonrpc"')).status).toBe(400);
  expect((await send('')).status).toBe(400);
  expect((await send(JSON.stringify([INITIALIZE, INITIALIZE]))).status).toBe(400);
  expect((await send(`${'[1,'.repeat(20_000)}`)).status).toBe(400);
  expect((await send('['.repeat(30_000) + ']'.repeat(30_000))).status).toBe(400);
  expect((await send(JSON.stringify(INITIALIZE), { 'content-encoding': 'gzip' })).status).toBe(415);
});

test('deep and wide arguments are answered as a mistake of the client', async () => {
  const port = await serveDirectory(await oneTask());
  const call = (given: string) =>
    ask(port, '/mcp', {
      method: 'POST',
      headers: { ...HEADERS, 'mcp-protocol-version': '2025-06-18' },
      body: `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"search_tasks","arguments":${given}}}`,
    });
  for (const given of [
    `{"q":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    `{${Array.from({ length: 5_000 }, (_, at) => `"k${at}":1`).join(',')}}`,
    `{"${'k'.repeat(50_000)}":1}`,
    '[]',
  ]) {
    const got = await call(given);
    expect(got.status, given.slice(0, 40)).toBeLessThan(500);
    expect(got.text.length, given.slice(0, 40)).toBeLessThan(3_000);
    expect(got.text, given.slice(0, 40)).toMatch(/"isError":true|"error":/);
  }
});

test('a defect is answered without its details, and reported', async () => {
  const errors: unknown[] = [];
  const dir = await oneTask();
  const reader = { ...readerOf(dir), listTasks: () => Promise.reject(new Error('secret place')) };
  const client = await connectClient(
    await listen(handlerOf(reader, { onError: (error) => errors.push(error) })),
  );
  const { text, isError } = await callTool(client, 'search_tasks');
  expect([text, isError, errors.length]).toEqual(['tasktrail failed; its log says why.', true, 1]);
});

test('at most two calls read at the same time, and too many that wait are refused', async () => {
  const dir = await oneTask();
  let running = 0;
  let most = 0;
  const release: (() => void)[] = [];
  const reader = {
    ...readerOf(dir),
    listTasks: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return { items: [], nextCursor: null };
    },
  };
  const client = await connectClient(await listen(handlerOf(reader)));
  const calls = Array.from({ length: 40 }, () => callTool(client, 'search_tasks'));
  const refused: string[] = [];
  for (const call of calls) void call.then(({ text, isError }) => isError && refused.push(text));
  await expect.poll(() => refused.length).toBe(8);
  expect(refused.every((text) => text.startsWith('ERR_BUSY'))).toBe(true);
  const all = Promise.all(calls);
  const timer = setInterval(() => {
    for (const done of release.splice(0)) done();
  }, 1);
  const answers = await all;
  clearInterval(timer);
  expect(most).toBe(2);
  expect(answers.filter(({ isError }) => !isError)).toHaveLength(32);
});

test('a client that leaves frees its place', async () => {
  const dir = await oneTask();
  const reader = readerOf(dir);
  const port = await listen(handlerOf(reader));
  for (let round = 0; round < 150; round += 1) {
    const gone = new AbortController();
    const sent = fetch(`http://127.0.0.1:${port}/mcp`, {
      method: 'POST',
      headers: HEADERS,
      body: JSON.stringify(INITIALIZE),
      signal: gone.signal,
    });
    if (round % 2 === 0) gone.abort();
    await sent.then((got) => got.text()).catch(() => {});
  }
  const got = await ask(port, '/mcp', { method: 'POST', headers: HEADERS, body: JSON.stringify(INITIALIZE) });
  expect(got.status).toBe(200);
});
