import { createServer } from 'node:http';
import { connect } from 'node:net';
import express from 'express';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import type { Intake, TaskOrder } from '../../src/serve/intake.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { until } from '../support/until.ts';
import { ask, listen, tempDir } from './log-server.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

async function serveIntake(): Promise<{ port: number; orders: TaskOrder[] }> {
  const orders: TaskOrder[] = [];
  const intake: Intake = {
    submit: async (order) => {
      orders.push(order);
      return { taskId: `task-${orders.length}` };
    },
  };
  return { orders, port: await listen(serveLogs({ reader: createReader(await tempDir()), intake })) };
}

function post(port: number, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) {
  return ask(port, '/tasks', { method: 'POST', headers, body });
}

test('a posted task is accepted with its id and address', async () => {
  const { port, orders } = await serveIntake();
  const got = await post(port, '{"message":"fix it","agent":"claude","command":"review"}');
  expect(got.status).toBe(202);
  expect(got.headers.location).toBe('/tasks/task-1');
  expect(got.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(got.json()).toEqual({ status: 'accepted', task_ids: ['task-1'] });
  await post(port, Buffer.from('{"message":" h\u00e4llo\\n"}'), {
    'content-type': 'Application/JSON; charset=utf-8',
  });
  expect(orders).toEqual([
    { message: 'fix it', agent: 'claude', command: 'review' },
    { message: ' h\u00e4llo\n' },
  ]);
});

test.each([
  ['{"message":', 'JSON'],
  ['', 'JSON'],
  ['{"agent":"claude"}', 'message'],
  ['{"message":""}', 'message'],
  ['{"message":" \\n"}', 'message'],
  ['{"message":7}', 'message'],
  ['{"message":"x","agent":["a"]}', 'agent'],
  ['{"message":"x","agent":""}', 'agent'],
  ['{"message":"x","command":null}', 'command'],
  ['{"message":"x","agnet":"claude"}', 'agnet'],
  ['{"message":"x","__proto__":{"a":1}}', '__proto__'],
  ['[]', 'object'],
  ['null', 'object'],
  ['"message"', 'object'],
])('the body %s is refused with the reason', async (body, named) => {
  const { port, orders } = await serveIntake();
  const got = await post(port, body);
  expect(got.status).toBe(400);
  expect(got.json()).toMatchObject({ code: 'ERR_INPUT_INVALID', detail: expect.stringContaining(named) });
  expect(orders).toEqual([]);
});

test('invalid UTF-8 is refused', async () => {
  const { port } = await serveIntake();
  const got = await post(port, Buffer.from('{"message":"\xff"}', 'latin1'));
  expect(got.status).toBe(400);
});

test('a thousand unknown keys come back as a short detail', async () => {
  const { port } = await serveIntake();
  const keys = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}`, 1]));
  const got = await post(port, JSON.stringify({ message: 'x', ...keys }));
  expect(got.status).toBe(400);
  expect(got.text.length).toBeLessThan(1000);
});

test('every type but application/json is a 415, including those of an HTML form', async () => {
  const { port, orders } = await serveIntake();
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
  ]) {
    const got = await post(port, '{"message":"x"}', { 'content-type': type });
    expect(got.status, type).toBe(415);
    expect(got.json(), type).toMatchObject({ code: 'ERR_TYPE_UNSUPPORTED' });
  }
  expect((await post(port, '{"message":"x"}', {})).status).toBe(415);
  const zipped = await post(port, 'x', { ...JSON_TYPE, 'content-encoding': 'gzip' });
  expect(zipped.status).toBe(415);
  expect(zipped.json()).toMatchObject({ code: 'ERR_ENCODING_UNSUPPORTED' });
  expect(orders).toEqual([]);
});

test('a body of more than 1 MiB is a 413, announced or not', async () => {
  const { port, orders } = await serveIntake();
  const fits = JSON.stringify({ message: 'x'.repeat(1_048_576 - '{"message":""}'.length) });
  expect((await post(port, fits)).status).toBe(202);
  const tooLong = JSON.stringify({ message: 'x'.repeat(1_048_577 - '{"message":""}'.length) });
  const announced = await post(port, tooLong, { ...JSON_TYPE, 'content-length': String(tooLong.length) });
  expect(announced.status).toBe(413);
  expect(announced.json()).toMatchObject({ code: 'ERR_TOO_LARGE' });
  const chunked = await post(port, tooLong.repeat(4), { ...JSON_TYPE, 'transfer-encoding': 'chunked' });
  expect(chunked.status).toBe(413);
  expect(orders).toHaveLength(1);
});

test('a client that disconnects during its body starts nothing and is not an internal error', async () => {
  const orders: TaskOrder[] = [];
  const errors: unknown[] = [];
  const intake: Intake = {
    submit: async (order) => {
      orders.push(order);
      return { taskId: 'task-1' };
    },
  };
  let closed = false;
  const app = serveLogs({
    reader: createReader(await tempDir()),
    intake,
    onError: (error) => errors.push(error),
  });
  const server = createServer((req, res) => {
    req.on('close', () => {
      closed = true;
    });
    app(req, res);
  });
  const port = await listen(server);
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(
      'POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"mess',
    );
  });
  server.once('request', () => socket.destroy());
  await until(() => closed, 'the request is closed');
  await new Promise((resolve) => setImmediate(resolve));
  expect(orders).toEqual([]);
  expect(errors).toEqual([]);
});

test('a body that the app has parsed is used, for each body parser', async () => {
  const orders: TaskOrder[] = [];
  const intake: Intake = {
    submit: async (order) => {
      orders.push(order);
      return { taskId: 'task-1' };
    },
  };
  const reader = createReader(await tempDir());
  for (const parser of [
    express.json(),
    express.raw({ type: '*/*' }),
    express.text({ type: '*/*' }),
    express.urlencoded(),
  ]) {
    const app = express();
    app.use(parser);
    app.use('/api', serveLogs({ reader, intake }));
    const port = await listen(createServer(app));
    const got = await ask(port, '/api/tasks', {
      method: 'POST',
      headers: JSON_TYPE,
      body: '{"message":"hi"}',
    });
    expect(got.status).toBe(202);
    expect(got.headers.location).toBe('/api/tasks/task-1');
    const bad = await ask(port, '/api/tasks', { method: 'POST', headers: JSON_TYPE, body: '{"message":""}' });
    expect(bad.status).toBe(400);
  }
  expect(orders).toEqual([{ message: 'hi' }, { message: 'hi' }, { message: 'hi' }, { message: 'hi' }]);
});

test('without an intake a posted task is a 503 with the reason', async () => {
  const port = await listen(serveLogs({ reader: createReader(await tempDir()) }));
  const got = await post(port, '{"message":"x"}');
  expect(got.status).toBe(503);
  expect(got.json()).toMatchObject({ code: 'ERR_NOT_CONFIGURED' });
});

test('an unavailable queue is a 503 with Retry-After, any other failure a 500', async () => {
  const errors: unknown[] = [];
  let failure: Error = new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'redis is away', { retryable: true });
  const intake: Intake = { submit: () => Promise.reject(failure) };
  const reader = createReader(await tempDir());
  const port = await listen(serveLogs({ reader, intake, onError: (error) => errors.push(error) }));
  const away = await post(port, '{"message":"x"}');
  expect(away.status).toBe(503);
  expect(Number(away.headers['retry-after'])).toBeGreaterThan(0);
  expect(away.json()).toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
  expect(errors).toEqual([]);

  failure = new Error('password=1');
  const broken = await post(port, '{"message":"x"}');
  expect(broken.status).toBe(500);
  expect(broken.text).not.toContain('password');
  expect(errors).toEqual([failure]);
});
