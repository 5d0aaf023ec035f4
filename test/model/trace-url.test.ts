import { expect, test } from 'vitest';
import { taskTraceLinks, workflowTraceLinks } from '../../src/model/trace-url.ts';

const TRACE = 'a'.repeat(32);
const IDS = { trace_id: TRACE, task_id: 'task-1', workflow_ids: ['workflow-1', 'workflow-2'] };
const JAEGER = 'http://jaeger.test/trace/{trace_id}';
const ALL = 'http://x.test/{trace_id}?task={task_id}&workflow={workflow_id}';

test('a task has a link per template, and `trace` is the first one', () => {
  expect(taskTraceLinks([JAEGER, ALL], IDS)).toEqual({
    trace: `http://jaeger.test/trace/${TRACE}`,
    traces: [`http://jaeger.test/trace/${TRACE}`, `http://x.test/${TRACE}?task=task-1&workflow=workflow-1`],
  });
});

test('a workflow link has the ids of its trace and of its first task', () => {
  const workflow = { trace_id: TRACE, workflow_id: 'workflow-1', task_ids: ['task-1', 'task-2'] };
  expect(workflowTraceLinks([ALL], workflow).trace).toBe(
    `http://x.test/${TRACE}?task=task-1&workflow=workflow-1`,
  );
});

test('all placeholders are replaced, and other braces are unchanged', () => {
  const template = 'http://x.test/?panes={"a":{"query":"{trace_id}"}}&again={trace_id}&none={}';
  expect(taskTraceLinks([template], IDS).trace).toBe(
    `http://x.test/?panes={"a":{"query":"${TRACE}"}}&again=${TRACE}&none={}`,
  );
});

test('a template with an unknown value yields no link, and the others do', () => {
  expect(taskTraceLinks([ALL, JAEGER], { trace_id: TRACE, task_id: 'task-1' })).toEqual({
    trace: `http://jaeger.test/trace/${TRACE}`,
    traces: [`http://jaeger.test/trace/${TRACE}`],
  });
});

test.each([
  ['no trace', { task_id: 'task-1' }],
  ['the trace id null', { ...IDS, trace_id: null }],
  ['a malformed trace id', { ...IDS, trace_id: '../../x' }],
  ['the all-zero trace id', { ...IDS, trace_id: '0'.repeat(32) }],
  ['a numeric trace id', { ...IDS, trace_id: 1 }],
])('a task with %s has no links', (_what, metadata) => {
  expect(taskTraceLinks([JAEGER], metadata)).toEqual({});
});

test('ids that are not valid path segments yield no link', () => {
  const template = 'http://x.test/{trace_id}/{task_id}';
  expect(taskTraceLinks([template], { ...IDS, task_id: 'a/../b?x#y' })).toEqual({});
  expect(workflowTraceLinks([ALL], { ...IDS, task_ids: ['task-1'], workflow_id: 'x y' })).toEqual({});
});

test('without templates there are no links', () => {
  expect(taskTraceLinks([], IDS)).toEqual({});
});
