import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import type { Change } from '../../src/project/change.ts';
import { projectLog } from '../../src/project/log-record.ts';
import { eventId, type LogOptions, log, spanId, TRACE_ID } from '../support/records.ts';

const ID = eventId(1);

function project(options: LogOptions): Change[] {
  return projectLog(log(options), ID);
}

function lineOf(options: LogOptions): JsonObject {
  const [change] = project(options);
  if (change?.kind !== 'line') throw new Error(`not a line: ${JSON.stringify(change)}`);
  return change.line;
}

test('a stage is a line of file 02 with its flat fields under any names', () => {
  const line = lineOf({
    event: 'tasktrail.webhook.immediate_response',
    attributes: {
      'tasktrail.task.id': 'task-1',
      'tasktrail.webhook.provider': 'github',
      'tasktrail.webhook.delivery_id': 'd-1',
      'tasktrail.webhook.stage': 'immediate_response',
      'tasktrail.webhook.type': 'reaction',
      'tasktrail.webhook.content': 'eyes',
      'tasktrail.webhook.labels': ['a', 'b'],
      'tasktrail.webhook.timestamp': 'not ours',
    },
  });
  expect(JSON.stringify(line)).toBe(
    `{"timestamp":"2026-01-02T03:04:05.000Z","stage":"immediate_response","event_id":"${ID}",` +
      '"type":"reaction","content":"eyes","labels":["a","b"]}',
  );
});

test('output is a line of file 03 that starts with the specified fields', () => {
  const line = lineOf({
    event: 'tasktrail.agent.output',
    body: 'Using Read\n',
    attributes: {
      'tasktrail.task.id': 'task-1',
      'tasktrail.agent.output.type': 'tool_call',
      'tasktrail.agent.output.session_id': 's-1',
      'tasktrail.agent.output.stage': 'kept',
      'tasktrail.agent.output.content': 'not ours',
      'gen_ai.tool.name': 'Read',
      'gen_ai.tool.call.id': 'call-1',
      'gen_ai.tool.call.arguments': '{"path":"a"}',
    },
  });
  expect(Object.keys(line).slice(0, 4)).toEqual(['timestamp', 'type', 'content', 'event_id']);
  expect(line).toMatchObject({
    type: 'tool_call',
    content: 'Using Read\n',
    session_id: 's-1',
    stage: 'kept',
    tool_name: 'Read',
    tool_use_id: 'call-1',
    tool_input: { path: 'a' },
  });
});

test('output of an unknown type is plain output, and arguments that are not JSON stay text', () => {
  const line = lineOf({
    event: 'tasktrail.agent.output',
    body: 'x',
    attributes: {
      'tasktrail.task.id': 'task-1',
      'tasktrail.agent.output.type': 'song',
      'gen_ai.tool.call.arguments': '{"cut',
    },
  });
  expect(line).toMatchObject({ type: 'output', tool_input: '{"cut' });
});

test('a foreign record is a system line with its name and attributes, without the task attributes', () => {
  const line = lineOf({
    event: 'codex.tool_decision',
    body: 'allowed',
    attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2, tool: 'shell', ms: 5 },
  });
  expect(line).toMatchObject({
    type: 'system',
    content: 'allowed',
    event: 'codex.tool_decision',
    attributes: { tool: 'shell', ms: 5 },
  });
  expect(line.attributes).toEqual({ tool: 'shell', ms: 5 });
});

test.each([
  [{ severityText: 'warning', severityNumber: 13 }, 'warning'],
  [{ severityNumber: 17 }, 'ERROR'],
  [{ severityText: '', severityNumber: 10 }, 'INFO2'],
  [{ severityNumber: 99 }, undefined],
  [{}, undefined],
])('a foreign record with the severity %j has %s in its line', (severity, expected) => {
  const subject = log({ body: 'x' });
  const [change] = projectLog({ ...subject, record: { ...subject.record, ...severity } }, ID);
  expect(change).toMatchObject({ kind: 'line' });
  expect(change?.kind === 'line' ? change.line.severity : '').toBe(expected);
});

