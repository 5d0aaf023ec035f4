import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import type { Reader } from '../../src/serve/reader.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { allowOtherAnswers } from '../support/watch-answers.ts';
import { ask, askRaw, listen, tempDir, writeTask } from './log-server.ts';

const METADATA = { task_id: 'task-1', source: 'webhook', provider: 'github', status: 'completed' };
const INPUT = { message: 'fix it', source_metadata: { provider: 'github', issue_number: 7 } };
const RESULT = { success: true, result: 'done', error: null, status: 'completed' };
const STAGES = [{ stage: 'received' }, { stage: 'task_created' }];
const OUTPUT = [
  { type: 'output', content: 'hällo\n' },
  { type: 'result', content: 'done' },
];

function lines(objects: readonly unknown[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('');
}

async function serveOneTask(): Promise<{ port: number; dir: string }> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', {
    metadata: METADATA,
    input: INPUT,
    webhookFlow: lines(STAGES),
    agentOutput: lines(OUTPUT),
    result: RESULT,
  });
  return { dir, port: await listen(serveLogs({ reader: createReader(dir) })) };
}

const EVERY_PATH = ['metadata', 'input', 'webhook-flow', 'agent-output', 'final-result', 'full'];

test('each of the six log endpoints gives its part of the task', async () => {
  const { port } = await serveOneTask();
  const expected: Record<string, unknown> = {
    metadata: METADATA,
    input: INPUT,
    'webhook-flow': STAGES,
    'agent-output': OUTPUT,
    'final-result': RESULT,
    full: {
      metadata: METADATA,
      input: INPUT,
      webhook_flow: STAGES,
      agent_output: OUTPUT,
      final_result: RESULT,
    },
  };
  for (const [name, value] of Object.entries(expected)) {
    const got = await ask(port, `/tasks/task-1/logs/${name}`);
    expect(got.status, name).toBe(200);
    expect(got.json(), name).toEqual(value);
  }
});

test('every JSON answer has its type, no-store and nosniff', async () => {
  const { port } = await serveOneTask();
  const paths = [...EVERY_PATH.map((name) => `/tasks/task-1/logs/${name}`), '/tasks', '/tasks/task-1'];
  for (const path of paths) {
    const { headers } = await ask(port, path);
    expect(headers['content-type'], path).toBe('application/json; charset=utf-8');
    expect(headers['cache-control'], path).toBe('no-store');
    expect(headers['x-content-type-options'], path).toBe('nosniff');
  }
});

test('HEAD answers like GET, without the body', async () => {
  const { port } = await serveOneTask();
  const paths = [...EVERY_PATH.map((name) => `/tasks/task-1/logs/${name}`), '/tasks', '/tasks/task-1'];
  for (const path of paths) {
    const get = await ask(port, path);
    const head = await ask(port, path, { method: 'HEAD' });
    expect(head.status, path).toBe(200);
    expect(head.text, path).toBe('');
    expect(head.headers['content-type'], path).toBe(get.headers['content-type']);
    expect(head.headers['content-length'], path).toBe(get.headers['content-length']);
    expect(head.headers['task-logs-skipped-lines'], path).toBe(get.headers['task-logs-skipped-lines']);
  }
  expect((await ask(port, '/tasks/task-2/logs/full', { method: 'HEAD' })).status).toBe(404);
});

test('a missing task is a 404 problem on every path', async () => {
  const { port } = await serveOneTask();
  for (const path of ['', ...EVERY_PATH.map((name) => `/logs/${name}`)]) {
    const got = await ask(port, `/tasks/task-2${path}`);
    expect(got.status, path).toBe(404);
    expect(got.headers['content-type'], path).toBe('application/problem+json');
    expect(got.headers['x-content-type-options'], path).toBe('nosniff');
    expect(got.json(), path).toEqual({
      type: 'urn:tasktrail:problem:not-found',
      title: 'Not found',
      status: 404,
      detail: expect.stringContaining('task-2'),
      code: 'ERR_NOT_FOUND',
    });
  }
});

