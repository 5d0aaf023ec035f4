import { expect, test } from 'vitest';
import { type OtlpSpan, plainFromKeyValues } from '../../src/model/otlp.ts';
import { sha256 } from '../../src/model/sha256.ts';
import { derivedSpanId, derivedTraceId } from '../../src/model/workflow-span.ts';
import type { WorkflowFact } from '../../src/project/change.ts';
import { WorkflowFold } from '../../src/project/workflow-fold.ts';
import { spanId, TRACE_ID } from '../support/records.ts';
import {
  phaseEnd,
  phaseStart,
  stepEnd,
  stepStart,
  WORKFLOW_ID,
  workflowEnd,
  workflowFact,
} from './workflow-facts.ts';

function spansOf(facts: readonly WorkflowFact[], isOver = false): OtlpSpan[] {
  const fold = new WorkflowFold(WORKFLOW_ID, sha256);
  fold.add(facts);
  return [...fold.spans(isOver)];
}

function named(spans: readonly OtlpSpan[], name: string): OtlpSpan {
  const found = spans.find((span) => span.name === name);
  if (found === undefined) throw new Error(`no ${name} among ${spans.map((span) => span.name).join(', ')}`);
  return found;
}

const RUN = [
  workflowFact(0, 'workflow_start', {}, { name: 'faber' }),
  phaseStart(1, 'build'),
  stepStart(2, 'build', 'test'),
  workflowFact(3, 'artifact_create', { artifact: { type: 'pr', path: '/1' }, step: 'test' }),
  stepEnd(4, 'build', 'test', 'failure'),
  phaseEnd(5, 'build', 'failure'),
  workflowEnd(6, 'failure'),
];

test('events without spans give one complete trace, named after the workflow', () => {
  const spans = spansOf(RUN);
  const traceId = derivedTraceId(WORKFLOW_ID, sha256);
  expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
  const workflow = named(spans, 'workflow faber');
  const phase = named(spans, 'phase build');
  const step = named(spans, 'step test');
  expect([workflow.parentSpanId, phase.parentSpanId, step.parentSpanId]).toEqual([
    undefined,
    workflow.spanId,
    phase.spanId,
  ]);
  const identity = { workflowId: WORKFLOW_ID, phase: 'build', step: 'test', attempt: 1 };
  expect(step.spanId).toBe(derivedSpanId(traceId, identity, sha256));
  expect(step).toMatchObject({
    startTimeUnixNano: `${Date.parse(RUN[2]?.timestamp ?? '')}000000`,
    endTimeUnixNano: `${Date.parse(RUN[4]?.timestamp ?? '')}000000`,
    status: { code: 2 },
    events: [{ name: 'tasktrail.artifact_create' }],
  });
  expect(plainFromKeyValues(step.attributes)).toMatchObject({
    'tasktrail.workflow.id': WORKFLOW_ID,
    'tasktrail.phase.name': 'build',
    'tasktrail.step.name': 'test',
    'tasktrail.step.status': 'failure',
    'error.type': 'step_failed',
  });
  expect(plainFromKeyValues(workflow.attributes)).toMatchObject({
    'gen_ai.operation.name': 'invoke_workflow',
    'cicd.pipeline.result': 'failure',
  });
});

test('the context of the first caller is trace and parent, and later processes stay in it', () => {
  const context = { trace_id: TRACE_ID, parent_id: spanId(7) };
  const [start, ...rest] = RUN;
  const elsewhere = rest.map((fact) => ({ ...fact, trace_id: 'f'.repeat(32), parent_id: spanId(8) }));
  const spans = spansOf([{ ...(start ?? workflowFact(0, 'workflow_start')), ...context }, ...elsewhere]);
  expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([TRACE_ID]));
  const ids = new Set([spanId(7), ...spans.map((span) => span.spanId)]);
  for (const span of spans) expect(ids).toContain(span.parentSpanId);
});

test('each attempt has its own span below the attempt of its phase', () => {
  const spans = spansOf([
    workflowFact(0, 'workflow_start'),
    phaseStart(1, 'build'),
    stepStart(2, 'build', 'test'),
    stepEnd(3, 'build', 'test'),
    phaseEnd(4, 'build', 'failure'),
    phaseStart(5, 'build'),
    stepStart(6, 'build', 'test'),
    stepEnd(7, 'build', 'test'),
    phaseEnd(8, 'build'),
  ]);
  const phases = spans.filter(({ name }) => name === 'phase build');
  const steps = spans.filter(({ name }) => name === 'step test');
  expect(phases).toHaveLength(2);
  expect(steps.map((step) => step.parentSpanId)).toEqual(phases.map((phase) => phase.spanId));
});

test('an open node has no span until the workflow is over; then it is a lost span', () => {
  const open = [...RUN.slice(0, 3), workflowEnd(9)];
  expect(spansOf(open).map(({ name }) => name)).toEqual(['workflow faber']);
  const lost = named(spansOf(open, true), 'step test');
  expect(plainFromKeyValues(lost.attributes)).toMatchObject({ 'error.type': 'process_lost' });
  expect(lost.status).toEqual({ code: 2 });
});

test('a step without a known phase is a child of the workflow span', () => {
  const spans = spansOf([stepStart(1, 'a', 's'), stepEnd(2, 'a', 's'), workflowEnd(3)], true);
  expect(named(spans, 'step s').parentSpanId).toBe(named(spans, 'workflow unnamed').spanId);
});

test('a process sends its own open span, and spans of emitted events are its children', () => {
  const announced = workflowFact(
    0,
    'workflow_start',
    {},
    {
      trace_id: TRACE_ID,
      span_id: spanId(1),
      span: { parent_id: null, name: 'workflow x', kind: 1, attributes: {} },
    },
  );
  const spans = spansOf([announced, phaseStart(1, 'a'), phaseEnd(2, 'a'), workflowEnd(3)]);
  expect(spans).toMatchObject([{ name: 'phase a', traceId: TRACE_ID, parentSpanId: spanId(1) }]);
});

test('a span does not end before its start, also after the clock steps back', () => {
  const [span] = spansOf([stepStart(5, 'a', 's'), stepEnd(2, 'a', 's')]);
  expect(span?.endTimeUnixNano).toBe(span?.startTimeUnixNano);
});

test('every span has the name of its workflow, also when the name arrives late', () => {
  const [start, ...rest] = RUN;
  if (start === undefined) throw new Error('no start');
  const late = { ...start, timestamp: RUN.at(-1)?.timestamp ?? '' };
  for (const facts of [RUN, [...rest, late]]) {
    const names = spansOf(facts).map(
      ({ attributes }) => plainFromKeyValues(attributes)['gen_ai.workflow.name'],
    );
    expect(names).toEqual(['faber', 'faber', 'faber']);
  }
  const unnamed = spansOf(rest, true).map(({ attributes }) => plainFromKeyValues(attributes));
  expect(unnamed.length).toBeGreaterThan(1);
  for (const attributes of unnamed) expect(attributes).not.toHaveProperty('gen_ai.workflow.name');
});