test('a foreign record without a body has its name as content, and a structured body is JSON text', () => {
  expect(lineOf({ event: 'codex.started' }).content).toBe('codex.started');
  expect(lineOf({ body: { a: [1] } }).content).toBe('{"a":[1]}');
});

test('content is cut at 1 MiB, and its original size is kept', () => {
  const line = lineOf({ body: 'é'.repeat(600_000) });
  expect(Buffer.byteLength(String(line.content))).toBe(1_048_576);
  expect(line).toMatchObject({ truncated: true, original_bytes: 1_200_000 });
});

test('a token at the cut of a content is masked before the cut, in text and in JSON', () => {
  const body = `${'q'.repeat(1_048_576 - 20)}ghp_${'B'.repeat(36)}`;
  for (const options of [{ body }, { body: { a: body } }, { body, event: 'tasktrail.agent.output' }]) {
    const { content } = lineOf(options);
    expect(content).toContain('q[reda');
    expect(content).not.toContain('ghp_');
  }
});

test('the resource may name the task, and the record overrides it', () => {
  const resource = { 'tasktrail.task.id': 'task-of-resource' };
  expect(project({ body: 'x', attributes: {}, resource })[0]).toMatchObject({ taskId: 'task-of-resource' });
  expect(project({ body: 'x', resource })[0]).toMatchObject({ taskId: 'task-1' });
});

test.each(['../x', '_lock', '', '.hidden', 'a/b', 7, 'x'.repeat(129)])('the task id %j is rejected', (id) => {
  const changes = project({ body: 'x', attributes: { 'tasktrail.task.id': id } });
  expect(changes).toMatchObject([{ kind: 'rejected' }]);
});

test('a record without a task is unattributed and names its service', () => {
  expect(project({ body: 'x', attributes: {} })).toEqual([{ kind: 'unattributed', service: 'test' }]);
  expect(project({ event: 'tasktrail.task.metadata', body: {}, attributes: {}, resource: {} })).toEqual([
    { kind: 'unattributed', service: 'unknown_service' },
  ]);
});

test.each([
  ['tasktrail.task.metadata', 'text'],
  ['tasktrail.task.result', ['list']],
  ['tasktrail.task.input', { source_metadata: {} }],
])('%s with the body %j is rejected', (event, body) => {
  expect(project({ event, body })).toMatchObject([{ kind: 'rejected' }]);
});

function delivery(body: JsonObject): JsonObject {
  const [change] = project({
    event: 'tasktrail.webhook.delivery',
    body,
    attributes: { 'tasktrail.webhook.provider': 'github' },
  });
  if (change?.kind !== 'delivery') throw new Error(`not a delivery: ${JSON.stringify(change)}`);
  return { ...change.line };
}

test('a delivery that stands for a flood has the count and the counts by reason', () => {
  const line = delivery({ outcome: 'rejected', count: 9_000, reasons: { 'bad signature': 8_999, stale: 1 } });
  expect(line).toMatchObject({ count: 9_000, reasons: { 'bad signature': 8_999, stale: 1 } });
});

test.each<[string, JsonObject]>([
  ['missing', {}],
  ['null', { count: null, reasons: null }],
  ['text', { count: '9', reasons: 'many' }],
  ['negative, broken or endless', { count: -1, reasons: { a: 0.5, b: '1', c: -2 } }],
  ['a list', { count: [1], reasons: [1] }],
])('counts of a delivery that are %s are left out', (_, counts) => {
  const line = delivery({ outcome: 'rejected', ...counts });
  expect(Object.keys(line)).not.toContain('count');
  expect(Object.keys(line)).not.toContain('reasons');
});