test('a missing file is a 404, and its key is left out of full', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1');
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  for (const name of ['metadata', 'input', 'final-result'])
    expect((await ask(port, `/tasks/task-1/logs/${name}`)).status, name).toBe(404);
  const empty = await ask(port, '/tasks/task-1/logs/full');
  expect(empty.status).toBe(200);
  expect(empty.json()).toEqual({});

  writeTask(dir, 'task-1', { input: INPUT, webhookFlow: lines(STAGES) });
  const some = await ask(port, '/tasks/task-1/logs/full');
  expect(some.json()).toEqual({ input: INPUT, webhook_flow: STAGES });
});

test('a task without lines of a kind has an empty flow; a place in it is gone', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1');
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  for (const name of ['webhook-flow', 'agent-output']) {
    for (const query of ['', '?limit=5', '?tail=5']) {
      const got = await ask(port, `/tasks/task-1/logs/${name}${query}`);
      expect([got.status, got.json(), got.headers['task-logs-skipped-lines']], query).toEqual([200, [], '0']);
    }
    expect((await ask(port, `/tasks/task-1/logs/${name}?after=event-1`)).status).toBe(410);
    expect((await ask(port, `/tasks/task-2/logs/${name}`)).status).toBe(404);
  }
});

test('an empty flow file is an empty array', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { webhookFlow: '', agentOutput: '' });
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  for (const name of ['webhook-flow', 'agent-output']) {
    const got = await ask(port, `/tasks/task-1/logs/${name}`);
    expect(got.status).toBe(200);
    expect(got.text).toBe('[]');
    expect(got.headers['task-logs-skipped-lines']).toBe('0');
  }
  expect((await ask(port, '/tasks/task-1/logs/full')).json()).toEqual({ webhook_flow: [], agent_output: [] });
});

test('bad lines are left out and counted, in a flow and in full', async () => {
  const dir = await tempDir();
  const [first, second] = OUTPUT;
  const text = `${JSON.stringify(first)}\n{"torn":\n[1]\n"text"\nnull\n\n${JSON.stringify(second)}\n{"being wri`;
  writeTask(dir, 'task-1', { agentOutput: text, webhookFlow: 'nonsense\n', metadata: '{"half":' });
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  const flow = await ask(port, '/tasks/task-1/logs/agent-output');
  expect(flow.json()).toEqual(OUTPUT);
  expect(flow.headers['task-logs-skipped-lines']).toBe('5');

  const full = await ask(port, '/tasks/task-1/logs/full');
  expect(full.status).toBe(200);
  expect(full.json()).toEqual({ webhook_flow: [], agent_output: OUTPUT });
  // Five lines of 03, one of 02, and the damaged metadata.
  expect(full.headers['task-logs-skipped-lines']).toBe('7');
});

test('a damaged document is a 503 that names the file and not the directory', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: '{"half":', input: '[]', result: '' });
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  const files = { metadata: 'metadata.json', input: '01-input.json', 'final-result': '04-final-result.json' };
  for (const [name, file] of Object.entries(files)) {
    const got = await ask(port, `/tasks/task-1/logs/${name}`);
    expect(got.status, name).toBe(503);
    expect(got.json(), name).toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      detail: expect.stringContaining(file),
    });
    expect(got.text, name).not.toContain(dir);
  }
});

test.each([
  '..%2f..%2fetc',
  '%2e%2e',
  '..',
  '.',
  '%2Fetc%2Fpasswd',
  '..%5c..%5cetc',
  'task-1%00',
  'task-1%0a',
  '_workflow',
  '-rf',
  '.hidden',
  'task%201',
  't%C3%A4sk',
  'x'.repeat(1000),
])('the task id %s is refused as an id, on every path', async (id) => {
  const dir = await tempDir();
  // A file that an id with a path would reach.
  writeTask(join(dir, 'etc'), '.', { metadata: { secret: true } });
  writeTask(join(dir, 'logs'), 'task-1', { metadata: METADATA });
  writeTask(join(dir, 'logs'), '_workflow', { metadata: { secret: true } });
  const port = await listen(serveLogs({ reader: createReader(join(dir, 'logs')) }));
  for (const path of ['', ...EVERY_PATH.map((name) => `/logs/${name}`)]) {
    const got = await ask(port, `/tasks/${id}${path}`);
    expect(got.status, path).toBe(400);
    expect(got.json(), path).toMatchObject({ status: 400, code: 'ERR_ID_INVALID' });
    expect(got.headers['content-type'], path).toBe('application/problem+json');
  }
});

