import { expect, test, vi } from 'vitest';
import { serveMcp } from '../../src/mcp/serve-mcp.ts';
import { servePage } from '../../src/page/serve-page.ts';
import { commonPath } from '../../src/page/session-routes.ts';
import { createSessions, SESSION_SECONDS } from '../../src/serve/session.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { ask, listen, tempDir } from '../serve/log-server.ts';
import { cookieOf, loginRequest, servePageAndApi, setCookieOf, TOKEN } from './page-server.ts';

const ORDER = JSON.stringify({ message: 'do it' });

test('a login gives a cookie that no script reads and no other site uses', async () => {
  const { ask } = await servePageAndApi();
  const got = await ask('/login', loginRequest(TOKEN));
  const page_key = expect.stringMatching(/^[\w-]{32}$/);
  expect([got.status, got.json()]).toEqual([
    200,
    { status: 'logged_in', expires_in: SESSION_SECONDS, page_key },
  ]);
  expect(got.headers['cache-control']).toBe('no-store');
  expect(setCookieOf(got)).toMatch(
    /^tasktrail-[\w-]{8}=\d+\.[\w-]{16}\.[\w-]{32}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
  );
  expect(setCookieOf(got)).not.toContain(TOKEN);
});

test('over TLS, also of a proxy, the cookie is for TLS only', async () => {
  const { ask } = await servePageAndApi();
  for (const forwarded of ['https', 'HTTPS , http']) {
    const got = await ask('/login', loginRequest(TOKEN, { headers: { 'x-forwarded-proto': forwarded } }));
    expect(setCookieOf(got)).toMatch(/; Secure$/);
  }
  const plain = await ask('/login', loginRequest(TOKEN, { headers: { 'x-forwarded-proto': 'http' } }));
  expect(setCookieOf(plain)).not.toContain('Secure');
});

test('the cookie reads, and starts tasks from the page of this origin', async () => {
  const { ask, logInPage, origin, port, taken } = await servePageAndApi();
  const page = await logInPage();
  const { cookie } = page;
  for (const method of ['GET', 'HEAD'])
    for (const path of ['/api/tasks', '/api/tasks/task-1', '/metrics'])
      expect((await ask(path, { method, headers: { cookie } })).status, `${method} ${path}`).toBe(200);
  const json = { ...page, 'content-type': 'application/json' };
  for (const from of [
    { origin },
    { origin, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'same-origin' },
    { origin: `http://localhost:${port}`, host: `LOCALHOST:${port}` },
    { origin: 'https://logs.example', host: 'logs.example', 'x-forwarded-proto': 'https' },
  ]) {
    const got = await ask('/api/tasks', { method: 'POST', headers: { ...json, ...from }, body: ORDER });
    expect(got.status, JSON.stringify(from)).toBe(202);
  }
  const cancelled = await ask('/api/tasks/task-1/cancel', {
    method: 'POST',
    headers: { ...json, origin },
    body: '{}',
  });
  expect(cancelled.status).toBe(200);
  expect(taken).toHaveLength(6);
});

test.each<[string, (own: { origin: string; port: number }) => Record<string, string>, number]>([
  ['no page at all', () => ({}), 401],
  ['another port', ({ port }) => ({ origin: `http://127.0.0.1:${port + 1}` }), 401],
  ['no port', () => ({ origin: 'http://127.0.0.1' }), 401],
  ['another name of this machine', ({ port }) => ({ origin: `http://localhost:${port}` }), 401],
  ['another site', () => ({ origin: 'https://evil.example' }), 401],
  ['an opaque origin', () => ({ origin: 'null' }), 401],
  ['an empty origin', () => ({ origin: '' }), 401],
  ['the origin with a path', ({ origin }) => ({ origin: `${origin}/` }), 401],
  ['http beside TLS', ({ origin }) => ({ origin, 'x-forwarded-proto': 'https' }), 401],
  ['the same site', ({ origin }) => ({ origin, 'sec-fetch-site': 'same-site' }), 401],
  ['another site by its metadata', ({ origin }) => ({ origin, 'sec-fetch-site': 'cross-site' }), 401],
  ['a form that navigates', () => ({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }), 401],
  [
    'another port with the metadata of this one',
    ({ port }) => ({ origin: `http://127.0.0.1:${port + 1}`, 'sec-fetch-site': 'same-origin' }),
    401,
  ],
  ['a form', ({ origin }) => ({ origin, 'content-type': 'text/plain' }), 415],
  ['a form of files', ({ origin }) => ({ origin, 'content-type': 'multipart/form-data' }), 415],
  ['a request without a type', ({ origin }) => ({ origin, 'content-type': '' }), 415],
])('with the cookie %s starts and cancels nothing', async (_what, headersOf, status) => {
  const own = await servePageAndApi();
  const headers = { ...(await own.logInPage()), 'content-type': 'application/json', ...headersOf(own) };
  for (const path of ['/api/tasks', '/api/tasks/task-1/cancel']) {
    const got = await own.ask(path, { method: 'POST', headers, body: ORDER });
    expect([path, got.status]).toEqual([path, status]);
  }
  expect(own.taken).toEqual([]);
});

