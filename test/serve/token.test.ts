import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { serveMetrics } from '../../src/serve/metrics.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { type Ask, ask, askRaw, listen, tempDir, writeTask } from './log-server.ts';

/** With a colon, and with a letter that has other bytes in latin1. */
const TOKEN = 's3cret:ü';
const BEARER_CHALLENGE = 'Bearer realm="tasktrail"';
const BOTH_CHALLENGES = `${BEARER_CHALLENGE}, Basic realm="tasktrail", charset="UTF-8"`;
/** What browsers send when a link is opened. */
const FROM_BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

function basic(credentials: string | Buffer): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

async function serve(): Promise<{ port: number; taken: unknown[] }> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1' } });
  const taken: unknown[] = [];
  const submit = async (order: unknown) => {
    taken.push(order);
    return { taskId: 'task-2' };
  };
  const cancel = async (taskId: string) => {
    taken.push(taskId);
    return 'cancelled' as const;
  };
  const reader = createReader(dir);
  return { taken, port: await listen(serveLogs({ reader, intake: { submit, cancel }, token: TOKEN })) };
}

function as(authorization: string, more: Ask = {}): Ask {
  return { ...more, headers: { ...more.headers, authorization } };
}

test('the token is taken as a password, whatever the user name, to read', async () => {
  const { port } = await serve();
  for (const user of ['', 'me', 'jürgen', 'x'.repeat(2000)]) {
    for (const method of ['GET', 'HEAD']) {
      const got = await ask(port, '/tasks/task-1', as(basic(`${user}:${TOKEN}`), { method }));
      expect(got.status, `${method} as ${user.slice(0, 9)}`).toBe(200);
      expect(got.headers['www-authenticate']).toBeUndefined();
    }
  }
  const lower = as(basic(`me:${TOKEN}`).replace('Basic', 'basic'));
  expect((await ask(port, '/tasks/task-1', lower)).status).toBe(200);
});

test.each<[string, string]>([
  ['a wrong token', basic('me:wrong')],
  ['the token as the user name', basic(`${TOKEN}:`)],
  ['no colon', basic('s3cret')],
  ['an empty password', basic('me:')],
  ['nothing at all', basic('')],
  ['only a colon', basic(':')],
  ['a part of the token', basic('me:s3cret')],
  ['the token and more', basic(`me:${TOKEN} `)],
  ['the token in latin1', basic(Buffer.from(`me:${TOKEN}`, 'latin1'))],
  ['no credentials', 'Basic'],
  ['bad base64', 'Basic !!!!'],
  ['base64 with something between', basic(`me:${TOKEN}`).replace(/(?<=^Basic .{4})/, '!')],
  ['base64 cut short', basic(`me:${TOKEN}`).replace(/=*$/, '').slice(0, -1)],
  ['base64 twice', `${basic(`me:${TOKEN}`)} ${basic(`me:${TOKEN}`)}`],
  ['the token without base64', `Basic me:${encodeURIComponent(TOKEN)}`],
  ['another scheme', basic(`me:${TOKEN}`).replace('Basic', 'Digest')],
  ['a very long password', basic(`me:${'x'.repeat(9000)}`)],
  ['very many blanks', `Basic${' '.repeat(12_000)}x`],
])('%s is refused', async (_, authorization) => {
  const { port } = await serve();
  const got = await ask(port, '/tasks/task-1', as(authorization));
  expect(got.status).toBe(401);
  expect(got.json()).toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  expect(got.text).not.toContain('s3cret');
});

test('credentials longer than the server reads are refused before us', async () => {
  const { port } = await serve();
  const text = `GET /tasks HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(`me:${'x'.repeat(100_000)}`)}\r\n\r\n`;
  // The server hangs up while they still come, and its answer may be lost with the connection.
  const got = await askRaw(port, text).catch((error: NodeJS.ErrnoException) => error.code);
  expect(got).toMatch(/^HTTP\/1\.1 431 |^ECONNRESET$|^EPIPE$/);
});

test('a password, which browsers send by themselves, changes nothing', async () => {
  const { port, taken } = await serve();
  const body = '{"message":"x"}';
  const headers = { accept: FROM_BROWSER, 'content-type': 'application/json', 'content-length': '15' };
  for (const path of ['/tasks', '/tasks/task-1/cancel']) {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const got = await ask(port, path, as(basic(`me:${TOKEN}`), { method, headers, body }));
      expect(got.status, `${method} ${path}`).toBe(401);
      expect(got.headers['www-authenticate'], `${method} ${path}`).toBe(BEARER_CHALLENGE);
    }
  }
  expect(taken).toEqual([]);
});

test('GET and HEAD with a password start and cancel nothing either', async () => {
  const { port, taken } = await serve();
  for (const method of ['GET', 'HEAD']) {
    await ask(port, '/tasks', as(basic(`me:${TOKEN}`), { method }));
    const got = await ask(port, '/tasks/task-1/cancel', as(basic(`me:${TOKEN}`), { method }));
    expect(got.status, method).toBe(405);
  }
  expect(taken).toEqual([]);
});

test('a browser is asked for the password', async () => {
  const { port } = await serve();
  for (const accept of [FROM_BROWSER, 'Text/HTML', 'application/json, text/html;q=0.1']) {
    for (const method of ['GET', 'HEAD']) {
      for (const authorization of [
        {},
        { authorization: basic('me:wrong') },
        { authorization: 'Bearer wrong' },
      ]) {
        const got = await ask(port, '/tasks', { method, headers: { accept, ...authorization } });
        expect([got.status, got.headers['www-authenticate']], `${method} ${accept}`).toEqual([
          401,
          BOTH_CHALLENGES,
        ]);
      }
    }
  }
  // Each scheme in a header of its own: not every client reads two from one.
  const raw = await askRaw(
    port,
    'GET /tasks HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n',
  );
  expect(raw.match(/^WWW-Authenticate: .*$/gim)).toEqual([
    `WWW-Authenticate: ${BEARER_CHALLENGE}`,
    'WWW-Authenticate: Basic realm="tasktrail", charset="UTF-8"',
  ]);
});

test('programs are asked for the bearer token only', async () => {
  const { port } = await serve();
  for (const headers of [
    {},
    { accept: '*/*' },
    { accept: 'application/json' },
    { accept: 'text/event-stream' },
  ]) {
    const got = await ask(port, '/tasks', { headers });
    expect([got.status, got.headers['www-authenticate']]).toEqual([401, BEARER_CHALLENGE]);
  }
});

test('the bearer token opens what it opened before', async () => {
  const { port } = await serve();
  const token = 'plain';
  const metrics = await listen(serveMetrics({ readText: async () => 'up 1\n', token }));
  expect((await ask(metrics, '/metrics', as(`Bearer ${token}`))).text).toBe('up 1\n');
  expect((await ask(metrics, '/metrics', as(basic(`me:${token}`)))).text).toBe('up 1\n');
  // Without a colon it is a user name alone.
  expect((await ask(metrics, '/metrics', as(basic(token)))).status).toBe(401);
  const refused = await ask(
    metrics,
    '/metrics',
    as(basic('me:other'), { headers: { accept: FROM_BROWSER } }),
  );
  expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, BOTH_CHALLENGES]);
  // A bearer token is not base64, and a password is no bearer token.
  const swapped = basic(`me:${TOKEN}`).replace('Basic', 'Bearer');
  expect((await ask(port, '/tasks', as(swapped))).status).toBe(401);
});
