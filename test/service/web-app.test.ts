import { request } from 'node:http';
import { createRequire } from 'node:module';
import { expect, onTestFinished, test } from 'vitest';
import { InProcessQueue } from '../../src/queue/in-process-queue.ts';
import { TaskIntake } from '../../src/service/task-intake.ts';
import { type CreateExpress, createWebApp, loadExpress } from '../../src/service/web-app.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { tempDir } from '../support/log-dir.ts';
import { jobOf } from '../support/queue-contract.ts';
import { rawHttp, rawRequest } from '../support/raw-http.ts';
import { listen, openTrail } from '../support/receiver.ts';

const express4 = createRequire(import.meta.url)('express-4') as CreateExpress;

async function open(env: Record<string, string> = {}, createExpress?: CreateExpress): Promise<string> {
  const trail = await openTrail(await tempDir(), env);
  onTestFinished(() => trail.shutdown());
  const { config, reader } = trail;
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  for (const id of ['task-1', 'task-2']) await queue.push(jobOf(id));
  const { app, webhooks } = createWebApp({
    createExpress: createExpress ?? (await loadExpress('this test')),
    config,
    trail,
    intake: new TaskIntake({ config, queue, reader }),
    queue,
    readMetrics: async () => 'tasktrail_x 1\n',
    log: () => {},
  });
  onTestFinished(() => webhooks.close());
  const { url, close } = await listen(app);
  onTestFinished(close);
  return url;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly poweredBy: unknown;
}

/** `fetch` does not let a test choose the Host header. */
function get(url: string, host?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, host === undefined ? {} : { headers: { host } }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      const { statusCode: status = 0, headers } = res;
      res.on('end', () => resolve({ status, text, poweredBy: headers['x-powered-by'] }));
    });
    sent.on('error', reject).end();
  });
}

test.each<[string, CreateExpress | undefined]>([
  ['the installed Express', undefined],
  ['Express 4', express4],
])(
  'health, metrics and REST are served by %s, and an unknown path is a problem document',
  async (_name, create) => {
    const url = await open({}, create);
    expect(await get(`${url}/healthz`)).toMatchObject({ status: 200, poweredBy: undefined });
    expect((await get(`${url}/metrics`)).text).toBe('tasktrail_x 1\n');
    expect((await get(`${url}/api/tasks`)).status).toBe(200);
    expect((await get(`${url}/api/health?x=1`)).status).toBe(400);
    expect(JSON.parse((await get(`${url}/api/health`)).text)).toEqual({
      ...JSON.parse((await get(`${url}/readyz`)).text),
      queue: {
        ...{ name: 'agent', system: 'in_process', problem: null, waiting: 2, running: 0, delayed: 0 },
        oldest: { task_id: 'task-1', created_at: null },
      },
      disk: {
        path: expect.any(String),
        free_bytes: expect.any(Number),
        bytes: expect.any(Number),
        journal_bytes: expect.any(Number),
      },
    });
    const unknown = await get(`${url}/no/such/path`);
    expect(unknown.status).toBe(404);
    expect(JSON.parse(unknown.text)).toMatchObject({ code: 'ERR_NOT_FOUND' });
  },
);

test.each(['localhost', 'localhost:8000', '127.0.0.1:1', '[::1]:8000', 'LOCALHOST'])(
  'without a token the API answers to the loopback name %s',
  async (host) => {
    expect((await get(`${await open()}/api/tasks`, host)).status).toBe(200);
  },
);

test('without a token a run is exported under loopback names only', async () => {
  const url = await open();
  for (const path of ['/tasks/task-1/export', '/TASKS/task-1/Export/', '/tasks/task-1/%65xport']) {
    const { status, text } = await get(url + path, 'evil.example:8000');
    expect([path, status]).toEqual([path, path.includes('%') ? 404 : 401]);
    expect(text).not.toContain('<html');
  }
  expect((await get(`${url}/tasks/task-1/export`)).status).toBe(404);
});