test('a heartbeat belongs to its task, and is unattributed without one', () => {
  const event = 'tasktrail.task.heartbeat';
  expect(project({ event })).toEqual([{ kind: 'heartbeat', taskId: 'task-1', attempt: 1 }]);
  const attributes = { 'tasktrail.task.id': 'task-2', 'tasktrail.task.attempt': 3 };
  expect(project({ event, attributes })).toEqual([{ kind: 'heartbeat', taskId: 'task-2', attempt: 3 }]);
  expect(project({ event, attributes: {} })).toMatchObject([{ kind: 'unattributed' }]);
  expect(project({ event, attributes: { 'tasktrail.task.id': '../x' } })).toMatchObject([
    { kind: 'rejected' },
  ]);
});

const START = {
  'tasktrail.task.id': 'task-1',
  'tasktrail.workflow.id': 'workflow-1',
  'tasktrail.span.name': 'workflow review',
  'tasktrail.span.kind': 1,
  'tasktrail.span.parent_id': spanId(9),
};

test('a workflow event of a task is a fact of its workflow, and the span that it announces a fact of the task', () => {
  const changes = project({
    event: 'tasktrail.workflow_start',
    body: { a: 1 },
    attributes: START,
    spanId: spanId(1),
  });
  expect(changes).toMatchObject([
    {
      kind: 'workflow-fact',
      fact: {
        event_type: 'workflow_start',
        workflow_id: 'workflow-1',
        task_id: 'task-1',
        payload: { a: 1 },
        attempt: null,
        key: null,
        phase: null,
        step: null,
        span_id: spanId(1),
        parent_id: spanId(9),
        span: { name: 'workflow review' },
      },
    },
    {
      kind: 'fact',
      taskId: 'task-1',
      line: {
        trace_id: TRACE_ID,
        span_id: spanId(1),
        span: { name: 'workflow review', parent_id: spanId(9) },
        body: { workflow_ids: ['workflow-1'] },
      },
    },
  ]);
});

test('an announcement without span ids is ignored', () => {
  const changes = project({ event: 'tasktrail.workflow_start', body: {}, attributes: START });
  expect(changes).toMatchObject([{ kind: 'workflow-fact' }, { kind: 'fact', taskId: 'task-1' }]);
  expect(changes[1]).not.toHaveProperty('line.span');
});

test.each([
  ['step_start', { phase: 'build', step: { name: 'test' } }, {}, 'build', 'test'],
  ['artifact_create', { artifact: { type: 'pr' }, step: 'test' }, {}, null, 'test'],
  ['phase_skip', { phase: 'release' }, {}, 'release', null],
  ['step_start', {}, { 'tasktrail.phase.name': 'a', 'tasktrail.step.name': 'b' }, 'a', 'b'],
  ['error', 'plain text', {}, null, null],
] as const)('a %s says in payload or attributes what it is about', (type, body, more, phase, step) => {
  const attributes = { 'tasktrail.workflow.id': 'workflow-1', ...more };
  expect(project({ event: `tasktrail.${type}`, body, attributes })).toMatchObject([
    { kind: 'workflow-fact', fact: { phase, step } },
  ]);
});

test.each([
  [2, 2],
  [0, null],
  [1.5, null],
  ['2', null],
])('the attempt %j is read as %j', (given, attempt) => {
  const attributes = { 'tasktrail.workflow.id': 'workflow-1', 'tasktrail.event.attempt': given };
  expect(project({ event: 'tasktrail.workflow_start', body: {}, attributes })).toMatchObject([
    { kind: 'workflow-fact', fact: { attempt } },
  ]);
});

test('a workflow event without a usable workflow id is rejected', () => {
  const attributes = { 'tasktrail.workflow.id': '../x' };
  expect(project({ event: 'tasktrail.step_start', attributes })).toMatchObject([{ kind: 'rejected' }]);
});

test('a workflow id that is the span file name of another workflow is rejected', () => {
  const record = log({
    event: 'tasktrail.workflow_start',
    attributes: { 'tasktrail.workflow.id': 'wf.trace' },
    body: {},
  });
  expect(projectLog(record, 'E1')).toMatchObject([{ kind: 'rejected' }]);
});
