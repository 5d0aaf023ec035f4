import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { receiveWebhooks, serveHealth, serveLogs } from '../src/express.ts';
import type { Trail } from '../src/index.ts';
import { comment, deliver, SECRET } from './support/deliveries.ts';
import { type Listening, listen, openTrail } from './support/receiver.ts';
import { until } from './support/until.ts';

let logDir: string;
let trail: Trail;
const listening: Listening[] = [];

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-express-'));
  trail = await openTrail(logDir, { TASK_LOGS_API_TOKEN: 'a-token-of-the-tests' });
});

afterAll(async () => {
  for (const { close } of listening) await close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

const authorization = 'Bearer a-token-of-the-tests';

async function serve(configure: (app: express.Express) => void): Promise<string> {
  const app = express();
  configure(app);
  const at = await listen(app);
  listening.push(at);
  return at.url;
}

function mountWebhooks(app: express.Express): void {
  app.use(
    '/webhooks',
    receiveWebhooks({
      github: { secret: SECRET },
      onTask: (task) => task.enqueue({ queue: 'agent', system: 'test' }, async () => undefined),
    }),
  );
}

test('webhooks, REST and health mount in an Express app and do not affect its other routes', async () => {
  const url = await serve((app) => {
    mountWebhooks(app);
    app.use('/api', serveLogs(trail));
    app.use(serveHealth(trail));
    app.use(express.json());
    app.post('/webhooks/other', (req, res) => void res.json({ got: req.body }));
  });
  const response = await deliver(url, comment('@agent review'));
  expect(response.status).toBe(202);
  const { task_ids } = (await response.json()) as { task_ids: string[] };
  const task = await until(async () => {
    const found = await fetch(`${url}/api/tasks/${task_ids[0]}`, { headers: { authorization } });
    return found.ok ? found.json() : undefined;
  }, 'the task');
  expect(task).toMatchObject({
    status: 'queued',
    links: { metadata: `/api/tasks/${task_ids[0]}/logs/metadata` },
  });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const other = await fetch(`${url}/webhooks/other`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"a":1}',
  });
  expect(await other.json()).toEqual({ got: { a: 1 } });
});

test.each([
  ['express.json()', () => express.json()],
  ['express.urlencoded() and express.text()', () => express.text({ type: '*/*' })],
])('behind %s a webhook returns 503 and says what to do', async (_what, parser) => {
  const url = await serve((app) => {
    app.use(parser());
    mountWebhooks(app);
  });
  const response = await deliver(url, comment('@agent review'));
  expect(response.status).toBe(503);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as { code: string; detail: string };
  expect(problem.code).toBe('ERR_NOT_CONFIGURED');
  expect(problem.detail).toContain('mount this before express.json()');
});

test('behind express.raw() a webhook works', async () => {
  const url = await serve((app) => {
    app.use(express.raw({ type: '*/*' }));
    mountWebhooks(app);
  });
  expect((await deliver(url, comment('@agent review'))).status).toBe(202);
});

test('the token of the settings protects the API, also with the option `token: undefined`', async () => {
  const url = await serve((app) => {
    app.use('/a', serveLogs(trail));
    app.use('/b', serveLogs(trail, { token: undefined }));
    app.use('/c', serveLogs(trail, { token: 'another-token-of-mine' }));
  });
  for (const path of ['/a/tasks', '/b/tasks', '/c/tasks']) expect((await fetch(url + path)).status).toBe(401);
  expect((await fetch(`${url}/b/tasks`, { headers: { authorization } })).status).toBe(200);
  expect((await fetch(`${url}/c/tasks`, { headers: { authorization } })).status).toBe(401);
  const mine = { authorization: 'Bearer another-token-of-mine' };
  expect((await fetch(`${url}/c/tasks`, { headers: mine })).status).toBe(200);
});

test('the trace links of a task come from the URL templates of the settings', async () => {
  const config = { ...trail.config, traceUrls: ['http://jaeger.test/trace/{trace_id}?task={task_id}'] };
  const url = await serve((app) => {
    mountWebhooks(app);
    app.use('/api', serveLogs({ ...trail, reader: trail.reader, config }));
  });
  const { task_ids } = (await (await deliver(url, comment('@agent review'))).json()) as {
    task_ids: string[];
  };
  const task = await until(async () => {
    const found = await fetch(`${url}/api/tasks/${task_ids[0]}`, { headers: { authorization } });
    return found.ok ? ((await found.json()) as { trace_id: string; links: { traces: string[] } }) : undefined;
  }, 'the task');
  expect(task.trace_id).toMatch(/^[0-9a-f]{32}$/);
  expect(task.links).toMatchObject({
    trace: `http://jaeger.test/trace/${task.trace_id}?task=${task_ids[0]}`,
    traces: [`http://jaeger.test/trace/${task.trace_id}?task=${task_ids[0]}`],
  });
});

test('POST /tasks works with an intake and returns 503 without one', async () => {
  const orders: unknown[] = [];
  const url = await serve((app) => {
    app.use('/closed', serveLogs(trail));
    const intake = { submit: async (order: object) => ({ taskId: `task-${orders.push(order)}` }) };
    app.use('/open', serveLogs(trail, { intake }));
  });
  const post = (path: string): Promise<Response> =>
    fetch(`${url}${path}/tasks`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: '{"message":"x"}',
    });
  expect((await post('/closed')).status).toBe(503);
  const taken = await post('/open');
  expect(taken.status).toBe(202);
  expect(taken.headers.get('location')).toBe('/open/tasks/task-1');
  expect(orders).toEqual([{ message: 'x' }]);
});
