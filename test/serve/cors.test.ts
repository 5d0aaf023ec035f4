import { expect, onTestFinished, test } from 'vitest';
import { serveLogs as serveTrail } from '../../src/express.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { openTrail } from '../support/receiver.ts';
import { type Ask, ask, type Got, listen, tempDir, writeTask } from './log-server.ts';

const APP = 'https://app.example';
const TOKEN = 'token-of-sixteen-characters';

async function open(options: { readonly token?: string; readonly corsOrigins?: string[] }): Promise<number> {
  const logDir = await tempDir();
  writeTask(logDir, 'task-a', { metadata: { task_id: 'task-a', status: 'completed' }, agentOutput: '' });
  const reader = createReader(logDir);
  return listen(serveLogs({ reader, ...options }));
}

/** As a browser does it: a request that is not simple is preceded by a preflight, and sent only when that allows it. */
async function fetchAsPage(
  port: number,
  path: string,
  how: Ask & { origin: string },
): Promise<Got | undefined> {
  const { origin, method = 'GET', headers = {}, body } = how;
  const unsafe = Object.keys(headers).map((name) => name.toLowerCase());
  if (unsafe.length > 0) {
    const preflight = await ask(port, path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': unsafe.sort().join(','),
      },
    });
    const allowed = (name: string): string[] =>
      String(preflight.headers[`access-control-allow-${name}`] ?? '')
        .split(',')
        .map((one) => one.trim().toLowerCase());
    const isAllowed =
      preflight.status >= 200 &&
      preflight.status < 300 &&
      preflight.headers['access-control-allow-origin'] === origin &&
      (['GET', 'HEAD', 'POST'].includes(method) || allowed('methods').includes(method.toLowerCase())) &&
      unsafe.every((name) => allowed('headers').includes(name));
    if (!isAllowed) return undefined;
  }
  const got = await ask(port, path, { method, headers: { ...headers, origin }, ...(body && { body }) });
  return got.headers['access-control-allow-origin'] === origin ? got : undefined;
}

test('a page of a named origin reads the API with its token, and no other page does', async () => {
  const port = await open({ token: TOKEN, corsOrigins: [APP, 'http://localhost:3000'] });
  const headers = { Authorization: `Bearer ${TOKEN}`, 'Last-Event-ID': '5' };
  const read = await fetchAsPage(port, '/tasks/task-a', { origin: APP, headers });
  expect(read?.json()).toMatchObject({ task_id: 'task-a' });
  const other = await fetchAsPage(port, '/tasks', { origin: 'http://localhost:3000', headers });
  expect(other?.status).toBe(200);
  for (const origin of ['https://evil.example', 'https://app.example.evil', 'http://app.example', 'null']) {
    expect(await fetchAsPage(port, '/tasks/task-a', { origin, headers })).toBeUndefined();
  }
});

test('a preflight needs no token, lasts two hours, and differs by origin for caches', async () => {
  const port = await open({ token: TOKEN, corsOrigins: [APP] });
  const headers = { origin: APP, 'access-control-request-method': 'POST' };
  const { status, text, headers: got } = await ask(port, '/tasks', { method: 'OPTIONS', headers });
  expect([status, text]).toEqual([204, '']);
  expect(got).toMatchObject({
    'access-control-allow-origin': APP,
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-allow-headers':
      'Authorization, Content-Type, Content-Encoding, Last-Event-ID, Prefer, traceparent, tracestate, baggage, Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name',
    'access-control-max-age': '7200',
    vary: 'Origin',
  });
  expect(got).not.toHaveProperty('access-control-allow-credentials');
  expect(got).not.toHaveProperty('access-control-allow-private-network');
  const near = { ...headers, 'access-control-request-private-network': 'true' };
  const answer = await ask(port, '/tasks', { method: 'OPTIONS', headers: near });
  expect(answer.headers['access-control-allow-private-network']).toBe('true');
});

test.each([
  ['an error', '/tasks/task-b', 404],
  ['a missing token', '/tasks', 401],
  ['a stream of lines', '/tasks/task-a/logs/agent-output', 200],
])('a page of a named origin may read %s', async (_what, path, status) => {
  const port = await open({ corsOrigins: [APP], ...(status === 401 && { token: TOKEN }) });
  const got = await fetchAsPage(port, path, { origin: APP });
  expect(got?.status).toBe(status);
  expect(got?.headers).toMatchObject({
    vary: 'Origin',
    'access-control-expose-headers':
      'Link, Location, Retry-After, Task-Logs-First-Line, Task-Logs-Left-Out, Task-Logs-Lines, Task-Logs-Partial, Task-Logs-Skipped-Lines',
  });
});

test('answers differ by origin also for requests without one, so that a cache never mixes them', async () => {
  const port = await open({ corsOrigins: [APP] });
  const { headers } = await ask(port, '/tasks');
  expect(headers.vary).toBe('Origin');
  expect(headers).not.toHaveProperty('access-control-allow-origin');
});

test('without named origins there is no CORS', async () => {
  const port = await open({});
  const { headers } = await ask(port, '/tasks', { headers: { origin: APP } });
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect(headers).not.toHaveProperty('vary');
});

test('the origins of the settings and of the option hold for a mounted API', async () => {
  const trail = await openTrail(await tempDir(), { TASK_LOGS_CORS_ORIGINS: `${APP}, http://localhost:3000` });
  onTestFinished(() => trail.shutdown());
  const port = await listen(serveTrail(trail));
  expect((await fetchAsPage(port, '/tasks', { origin: 'http://localhost:3000' }))?.status).toBe(200);
  const own = await listen(serveTrail(trail, { corsOrigins: ['https://own.example'] }));
  expect((await fetchAsPage(own, '/tasks', { origin: 'https://own.example' }))?.status).toBe(200);
  expect(await fetchAsPage(own, '/tasks', { origin: APP })).toBeUndefined();
});

test.each([
  [{}, 503],
  [{ 'content-type': 'application/json', origin: APP }, 503],
  [{ 'sec-fetch-site': 'same-origin', origin: 'http://localhost' }, 503],
  [{ origin: APP }, 415],
  [{ origin: 'null', 'content-type': 'text/plain' }, 415],
  [{ 'sec-fetch-site': 'cross-site' }, 415],
])('a page of another origin cannot cancel a task with a simple request: %j', async (headers, status) => {
  const port = await open({});
  const got = await ask(port, '/tasks/task-a/cancel', { method: 'POST', headers: { ...headers } });
  expect(got.status).toBe(status);
});