test('an id that could not be a path never reaches the reader', async () => {
  const asked: string[] = [];
  const note = async (id: string): Promise<undefined> => {
    asked.push(id);
  };
  const reader: Reader = {
    ...createReader(await tempDir()),
    hasTask: async (id) => (await note(id)) ?? false,
    readDocument: note,
    openFlow: note,
    readWorkflow: note,
  };
  const port = await listen(serveLogs({ reader }));
  for (const path of ['', ...EVERY_PATH.map((name) => `/logs/${name}`)]) {
    expect((await ask(port, `/tasks/..%2fetc${path}`)).status, path).toBe(400);
  }
  for (const path of ['/workflows/..%2fetc', '/workflows/..%2fetc/events', '/workflows/x.trace']) {
    expect((await ask(port, path)).json(), path).toMatchObject({ status: 400, code: 'ERR_ID_INVALID' });
  }
  expect(asked).toEqual([]);
});

test('malformed percent-encoding is a 400 problem', async () => {
  const { port } = await serveOneTask();
  for (const path of ['/tasks/%zz', '/tasks/%/logs/metadata', '/tasks/%c3%28/logs/full', '/tasks/task-1%']) {
    const got = await ask(port, path);
    expect(got.status, path).toBe(400);
    expect(got.json(), path).toMatchObject({ code: 'ERR_ID_INVALID' });
  }
});

test('a path with dot segments finds nothing', async () => {
  const { port } = await serveOneTask();
  for (const path of [
    '/tasks/../../etc/passwd',
    '/tasks//etc/passwd/logs/metadata',
    '//tasks/task-1',
    '/tasks/task-1/../task-1',
  ]) {
    const got = await ask(port, path);
    expect(got.status, path).toBe(404);
    expect(got.json(), path).toMatchObject({ code: 'ERR_NOT_FOUND' });
  }
  const raw = await askRaw(
    port,
    'GET /tasks/..%2f..%2f..%2fetc%2fpasswd/logs/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  expect(raw).toMatch(/^HTTP\/1\.1 400 /);
});

test('a known path with another method is a 405 with the allowed ones', async () => {
  const { port } = await serveOneTask();
  for (const name of EVERY_PATH) {
    const got = await ask(port, `/tasks/task-1/logs/${name}`, { method: 'DELETE' });
    expect(got.status, name).toBe(405);
    expect(got.headers.allow, name).toBe('GET, HEAD');
    expect(got.json(), name).toMatchObject({ code: 'ERR_METHOD_NOT_ALLOWED' });
  }
  const list = await ask(port, '/tasks', { method: 'PUT' });
  expect(list.status).toBe(405);
  expect(list.headers.allow).toBe('GET, HEAD, POST');
  expect((await ask(port, '/tasks/task-1', { method: 'POST' })).status).toBe(405);
});

test('an unknown path is a 404 problem without a next handler', async () => {
  const { port } = await serveOneTask();
  for (const path of [
    '/',
    '/nothing',
    '/tasks/task-1/logs',
    '/tasks/task-1/logs/trace',
    '/tasks/task-1/x/y',
  ]) {
    const got = await ask(port, path);
    expect(got.status, path).toBe(404);
    expect(got.json(), path).toMatchObject({ code: 'ERR_NOT_FOUND' });
  }
});

test('a task comes with links to its logs', async () => {
  const { port } = await serveOneTask();
  const got = await ask(port, '/tasks/task-1');
  expect(got.json()).toEqual({
    ...METADATA,
    cost_basis: null,
    activity: null,
    links: {
      metadata: '/tasks/task-1/logs/metadata',
      input: '/tasks/task-1/logs/input',
      webhook_flow: '/tasks/task-1/logs/webhook-flow',
      agent_output: '/tasks/task-1/logs/agent-output',
      final_result: '/tasks/task-1/logs/final-result',
      full: '/tasks/task-1/logs/full',
      workflows: {},
    },
  });
  const { workflows: _none, ...links } = got.json().links as Record<string, string>;
  for (const link of Object.values(links)) expect((await ask(port, link)).status, link).toBe(200);
});

test('a task comes with links to the workflows in it, and to nothing else that its metadata may name', async () => {
  allowOtherAnswers();
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { ...METADATA, workflow_ids: ['workflow-7', '../x', 8, 'w.trace'] } });
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  const workflowsOf = async (id: string): Promise<unknown> =>
    ((await ask(port, `/tasks/${id}`)).json().links as Record<string, unknown>).workflows;
  expect(await workflowsOf('task-1')).toEqual({ 'workflow-7': '/workflows/workflow-7' });
  writeTask(dir, 'task-2', { metadata: { ...METADATA, workflow_ids: 'workflow-7' } });
  expect(await workflowsOf('task-2')).toEqual({});
});

