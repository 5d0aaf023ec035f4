import { expect, test } from 'vitest';
import { keyValuesFromPlain } from '../../src/model/otlp.ts';
import { AnnouncedSpans, spanKey } from '../../src/project/announced-spans.ts';
import type { FactLine } from '../../src/project/change.ts';
import { projectSpan } from '../../src/project/span.ts';
import { fact, span, spanId, T0, TRACE_ID } from '../support/records.ts';

const ID = spanId(1);

test('a span is stored once in each task that it or its resource names', () => {
  const change = projectSpan(
    span({
      id: ID,
      attributes: { 'tasktrail.task.ids': ['task-1', 'task-2', '../bad'] },
      resource: keyValuesFromPlain({ 'tasktrail.task.id': 'task-2' }),
    }),
  );
  expect(change).toMatchObject({ kind: 'span', taskIds: ['task-1', 'task-2'] });
});

test('a span is foreign unless its instrumentation scope is tasktrail', () => {
  const attributes = { 'tasktrail.task.id': 'task-1' };
  const own = { ...span({ id: ID, attributes }), scope: { name: 'tasktrail', version: '9' } };
  expect(projectSpan(own)).toMatchObject({ isForeign: false });
  expect(projectSpan(span({ id: ID, attributes }))).toMatchObject({ isForeign: true });
  expect(projectSpan({ ...own, scope: { name: '' } })).toMatchObject({ isForeign: true });
});

test('a span line is an export request with one span', () => {
  const received = span({ id: ID });
  const change = projectSpan(received);
  const line: unknown = change.kind === 'span' ? JSON.parse(change.line) : undefined;
  expect(line).toEqual({
    resourceSpans: [
      { resource: received.resource, scopeSpans: [{ scope: { name: 'test' }, spans: [received.span] }] },
    ],
  });
});

test('a span without a task belongs to a workflow or a delivery, or is unattributed', () => {
  const kindOf = (attributes: Record<string, string>): string =>
    projectSpan(span({ id: ID, attributes })).kind;
  expect(kindOf({ 'tasktrail.workflow.id': 'workflow-1' })).toBe('workflow-span');
  expect(kindOf({ 'tasktrail.webhook.provider': 'github' })).toBe('nothing');
  expect(kindOf({})).toBe('unattributed');
  expect(kindOf({ 'tasktrail.task.id': '../x' })).toBe('rejected');
});

const START: Partial<FactLine> & { number: number } = {
  number: 0,
  span_id: ID,
  span: { parent_id: spanId(9), name: 'step x', kind: 1, attributes: { a: 1, b: 1 } },
};

function build(
  facts: readonly FactLine[],
  situation: { isOver?: boolean; lastMs?: number; arrived?: string } = {},
) {
  const spans = new AnnouncedSpans();
  for (const line of facts) spans.add(line);
  return spans.build({
    hasArrived: (key) => key === situation.arrived,
    isOver: situation.isOver ?? false,
    lastTimestamp: new Date(T0 + (situation.lastMs ?? 0)).toISOString(),
  });
}

test('a span is built from its start and an end that asks for it, in either order', () => {
  const end = fact({ number: 40, span_id: ID, derive: { attributes: { b: 2 } } });
  const [built] = build([fact(START), end]);
  expect(built).toEqual({
    traceId: TRACE_ID,
    spanId: ID,
    parentSpanId: spanId(9),
    flags: 1,
    name: 'step x',
    kind: 1,
    startTimeUnixNano: `${T0}000000`,
    endTimeUnixNano: `${T0 + 40}000000`,
    attributes: keyValuesFromPlain({ a: 1, b: 2 }),
  });
  expect(build([end, fact(START)])).toEqual([built]);
});

test('an end with an error type makes the span an error', () => {
  const end = fact({ number: 40, span_id: ID, derive: { attributes: { 'error.type': 'timeout' } } });
  expect(build([fact(START), end])).toMatchObject([{ status: { code: 2 } }]);
});

test('a missing span ends with the last record, as lost, when the task is over', () => {
  expect(build([fact(START)], { lastMs: 70 })).toEqual([]);
  expect(build([fact(START)], { isOver: true, lastMs: 70 })).toMatchObject([
    {
      endTimeUnixNano: `${T0 + 70}000000`,
      status: { code: 2 },
      attributes: keyValuesFromPlain({ a: 1, b: 1, 'error.type': 'process_lost' }),
    },
  ]);
});

test('a span does not end before its start, also after the clock steps back', () => {
  const end = fact({ number: -40, span_id: ID, derive: { attributes: {} } });
  expect(build([fact(START), end])).toMatchObject([{ endTimeUnixNano: `${T0}000000` }]);
});

test('a span that has arrived is not built; the same id in another trace is another span', () => {
  expect(build([fact(START)], { isOver: true, arrived: spanKey(TRACE_ID, ID) })).toEqual([]);
  const other = spanKey('1af7651916cd43dd8448eb211c80319c', ID);
  expect(build([fact(START)], { isOver: true, arrived: other })).toHaveLength(1);
});

test('a span is built once', () => {
  const spans = new AnnouncedSpans();
  spans.add(fact(START));
  const situation = { hasArrived: () => false, isOver: true, lastTimestamp: '' };
  expect(spans.build(situation)).toHaveLength(1);
  expect(spans.build(situation)).toEqual([]);
  expect(spans.isMissingAny(() => false)).toBe(true);
  expect(spans.isMissingAny(() => true)).toBe(false);
});

test('the earlier of two announcements of a span is used', () => {
  const late = fact({
    ...START,
    number: 30,
    span: { parent_id: null, name: 'late', kind: 1, attributes: {} },
  });
  for (const facts of [
    [fact(START), late],
    [late, fact(START)],
  ])
    expect(build(facts, { isOver: true })).toMatchObject([{ name: 'step x' }]);
});