test('a server on another port, which gets the cookie of the browser, changes nothing with it', async () => {
  const { ask, logInPage, origin, taken } = await servePageAndApi();
  const [page, other] = [await logInPage(), await logInPage()];
  // All that a browser would say of the page itself.
  const forged = { origin, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' };
  const key = page['tasktrail-page-key'];
  for (const headers of [
    { cookie: page.cookie },
    { cookie: page.cookie, 'tasktrail-page-key': '' },
    { cookie: page.cookie, 'tasktrail-page-key': other['tasktrail-page-key'] },
    { cookie: page.cookie, 'tasktrail-page-key': page.cookie.split('.').at(-1) ?? '' },
    { cookie: page.cookie, 'tasktrail-page-key': key.slice(1) },
    { 'tasktrail-page-key': key },
  ])
    for (const path of ['/api/tasks', '/api/tasks/task-1/cancel']) {
      const got = await ask(path, { method: 'POST', headers: { ...forged, ...headers }, body: ORDER });
      expect([got.status, got.json()]).toEqual([401, expect.objectContaining({ code: 'ERR_UNAUTHORIZED' })]);
    }
  expect(taken).toEqual([]);
  const got = await ask('/api/tasks', { method: 'POST', headers: { ...forged, ...page }, body: ORDER });
  expect(got.status).toBe(202);
});

test('with the cookie a page of another origin reads nothing, and a link opens what it names', async () => {
  const { ask, logIn, origin, port } = await servePageAndApi();
  const cookie = await logIn();
  const read = async (headers: Record<string, string>): Promise<number> =>
    (await ask('/api/tasks', { headers: { cookie, ...headers } })).status;
  expect(await read({ origin: `http://127.0.0.1:${port + 1}` })).toBe(401);
  expect(await read({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' })).toBe(401);
  expect(await read({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).toBe(401);
  expect(await read({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' })).toBe(200);
  expect(await read({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })).toBe(200);
  expect(await read({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' })).toBe(200);
  expect(await read({ origin })).toBe(200);
});

test('forged and altered cookies are refused', async () => {
  const { ask, logIn } = await servePageAndApi();
  const cookie = await logIn();
  const [name = '', value = ''] = cookie.split('=');
  const [expiry = '', random = '', mac = ''] = value.split('.');
  const swap = (text: string): string => text.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
  for (const forged of [
    `${name}=`,
    `${name}=${expiry}`,
    `${name}=${expiry}.${random}.`,
    `${name}=${Number(expiry) + 1}.${random}.${mac}`,
    `${name}=0${expiry}.${random}.${mac}`,
    `${name}=${expiry}.${swap(random)}.${mac}`,
    `${name}=${expiry}.${random}.${swap(mac)}`,
    `${name}=${expiry}.${random}.${mac.slice(0, -1)}`,
    `${name}=${expiry}.${random}.${mac}x`,
    `${name}="${value}"`,
    `${name}=${value},`,
    `x${cookie}`,
    `other=${value}`,
    `tasktrail=${value}`,
    `${name}=${TOKEN}`,
    `${name}=${'1'.repeat(4_000)}`,
    `${name}=x; `.repeat(200),
    `${name}=x; `.repeat(20) + cookie,
    `${name}=${new TextEncoder().encode(value).join('.')}`,
  ]) {
    const got = await ask('/api/tasks', { headers: { cookie: forged } });
    expect([forged.slice(0, 80), got.status]).toEqual([forged.slice(0, 80), 401]);
    expect(got.headers['www-authenticate']).toBe('Bearer realm="tasktrail"');
  }
  // A cookie of the same name, set by a page of a parent domain, does not lock the person out.
  expect((await ask('/api/tasks', { headers: { cookie: `a=b; ${name}=x; ${cookie}; c` } })).status).toBe(200);
});

test('a session ends after its time, with another token, and at the logout', async () => {
  const own = await servePageAndApi();
  const cookie = await own.logIn();
  const read = async (): Promise<number> => (await own.ask('/api/tasks', { headers: { cookie } })).status;
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const began = Date.now();
    vi.setSystemTime(began + (SESSION_SECONDS - 2) * 1_000);
    expect(await read()).toBe(200);
    vi.setSystemTime(began + (SESSION_SECONDS + 1) * 1_000);
    expect(await read()).toBe(401);
    // A clock that goes back makes it no longer than it is.
    vi.setSystemTime(began - 3_600_000);
    expect(await read()).toBe(401);
  } finally {
    vi.useRealTimers();
  }
  const other = await servePageAndApi('another-token-of-the-tests');
  const name = cookieOf(await other.ask('/login', loginRequest('another-token-of-the-tests'))).split('=')[0];
  expect((await other.ask('/api/tasks', { headers: { cookie } })).status).toBe(401);
  const moved = `${name}=${cookie.split('=')[1]}`;
  expect((await other.ask('/api/tasks', { headers: { cookie: moved } })).status).toBe(401);
  expect(await read()).toBe(200);
  const out = await own.ask('/logout', { method: 'POST', headers: { cookie, origin: own.origin } });
  expect([out.status, setCookieOf(out)]).toEqual([
    200,
    `${cookie.split('=')[0]}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict`,
  ]);
  expect(await read()).toBe(401);
});

test('another site ends no session', async () => {
  const { ask, logIn } = await servePageAndApi();
  const cookie = await logIn();
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'same-site' }]) {
    expect((await ask('/logout', { method: 'POST', headers: { cookie, ...headers } })).status).toBe(401);
    expect((await ask('/login', loginRequest(TOKEN, { headers }))).status).toBe(401);
  }
  expect((await ask('/api/tasks', { headers: { cookie } })).status).toBe(200);
});

test('a wrong bearer token is refused beside a good cookie, an old password is not', async () => {
  const { ask, logIn } = await servePageAndApi();
  const cookie = await logIn();
  const basic = `Basic ${Buffer.from('me:old').toString('base64')}`;
  expect((await ask('/api/tasks', { headers: { cookie, authorization: 'Bearer wrong' } })).status).toBe(401);
  expect((await ask('/api/tasks', { headers: { cookie, authorization: basic } })).status).toBe(200);
});

test('MCP does not take the cookie', async () => {
  const page = await servePageAndApi();
  const cookie = await page.logIn();
  const { port: own } = page;
  expect((await ask(own, '/api/tasks', { headers: { cookie } })).status).toBe(200);
  const handler = serveMcp({
    reader: createReader(await tempDir()),
    readHealth: async () => ({}),
    token: TOKEN,
    version: '0',
    onError: () => {},
  });
  const port = await listen(handler);
  const headers = { cookie, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
  expect((await ask(port, '/mcp', { method: 'POST', headers, body: '{}' })).status).toBe(401);
});

test.each<[string, Parameters<typeof loginRequest>, number]>([
  ['a wrong token', ['wrong'], 401],
  ['the beginning of the token', [TOKEN.slice(0, -1)], 401],
  ['an empty token', [''], 401],
  ['a number', [12], 400],
  ['no token', [undefined], 400],
  ['no JSON', [TOKEN, { body: TOKEN }], 400],
  ['a field more', [TOKEN, { body: JSON.stringify({ token: TOKEN, x: 1 }) }], 400],
  ['a form', [TOKEN, { headers: { 'content-type': 'application/x-www-form-urlencoded' } }], 415],
  ['a large body', ['x'.repeat(9_000)], 413],
])('a login with %s gets no cookie', async (_what, request, status) => {
  const { ask } = await servePageAndApi();
  const got = await ask('/login', loginRequest(...request));
  expect([got.status, got.headers['set-cookie']]).toEqual([status, undefined]);
});

test('an address that tries many tokens must wait, with the right one too', async () => {
  const { ask } = await servePageAndApi();
  const statuses = await Promise.all(
    Array.from(
      { length: 14 },
      async (_, index) => (await ask('/login', loginRequest(`wrong-${index}`))).status,
    ),
  );
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  expect(statuses.filter((status) => status === 429)).toHaveLength(4);
  const got = await ask('/login', loginRequest(TOKEN));
  expect([got.status, got.headers['retry-after'], got.headers['set-cookie']]).toEqual([429, '60', undefined]);
  expect(got.json()).toMatchObject({ code: 'ERR_BUSY', type: 'urn:tasktrail:problem:too-many-tries' });
});

test('right tokens are not counted', async () => {
  const { ask } = await servePageAndApi();
  for (let i = 0; i < 12; i += 1) expect((await ask('/login', loginRequest(TOKEN))).status).toBe(200);
});

test('without a token there is nothing to log in to', async () => {
  const port = await listen(servePage());
  expect((await ask(port, '/login', loginRequest('x'))).status).toBe(503);
  expect((await ask(port, '/logout', { method: 'POST' })).headers['set-cookie']).toBeUndefined();
  expect((await ask(port, '/login')).headers.allow).toBe('POST');
});

test('a script of a page is not asked for a password', async () => {
  const { ask } = await servePageAndApi();
  const accept = 'text/html, */*';
  const scripted = await ask('/api/tasks', { headers: { accept, 'sec-fetch-mode': 'cors' } });
  expect(scripted.headers['www-authenticate']).toBe('Bearer realm="tasktrail"');
  const opened = await ask('/api/tasks', { headers: { accept, 'sec-fetch-mode': 'navigate' } });
  expect(opened.headers['www-authenticate']).toContain('Basic');
});

test.each([
  ['', '/api', '/'],
  ['/tasktrail', '/api', '/'],
  ['/tasktrail', '/tasktrail/api', '/tasktrail'],
  ['/a/b', '/a/c/api', '/a'],
  ['/tasktrail', '/tasktrailer/api', '/'],
  ['/a;b', '/a;b/api', '/'],
  ['/x', 'https://logs.example/api', '/'],
])('the cookie of a page at "%s" with the API at "%s" is for %s', (mount, api, path) => {
  expect(commonPath(mount, api)).toBe(path);
});

test('two sessions of one second are two', () => {
  const sessions = createSessions(TOKEN, () => 1_000);
  expect(sessions.begin()).not.toBe(sessions.begin());
});