test('a token is needed on every path once it is set', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: METADATA });
  const port = await listen(serveLogs({ reader: createReader(dir), token: 's3cret' }));
  const paths = ['/tasks', '/tasks/task-1', '/tasks/task-1/logs/metadata', '/tasks/..%2f/logs/full'];
  paths.push('/workflows', '/workflows/w', '/workflows/w/events', '/events');
  const wrong = ['', 'Bearer', 'Bearer ', 'Bearer wrong', 'Bearer s3cret2', 'Basic s3cret', 's3cret'];
  for (const path of paths) {
    for (const authorization of wrong) {
      const got = await ask(port, path, { headers: authorization === '' ? {} : { authorization } });
      expect(got.status, `${path} ${authorization}`).toBe(401);
      expect(got.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(got.json()).toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    }
  }
  expect((await ask(port, '/tasks', { method: 'POST' })).status).toBe(401);
  for (const authorization of ['Bearer s3cret', 'bearer s3cret']) {
    expect((await ask(port, '/tasks/task-1', { headers: { authorization } })).status).toBe(200);
  }
  expect(() => serveLogs({ reader: createReader(dir), token: '' })).toThrow(TypeError);
});

test('an unexpected error is a 500 without internals, and goes to the callback', async () => {
  const dir = await tempDir();
  const failure = new RangeError('secret /internal/path');
  const errors: unknown[] = [];
  const reader: Reader = { ...createReader(dir), readDocument: () => Promise.reject(failure) };
  const port = await listen(serveLogs({ reader, onError: (error) => errors.push(error) }));
  const got = await ask(port, '/tasks/task-1');
  expect(got.status).toBe(500);
  expect(got.json()).toMatchObject({ status: 500, code: 'ERR_UNEXPECTED' });
  expect(got.text).not.toContain('secret');
  expect(errors).toEqual([failure]);

  const passing = new TasktrailError('ERR_STORE_UNAVAILABLE', 'busy', { retryable: true });
  const busy: Reader = {
    ...createReader(dir),
    hasTask: async () => true,
    readDocument: () => Promise.reject(passing),
  };
  const busyPort = await listen(serveLogs({ reader: busy }));
  // Only damage is left out of full; what may pass is not passed off as a task without metadata.
  expect((await ask(busyPort, '/tasks/task-1/logs/full')).status).toBe(503);
});

test('a failure in the middle of an answer cuts the connection instead of ending the array', async () => {
  const dir = await tempDir();
  const errors: unknown[] = [];
  const failure = new Error('disk gone');
  const reader: Reader = {
    ...createReader(dir),
    openFlow: async () => ({
      skippedLines: 0,
      lines: async function* () {
        yield JSON.stringify({ content: 'x'.repeat(200_000) });
        throw failure;
      },
      close: async () => {},
    }),
  };
  const port = await listen(serveLogs({ reader, onError: (error) => errors.push(error) }));
  await expect(ask(port, '/tasks/task-1/logs/agent-output')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(errors).toEqual([failure]);
});
