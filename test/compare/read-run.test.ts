import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { CompareReader } from '../../src/compare/compare-reader.ts';
import { readRun } from '../../src/compare/read-run.ts';
import type { RunRecord } from '../../src/compare/run-record.ts';
import type { JsonObject } from '../../src/model/json.ts';
import type { StoredWorkflow } from '../../src/model/workflow.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { tempDir, writeTask } from '../serve/log-server.ts';

const WORKFLOW = 'workflow-1';

function timeOf(second: number): string {
  return new Date(Date.UTC(2026, 10, 1, 10, 0, second)).toISOString();
}

function lines(objects: readonly JsonObject[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('');
}

/** A span as a reader shows it, from one second to another. */
function span(
  name: string,
  attempt: number,
  [from, to]: readonly [number, number],
  more: JsonObject = {},
): JsonObject {
  const { attributes, ...rest } = { attributes: {}, ...more };
  return {
    ...{ name, scope: 'tasktrail', kind: 'internal', status: 'ok', span_id: `${from}-${to}-${name}` },
    ...{ start_time: timeOf(from), duration_ms: 1_000 * (to - from) },
    attributes: { 'tasktrail.task.attempt': attempt, ...attributes },
    ...rest,
  };
}

function artifact(second: number, path: string, taskId = 'task-1'): JsonObject {
  const payload = { artifact: { type: 'report', path } };
  return { event_type: 'artifact_create', timestamp: timeOf(second), task_id: taskId, payload };
}

/** A task with two attempts, of which the second one runs. Its spans and its workflow are not from files. */
async function readerOfTask(): Promise<CompareReader> {
  const dir = await tempDir();
  const call = { type: 'tool_call', tool_name: 'Bash', content: 'Bash', tool_use_id: 'call-1' };
  writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1', status: 'running', attempt: 2, workflow_ids: [WORKFLOW, '../x', 7] },
    agentOutput: lines([
      { ...call, timestamp: timeOf(4) },
      { type: 'tool_result', content: 'ok', tool_use_id: 'call-1', timestamp: timeOf(6) },
      { ...call, timestamp: timeOf(24), attempt: 2 },
    ]),
  });
  const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 7 };
  const spans = lines([
    span('step tests', 1, [3, 8], {
      status: 'error',
      attributes: { 'tasktrail.phase.name': 'build' },
    }),
    span('execute_tool Bash', 1, [4, 6], { attributes: { 'gen_ai.operation.name': 'execute_tool' } }),
    span('phase build', 1, [2, 9]),
    span('invoke_agent', 1, [1, 9], { attributes: agent }),
    span('process task', 1, [0, 10], { kind: 'consumer' }),
    span('phase build', 2, [22, 23]),
  ])
    .trimEnd()
    .split('\n');
  const events = [artifact(5, 'a.md'), artifact(5, 'other.md', 'task-2'), artifact(25, 'b.md')];
  const reader = createReader(dir);
  return {
    hasTask: (id) => reader.hasTask(id),
    readDocument: (id, document) => reader.readDocument(id, document),
    openFlow: (id, flow) => reader.openFlow(id, flow),
    openTrace: async () => ({ skippedLines: 0, lines: () => Readable.from(spans), close: async () => {} }),
    readWorkflow: async (id) => (id === WORKFLOW ? ({ events } as unknown as StoredWorkflow) : undefined),
  };
}

function read(reader: CompareReader, attempt?: number): Promise<RunRecord> {
  const { signal } = new AbortController();
  return readRun(reader, { taskId: 'task-1', attempt }, { words: { task: '', attempt: '' }, signal });
}

