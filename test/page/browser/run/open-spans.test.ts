import { expect, test } from 'vitest';
import type { Span, Task, Workflow } from '../../../../src/client/api/shapes.ts';
import { withOpenSpans } from '../../../../src/page/browser/run/open-spans.ts';
import { span } from '../../../support/live-span.ts';

const at = (seconds: number): string =>
  new Date(Date.parse('2026-01-02T03:04:05Z') + seconds * 1_000).toISOString();

const task = (more: object = {}): Task =>
  ({
    task_id: 'task-1',
    status: 'running',
    started_at: at(0),
    attempt: 1,
    assigned_agent: 'claude',
    activity: { waits_for: { kind: 'tool', name: 'Bash', tool_use_id: 't2', since: at(9) } },
    ...more,
  }) as unknown as Task;

const level = (phase: string | null, step: string | null, to: string | null = null): object => ({
  phase,
  step,
  started_at: at(1),
  completed_at: to,
});
const workflow = {
  workflow_id: 'w',
  name: 'review',
  levels: [level(null, null), level('plan', null, at(2)), level('build', null), level('build', 'run')],
} as unknown as Workflow;

const tool = span('t1', 'agent-not-ended', [1, 2], {
  name: 'execute_tool Bash',
  attributes: { 'gen_ai.operation.name': 'execute_tool', 'tasktrail.task.attempt': 1 },
}) as Span;

const shown = (spans: ReturnType<typeof withOpenSpans>): string[] =>
  spans.map(({ span_id: id, parent_span_id: parent, name }) => `${parent} > ${id}: ${name}`);

test('what runs now is open, and what has ended stands below it although its parent was not recorded yet', () => {
  expect(shown(withOpenSpans(task(), [workflow], [tool]))).toEqual([
    'open-agent > t1: execute_tool Bash',
    'null > open-attempt: process',
    'open-attempt > open-w--: workflow review',
    'open-w-- > open-w-build-: phase build',
    'open-w-build- > open-w-build-run: step run',
    'open-w-build-run > open-agent: invoke_agent claude',
    'open-agent > open-tool: execute_tool Bash',
  ]);
});

test('spans with a known parent, of another attempt, and from the queue stay where they are', () => {
  const parent = span('p', null, [0, 1]) as Span;
  const child = span('c', 'p', [0, 1]) as Span;
  const earlier = span('e', 'gone', [0, 1], { attributes: { 'tasktrail.task.attempt': 1 } }) as Span;
  const queued = span('q', 'gone', [0, 1], { kind: 'producer' }) as Span;
  const found = shown(
    withOpenSpans(task({ attempt: 2, activity: null }), [], [parent, child, earlier, queued]),
  );
  expect(found.slice(0, 4)).toEqual(['null > p: p', 'p > c: c', 'gone > e: e', 'gone > q: q']);
  expect(found.slice(4)).toEqual(['q > open-attempt: process']);
});

test('a tool that has ended since the task was read is not open', () => {
  const ended = span('t2', 'a', [9_000, 10_000], {
    attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.call.id': 't2' },
  }) as Span;
  const ids = (spans: readonly Span[]): string[] =>
    withOpenSpans(task(), [], spans).map(({ span_id: id }) => id);
  expect(ids([ended])).not.toContain('open-tool');
  const before = { ...ended, start_time: at(1), end_time: at(2) };
  expect(ids([before])).toContain('open-tool');
});

test('a task that does not run has no open spans', () => {
  for (const status of ['queued', 'completed', 'failed'])
    expect(withOpenSpans(task({ status }), [workflow], [tool])).toEqual([tool]);
});
