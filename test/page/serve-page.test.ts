import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { serveLogs, servePage as serveOfTrail } from '../../src/express.ts';
import { servePage } from '../../src/page/serve-page.ts';
import { ask, listen } from '../serve/log-server.ts';
import { tempDir as logDir } from '../support/log-dir.ts';
import { openTrail } from '../support/receiver.ts';
import { cookieOf, loginRequest, setCookieOf } from './page-server.ts';

const VIEWS = ['/', '/tasks/task-1', '/workflows', '/workflows/w-1', '/deliveries', '/numbers', '/health'];

const BROWSER = { accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate' };

test('each address of a view answers with the page, and a policy that lets nothing in', async () => {
  const port = await listen(servePage());
  for (const path of [...VIEWS, '/?q=x']) {
    const got = await ask(port, path);
    expect([path, got.status, got.headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8']);
    expect(got.text).toContain('<base href="/"');
    const policy = got.headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const head = await ask(port, path, { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([
      200,
      '',
      got.headers['content-length'],
    ]);
  }
});

test('each file that the page names is there, may be kept, and comes packed to those who take that', async () => {
  const port = await listen(servePage());
  const names = new Set<string>();
  for (const path of VIEWS) for (const name of filesIn((await ask(port, path)).text)) names.add(name);
  expect(names.size).toBeGreaterThan(8);
  for (const name of names) {
    const plain = await ask(port, `/${name}`);
    expect([name, plain.status, plain.headers['content-encoding']]).toEqual([name, 200, undefined]);
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    for (const encoding of ['br', 'gzip']) {
      const got = await ask(port, `/${name}`, {
        headers: { 'accept-encoding': `deflate, ${encoding};q=0.5` },
      });
      expect([got.headers['content-encoding'], got.headers.vary]).toEqual([encoding, 'Accept-Encoding']);
      expect(Number(got.headers['content-length'])).toBeLessThan(Number(plain.headers['content-length']));
    }
  }
});

test.each([
  ['br;q=0', undefined],
  ['br; q=0.0, gzip', 'gzip'],
  ['br;q=0.001, gzip;q=0', 'br'],
  ['__proto__, constructor', undefined],
])('to who takes "%s" a file comes as %s', async (accepted, encoding) => {
  const port = await listen(servePage());
  const [name] = /assets\/[^"]+\.js/.exec((await ask(port, '/')).text) ?? [];
  const got = await ask(port, `/${name}`, { headers: { 'accept-encoding': accepted } });
  expect([got.status, got.headers['content-encoding']]).toEqual([200, encoding]);
});

test('the document names the scripts of its view, and no others', async () => {
  const port = await listen(servePage());
  const scripts = async (path: string): Promise<readonly string[]> =>
    filesIn((await ask(port, path)).text).filter((name) => name.endsWith('.js'));
  const common = await scripts('/');
  for (const [path, view] of [
    ['/tasks/task-1', 'run-view'],
    ['/workflows', 'workflows-view'],
    ['/workflows/w-1', 'workflow-view'],
    ['/deliveries', 'deliveries-view'],
    ['/numbers', 'numbers-view'],
    ['/health', 'health-view'],
  ] as const) {
    const own = (await scripts(path)).filter((name) => !common.includes(name));
    expect(own.filter((name) => name.includes('-view'))).toEqual([expect.stringMatching(`^assets/${view}-`)]);
    // What it imports is named too: else the browser finds it later.
    const { text } = await ask(port, `/${own.find((name) => name.includes(view))}`);
    for (const [, name] of text.matchAll(/\bfrom\s*["'`]\.\/([^"'`]+)["'`]/g))
      expect([...common, ...own]).toContain(`assets/${name}`);
  }
});

test('there are no other files', async () => {
  const port = await listen(servePage());
  for (const path of [
    '/assets/',
    '/assets/x.js',
    '/assets/..%2findex.html',
    '/assets/%2e%2e%2f%2e%2e%2fserve-page.js',
    '/index.html',
  ])
    expect([path, (await ask(port, path)).status]).toEqual([path, 404]);
  expect((await ask(port, '/assets/%zz')).status).toBe(400);
});

test('a page that is not built says what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tasktrail-page-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const got = await ask(await listen(servePage({ folder })), '/');
  expect([got.status, got.headers['content-type']]).toEqual([503, 'text/plain; charset=utf-8']);
  expect(got.text).toContain('npm run build');
});

test('unknown addresses: a browser gets the page with 404, a program a problem', async () => {
  const port = await listen(servePage({ isLast: true }));
  for (const path of ['/nothing', '/tasks/a/b', '/apiary'])
    expect(await ask(port, path, { headers: BROWSER })).toMatchObject({
      status: 404,
      headers: { 'content-type': 'text/html; charset=utf-8' },
    });
  for (const [path, headers] of [
    ['/nothing', {}],
    ['/nothing', { accept: 'text/html' }],
    ['/api/nothing', BROWSER],
    ['/api', BROWSER],
  ] as const)
    expect(await ask(port, path, { headers })).toMatchObject({
      status: 404,
      headers: { 'content-type': 'application/problem+json' },
    });
  expect((await ask(port, '/nothing', { method: 'POST', headers: BROWSER })).headers['content-type']).toBe(
    'application/problem+json',
  );
});

test('in an app of the user the page is mounted anywhere, with the token of the settings', async () => {
  const trail = await openTrail(await logDir(), { TASK_LOGS_API_TOKEN: 'a-token-of-the-tests' });
  onTestFinished(() => trail.shutdown());
  const app = express();
  app.use('/logs/api', serveLogs(trail));
  app.use('/logs', serveOfTrail(trail, { apiPath: '/logs/api' }));
  app.get('/logs/own', (_req, res) => void res.send('own'));
  const port = await listen(app as never);
  for (const path of ['/logs', '/logs/', '/logs/tasks/task-1']) {
    const { status, text } = await ask(port, path);
    expect([path, status]).toEqual([path, 200]);
    expect(text).toContain('<base href="/logs/"');
    expect(text).toContain('name="tasktrail-api" content="/logs/api"');
  }
  expect((await ask(port, '/logs/own', { headers: BROWSER })).text).toBe('own');
  expect((await ask(port, '/logs/api/tasks')).status).toBe(401);
  const login = await ask(port, '/logs/login', loginRequest('a-token-of-the-tests'));
  expect(setCookieOf(login)).toContain('; Path=/logs; ');
  expect((await ask(port, '/logs/api/tasks', { headers: { cookie: cookieOf(login) } })).status).toBe(200);
});

test('an app that parses bodies first can have the page behind it', async () => {
  const app = express();
  app.use(express.json());
  app.use('/', servePage({ token: 'a-token-of-the-tests' }));
  const port = await listen(app as never);
  expect((await ask(port, '/login', loginRequest('a-token-of-the-tests'))).status).toBe(200);
  expect((await ask(port, '/login', loginRequest('another'))).status).toBe(401);
});

test('what a mount or a path has in it stays in its attribute', async () => {
  const app = express();
  app.use('/:any', servePage({ apiPath: '/a"><script>$&' }));
  const port = await listen(app as never);
  const { text } = await ask(port, '/x"><script>alert(1)<%2Fscript>$&/');
  expect(text).not.toMatch(/<script>/);
  expect(text).toContain('content="/a&quot;>&lt;script>$&amp;"');
});

test('the built page is the one of the sources', async () => {
  const document = await readFile(join(import.meta.dirname, '../../dist/page/browser/index.html'), 'utf8');
  // The two places that a mount fills in.
  expect(document).toContain('<base href="/"');
  expect(document).toContain('name="tasktrail-api" content="/api"');
});

function filesIn(document: string): readonly string[] {
  return [...document.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => name ?? '');
}