test('an attempt has its own phases, steps, calls, artifacts and amounts, in the order of the beginnings', async () => {
  const reader = await readerOfTask();
  const first = await read(reader, 1);
  expect(first.entries).toMatchObject([
    { kind: 'phase', name: 'build', phase: null, seconds: 7, isFailed: false },
    { kind: 'step', name: 'tests', phase: 'build', seconds: 5, isFailed: true },
    { kind: 'tool', name: 'Bash', seconds: 2, isFailed: false },
  ]);
  expect(first).toMatchObject({
    ...{ attempt: 1, status: 'retried', result: null, seconds: 10, inputTokens: 7, costUsd: null },
    ...{ amountsFrom: 'spans', artifacts: ['report a.md'], leftOut: 0 },
  });
  const second = await read(reader);
  expect(second).toMatchObject({ attempt: 2, status: 'running', seconds: null, artifacts: ['report b.md'] });
  expect(second.entries.map(({ kind, seconds, result }) => [kind, seconds, result])).toEqual([
    ['phase', 1, ''],
    ['tool', null, ''],
  ]);
});

/** The names of the entries of a task with these spans, which stand in the order of their ends. */
async function namesOf(spans: readonly JsonObject[]): Promise<readonly string[]> {
  const reader: CompareReader = {
    hasTask: async () => true,
    readDocument: async () => undefined,
    openFlow: async () => undefined,
    openTrace: async () => ({
      skippedLines: 0,
      lines: () => Readable.from(spans.map((one) => JSON.stringify(one))),
      close: async () => {},
    }),
    readWorkflow: async () => undefined,
  };
  return (await read(reader)).entries.map(({ name }) => name);
}

test('phases and steps that begin in the same millisecond are in the order of a slower run', async () => {
  const order = (times: readonly (readonly [number, number])[]): readonly JsonObject[] =>
    ['step a1', 'step a2', 'phase a', 'step b1', 'phase b', 'workflow w'].map((name, index) => {
      const parent = name.startsWith('step')
        ? `phase ${name[5]}`
        : name.startsWith('phase')
          ? 'workflow w'
          : 'root';
      return span(name, 1, times[index] ?? [0, 0], { span_id: name, parent_span_id: parent });
    });
  const slow = order([
    [1, 2],
    [2, 3],
    [0, 3],
    [5, 6],
    [4, 6],
    [0, 7],
  ]);
  const expected = ['a', 'a1', 'a2', 'b', 'b1'];
  expect(await namesOf(slow)).toEqual(expected);
  expect(await namesOf(order([]))).toEqual(expected);
  const half = order([
    [0, 0],
    [0, 4],
    [0, 4],
    [4, 4],
    [4, 4],
    [0, 4],
  ]);
  expect(await namesOf(half)).toEqual(expected);
  // A file of another program: without parents, and with parents in a ring.
  expect(await namesOf(half.map((one) => ({ ...one, parent_span_id: null })))).toHaveLength(5);
  const ring = half.map((one) => ({
    ...one,
    parent_span_id: one.span_id === 'phase a' ? 'step a1' : 'phase a',
  }));
  expect(await namesOf(ring)).toHaveLength(5);
});

test('steps that ran side by side from the same millisecond are in the order of their names', async () => {
  const one = [span('step y', 1, [0, 2]), span('step x', 1, [0, 3])];
  const other = [span('step x', 1, [0, 2]), span('step y', 1, [0, 3])];
  expect(await namesOf(one)).toEqual(await namesOf(other));
});

test('equal inputs have equal hashes, whatever the order of their keys', async () => {
  const dir = await tempDir();
  const call = (input: JsonObject): JsonObject => ({
    type: 'tool_call',
    tool_name: 'Read',
    content: '',
    tool_input: input,
  });
  writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1' },
    agentOutput: lines([call({ a: 1, b: [2] }), call({ b: [2], a: 1 }), call({ a: 1, b: [3] })]),
  });
  const [one, two, three] = (await read(createReader(dir))).entries.map(({ input }) => input);
  expect(one).toBe(two);
  expect(three).not.toBe(one);
});

test('calls beyond the bound are counted', async () => {
  const dir = await tempDir();
  const call = { type: 'tool_call', tool_name: 'Read', content: '' };
  writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1' },
    agentOutput: lines([call]).repeat(20_005),
  });
  const { entries, leftOut } = await read(createReader(dir));
  expect([entries.length, leftOut]).toEqual([20_000, 5]);
});