test.each(['/api/tasks', '/api/health', '/metrics'])(
  'without a token %s refuses another name, as after DNS rebinding',
  async (path) => {
    const url = await open();
    const { status, text } = await get(`${url}${path}`, 'evil.example:8000');
    expect(status).toBe(401);
    expect(JSON.parse(text)).toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      detail: '"evil.example:8000" is not a loopback name: set TASK_LOGS_API_TOKEN to serve the API under it',
    });
    expect((await get(`${url}/healthz`, 'evil.example:8000')).status).toBe(200);
  },
);

test('with a token any name is served, to requests that carry it', async () => {
  const url = await open({ TASK_LOGS_API_TOKEN: 'token-of-sixteen' });
  expect((await get(`${url}/api/tasks`, 'logs.example')).status).toBe(401);
  const headers = { authorization: 'Bearer token-of-sixteen' };
  expect((await fetch(`${url}/api/tasks`, { headers })).status).toBe(200);
});

test.each([
  ['GET', '/api/tasks'],
  ['GET', '/metrics'],
  ['POST', '/api/tasks'],
  ['POST', '/api/tasks/task-a/cancel'],
])('without a token a page of another origin gets nothing from %s %s', async (method, path) => {
  const url = await open();
  for (const origin of ['https://evil.example', 'http://localhost:3000', 'null']) {
    const answer = await fetch(url + path, { method, headers: { origin } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  }
  const image = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
  expect((await rawHttp(portOf(url), rawRequest(`${method} ${path} HTTP/1.1`, lines(image)))).status).toBe(
    401,
  );
});

test('a page of a named origin gets answers and errors, also of paths that are not there', async () => {
  const origin = 'https://app.example';
  const url = await open({ TASK_LOGS_CORS_ORIGINS: origin });
  for (const [path, status] of [
    ['/api/tasks', 200],
    ['/metrics', 200],
    ['/api/no/such/path', 404],
  ] as const) {
    const answer = await fetch(url + path, { headers: { origin } });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, origin]);
  }
});

test('a page that the program itself serves may post', async () => {
  const url = await open();
  const headers = { origin: url, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/tasks`, { method: 'POST', headers, body: '{}' });
  expect(answer.status).toBe(400);
});

test.each([
  ['two hosts', ['Host: localhost', 'Host: evil.example'], 400],
  ['a target of another host', ['Host: localhost'], 401],
])('without a token %s are refused', async (what, headers, status) => {
  const url = await open();
  const target = what === 'two hosts' ? '/api/tasks' : 'http://evil.example/api/tasks';
  const answer = await rawHttp(portOf(url), rawRequest(`GET ${target} HTTP/1.1`, headers));
  expect(answer.status).toBe(status);
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function lines(headers: Record<string, string>): string[] {
  return ['Host: localhost', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
}

test('a service that has lost its lease refuses what changes something, and answers what reads', async () => {
  const url = await open();
  setLeaseGuard({ lease: 1, holds: () => false });
  onTestFinished(() => setLeaseGuard(undefined));
  for (const path of ['/webhooks/github', '/api/tasks']) {
    const answer = await fetch(`${url}${path}`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  }
  expect((await get(`${url}/api/tasks`)).status).toBe(200);
});

test('a foreign name for this machine learns whether the service is ready, and no reasons', async () => {
  const url = await open();
  expect(JSON.parse((await get(`${url}/readyz`)).text)).toHaveProperty('reasons');
  for (const host of ['evil.example', 'localhost.evil.example']) {
    const { status, text } = await get(`${url}/readyz`, host);
    expect(status).toBe(200);
    expect(Object.keys(JSON.parse(text)).sort()).toEqual(['status', 'version']);
  }
});

test('with a token the service has any name, and /readyz has its reasons', async () => {
  const url = await open({ TASK_LOGS_API_TOKEN: 'a-token-of-the-tests' });
  expect(JSON.parse((await get(`${url}/readyz`, 'tasktrail.example')).text)).toHaveProperty('reasons');
});
