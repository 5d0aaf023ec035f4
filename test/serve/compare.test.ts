import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { DEADLINE } from '../support/until.ts';
import { ask, type Got, listen, tempDir, writeTask } from './log-server.ts';

function timeOf(second: number): string {
  return `2026-11-01T10:00:${String(second).padStart(2, '0')}.000Z`;
}

interface Call {
  readonly name: string;
  readonly input: JsonObject;
  readonly result: string;
  readonly isError?: boolean;
  readonly attempt?: number;
}

/** The lines of calls, each with its result a second later. */
function callLines(calls: readonly Call[]): string {
  return calls
    .flatMap(({ name, input, result, isError = false, attempt }, at) => {
      const common = { tool_use_id: `call-${at}`, ...(attempt !== undefined && { attempt }) };
      const call = { type: 'tool_call', content: name, tool_name: name, tool_input: input };
      return [
        { timestamp: timeOf(2 * at), event_id: `event-${at}`, ...call, ...common },
        { timestamp: timeOf(2 * at + 1), type: 'tool_result', content: result, is_error: isError, ...common },
      ];
    })
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

const READ: Call = { name: 'Read', input: { path: 'a.ts' }, result: 'text' };
const BASH: Call = { name: 'Bash', input: { command: 'npm test' }, result: 'ok' };

function metadata(taskId: string, more: JsonObject = {}): JsonObject {
  return { task_id: taskId, status: 'completed', attempt: 1, workflow_ids: [], ...more };
}

function result(cost: number): JsonObject {
  const metrics = { cost_usd: cost, input_tokens: 10, output_tokens: 5, duration_seconds: 4 };
  return { success: true, result: 'done', error: null, status: 'completed', metrics };
}

async function serveTasks(): Promise<{ readonly dir: string; readonly port: number }> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', {
    metadata: metadata('task-1'),
    agentOutput: callLines([READ, BASH]),
    result: result(1),
  });
  const other = [READ, { ...BASH, result: 'no', isError: true }];
  writeTask(dir, 'task-2', {
    metadata: metadata('task-2'),
    agentOutput: callLines(other),
    result: result(3),
  });
  writeTask(dir, 'task-3', {
    metadata: metadata('task-3', { attempt: 2 }),
    agentOutput: callLines([READ]) + callLines([{ ...BASH, attempt: 2 }]),
  });
  return { dir, port: await listen(serveLogs({ reader: createReader(dir) })) };
}

test('two tasks side by side', async () => {
  const { port } = await serveTasks();
  const got = await ask(port, '/tasks/task-1/compare?with=task-2');
  expect(got.status).toBe(200);
  const row = {
    number: 2,
    differs: ['result', 'outcome'],
    a: {
      number: 2,
      kind: 'tool',
      name: 'Bash',
      at: timeOf(2),
      seconds: 1,
      failed: false,
      event_id: 'event-1',
    },
    b: {
      number: 2,
      kind: 'tool',
      name: 'Bash',
      at: timeOf(2),
      seconds: 1,
      failed: true,
      event_id: 'event-1',
    },
  };
  expect(got.json()).toEqual({
    a: { task_id: 'task-1', attempt: 1, status: 'completed', entries: 2, amounts_from: 'result' },
    b: { task_id: 'task-2', attempt: 1, status: 'completed', entries: 2, amounts_from: 'result' },
    first_divergence: row,
    differences: [
      { difference: 'cost_usd', a: 1, b: 3, b_minus_a: 2 },
      { difference: 'failed_calls', tool: 'Bash', a: 0, b: 1, b_minus_a: 1 },
    ],
    differences_left_out: 0,
    rows: [row],
    rows_left_out: 0,
    cut: null,
  });
  const all = (await ask(port, '/tasks/task-1/compare?with=task-2&rows=all')).json();
  expect(all.rows).toMatchObject([{ number: 1, differs: [], a: { name: 'Read' } }, row]);
});

test('a task beside itself, and its attempts by number', async () => {
  const { port } = await serveTasks();
  for (const path of ['/tasks/task-1/compare?with=task-1', '/tasks/task-3/compare?with=2']) {
    const same = (await ask(port, path)).json();
    expect(same, path).toMatchObject({ first_divergence: null, differences: [], rows: [], cut: null });
  }
  const attempts = (await ask(port, '/tasks/task-3/compare?attempt=1&with=2')).json();
  expect(attempts).toMatchObject({
    a: { attempt: 1, status: 'retried', entries: 1 },
    b: { attempt: 2, entries: 1 },
    first_divergence: { differs: ['entry'] },
  });
  const other = (await ask(port, '/tasks/task-1/compare?with=task-3&with_attempt=1')).json();
  expect(other).toMatchObject({
    b: { task_id: 'task-3', attempt: 1 },
    rows: [{ a: { name: 'Bash' }, b: null }],
  });
});

const BAD: readonly (readonly [path: string, status: number, detail: RegExp])[] = [
  ['task-1/compare', 400, /^with: name a task/],
  ['task-1/compare?with=', 400, /^with: must not be empty/],
  ['task-1/compare?with=..%2Fetc', 400, /^with /],
  [`task-1/compare?with=${'x'.repeat(5_000)}`, 400, /^with: /],
  ['task-1/compare?with=task-2&with=task-3', 400, /^with: must be given once/],
  ['task-1/compare?with=task-2&attempt=0', 400, /^attempt: must be a number/],
  ['task-1/compare?with=task-2&with_attempt=1e9', 400, /^with_attempt: must be a number/],
  ['task-1/compare?with=1&with_attempt=1', 400, /^with_attempt: with is an attempt/],
  ['task-1/compare?with=task-2&rows=some', 400, /^rows: must be one of different, all/],
  ['task-1/compare?with=task-2&colour=red', 400, /colour/],
  ['task-1/compare?with=task-9', 404, /^with: there is no task task-9/],
  ['task-1/compare?with=2', 404, /^with: there is no attempt 2 of task task-1: it has 1/],
  ['task-1/compare?with=0', 404, /^with: there is no task 0/],
  ['task-1/compare?with=task-3&with_attempt=3', 404, /^with_attempt: .* it has 2/],
  ['task-1/compare?with=task-3&attempt=2', 404, /^attempt: .* it has 1/],
  ['task-9/compare?with=task-1', 404, /^there is no task task-9/],
];

test.each(BAD)('%s is answered with %d and the parameter', async (path, status, detail) => {
  const { port } = await serveTasks();
  const got = await ask(port, `/tasks/${path}`);
  expect(got.status).toBe(status);
  expect(got.headers['content-type']).toBe('application/problem+json');
  expect(got.json().detail).toMatch(detail);
});

test('hostile lines are compared and not obeyed', async () => {
  const { dir, port } = await serveTasks();
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  const lines = [
    `{"type": "tool_call", "tool_name": 7, "tool_input": ${deep}}`,
    `{"type":"tool_call","tool_name":"${'n'.repeat(100_000)}","timestamp":5,"tool_use_id":[]}`,
    '{"type":"tool_result"}',
    '{"type":"tool_call","tool_name":"__proto__","attempt":"x"}',
    '{"type":"tool_',
  ];
  for (const id of ['task-1', 'task-2'])
    appendFileSync(join(dir, id, '03-agent-output.jsonl'), lines.map((line) => `${line}\n`).join(''));
  appendFileSync(join(dir, 'task-2', '03-agent-output.jsonl'), `${lines[3]}\n`);
  const got = await ask(port, '/tasks/task-1/compare?with=task-2');
  expect(got.status).toBe(200);
  expect(got.json()).toMatchObject({ a: { entries: 5 }, b: { entries: 6 } });
  expect(got.text.length).toBeLessThan(10_000);
  expect(got.json().differences).toContainEqual({
    difference: 'calls',
    tool: '__proto__',
    a: 1,
    b: 2,
    b_minus_a: 1,
  });
});

test('two comparisons read at the same time, ten wait, and further ones are refused', async () => {
  const { dir } = await serveTasks();
  let running = 0;
  let most = 0;
  const release: (() => void)[] = [];
  const reader: ReturnType<typeof createReader> = {
    ...createReader(dir),
    openTrace: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return undefined;
    },
  };
  const port = await listen(serveLogs({ reader }));
  const refused: Got[] = [];
  const answers = Array.from({ length: 20 }, async () => {
    const got = await ask(port, '/tasks/task-1/compare?with=task-2');
    if (got.status !== 200) refused.push(got);
    return got.status;
  });
  await expect.poll(() => refused.length, DEADLINE).toBe(8);
  expect(refused[0]?.json()).toMatchObject({ status: 503, code: 'ERR_BUSY', title: 'Too many comparisons' });
  expect(refused[0]?.headers['retry-after']).toBe('10');
  const timer = setInterval(() => {
    for (const done of release.splice(0)) done();
  }, 1);
  const statuses = await Promise.all(answers);
  clearInterval(timer);
  expect(most).toBe(2);
  expect(statuses.filter((status) => status === 200)).toHaveLength(12);
});

test('a client that leaves while its comparison waits frees its place', async () => {
  const { dir } = await serveTasks();
  const release: (() => void)[] = [];
  let opened = 0;
  const reader: ReturnType<typeof createReader> = {
    ...createReader(dir),
    openTrace: async () => {
      opened += 1;
      await new Promise<void>((resolve) => release.push(resolve));
      return undefined;
    },
  };
  const handler = serveLogs({ reader });
  let closed = 0;
  const server = createServer((req, res) => {
    res.once('close', () => {
      closed += 1;
    });
    handler(req, res);
  });
  const path = '/tasks/task-1/compare?with=1';
  const port = await listen(server);
  const first = [ask(port, path), ask(port, path)];
  await expect.poll(() => opened, DEADLINE).toBe(2);
  const gone = new AbortController();
  const left = Array.from({ length: 11 }, () =>
    fetch(`http://127.0.0.1:${port}${path}`, { signal: gone.signal }).then(
      ({ status }) => status,
      () => 'left',
    ),
  );
  // Ten wait.
  expect(await Promise.race(left)).toBe(503);
  gone.abort();
  await expect.poll(() => closed, DEADLINE).toBe(11);
  const timer = setInterval(() => {
    for (const done of release.splice(0)) done();
  }, 1);
  const statuses = (await Promise.all([...first, ask(port, path)])).map(({ status }) => status);
  clearInterval(timer);
  expect(statuses).toEqual([200, 200, 200]);
  // The comparisons of the clients that left were not begun.
  expect(opened).toBe(3);
});

test('a task whose id is a number is named with task:', async () => {
  const { dir, port } = await serveTasks();
  writeTask(dir, '1', { metadata: metadata('1'), agentOutput: callLines([READ]) });
  const got = await ask(port, '/tasks/task-1/compare?with=task:1&with_attempt=1');
  expect(got.json()).toMatchObject({ b: { task_id: '1', entries: 1 } });
  expect((await ask(port, '/tasks/task-1/compare?with=task:')).status).toBe(400);
});
