import { ATTR, PROCESS_LOST } from '../model/attributes.ts';
import { SPAN_KIND, type SpanIds } from '../model/fact.ts';
import { type JsonValue, objectOf } from '../model/json.ts';
import { keyValuesFromPlain, type OtlpSpan, type OtlpSpanEvent } from '../model/otlp.ts';
import { isFailure } from '../model/workflow.ts';
import { derivedSpanId, derivedTraceId, type Hash } from '../model/workflow-span.ts';
import type { PlacedEvent } from './workflow-attempts.ts';
import type { WorkflowParts } from './workflow-completeness.ts';
import { isWorkflow, type NodeAttempt, parentAttempt, payloadOf, statusOf } from './workflow-nodes.ts';

const STATUS_ERROR = 2;

/** A workflow, with the hash function for its span ids. */
export interface SpanSource {
  readonly workflowId: string;
  readonly parts: WorkflowParts;
  readonly hash: Hash;
}

export interface SpanMoment {
  /** Whether nodes without an end will never get one. */
  readonly isOver: boolean;
  /** Time of the last event. */
  readonly lastTimestamp: string;
}

/** The trace of a workflow: that of its start. Later processes may run in other traces. */
export function traceIdOf({ workflowId, parts, hash }: SpanSource): string {
  const workflow = parts.nodes.find(isWorkflow)?.attempts.get(1);
  const candidates = [workflow?.start, workflow?.end, ...parts.events];
  return candidates.find((event) => event?.fact.trace_id)?.fact.trace_id ?? derivedTraceId(workflowId, hash);
}

/** The span of an attempt: announced by its sender, else derived from its identity. */
export function spanIdsOf(attempt: NodeAttempt, workflow: SpanSource): SpanIds {
  const announced = attempt.start?.fact;
  if (announced?.span !== undefined && announced.trace_id !== null && announced.span_id !== null) {
    return { traceId: announced.trace_id, spanId: announced.span_id };
  }
  const { phase, step } = attempt.node;
  return derivedIds(workflow, { phase, step, attempt: attempt.attempt });
}

/**
 * The spans of events that were recorded without one (`emit`): of each attempt with a start and an end, and after the end
 * of the workflow also of attempts with only one of them.
 */
export function workflowSpans(workflow: SpanSource, moment: SpanMoment): OtlpSpan[] {
  const spans: OtlpSpan[] = [];
  for (const node of workflow.parts.nodes) {
    for (const attempt of node.attempts.values()) {
      if (needsSpan(attempt) && isReady(attempt, moment.isOver))
        spans.push(spanOf(attempt, workflow, moment));
    }
  }
  return spans;
}

function derivedIds(
  workflow: SpanSource,
  place: { readonly phase: string | null; readonly step: string | null; readonly attempt: number },
): SpanIds {
  const { workflowId, hash } = workflow;
  const traceId = traceIdOf(workflow);
  return { traceId, spanId: derivedSpanId(traceId, { workflowId, ...place }, hash) };
}

/** Skipped nodes have no span, and the process that holds a span sends it. */
function needsSpan({ start, end }: NodeAttempt): boolean {
  const event = start ?? end;
  return event !== undefined && event.fact.span_id === null;
}

function isReady({ start, end }: NodeAttempt, isOver: boolean): boolean {
  return isOver || (start !== undefined && end !== undefined);
}

function spanOf(attempt: NodeAttempt, workflow: SpanSource, moment: SpanMoment): OtlpSpan {
  const { start, end } = attempt;
  const status = statusOf(attempt);
  const errorType = end === undefined ? PROCESS_LOST : errorTypeOf(attempt, status);
  const startedAt = (start ?? attempt.first).fact.timestamp;
  const endedAt = end?.fact.timestamp ?? moment.lastTimestamp;
  const message = end === undefined ? null : objectOf(payloadOf(end).step).error;
  const parentSpanId = parentIdOf(attempt, workflow);
  return {
    ...spanIdsOf(attempt, workflow),
    ...(parentSpanId !== null && { parentSpanId }),
    flags: 1,
    name: nameOf(attempt, workflow.parts),
    kind: SPAN_KIND.internal,
    startTimeUnixNano: nanosOf(startedAt),
    // After a clock step backwards the end may be before the start.
    endTimeUnixNano: nanosOf(endedAt > startedAt ? endedAt : startedAt),
    attributes: keyValuesFromPlain({ ...attributesOf(attempt, workflow), [ATTR.errorType]: errorType }),
    events: eventsOf(attempt, workflow.parts),
    ...(errorType !== undefined && {
      status: { code: STATUS_ERROR, ...(typeof message === 'string' && { message }) },
    }),
  };
}

function errorTypeOf({ node }: NodeAttempt, status: string | null): string | undefined {
  if (status === 'cancelled') return 'cancelled';
  if (!isFailure(status)) return undefined;
  return isWorkflow(node) ? 'phase_failed' : 'step_failed';
}

/** The span of the parent attempt; without events of the parent, the first attempt of the workflow. */
function parentIdOf(attempt: NodeAttempt, workflow: SpanSource): string | null {
  const { nodes } = workflow.parts;
  if (isWorkflow(attempt.node)) {
    const fact = (attempt.start ?? attempt.end)?.fact;
    // A later process may run in another trace; its parent is no parent here.
    return fact?.trace_id === traceIdOf(workflow) ? fact.parent_id : null;
  }
  const parent = parentAttempt(attempt, nodes);
  if (parent !== undefined) return spanIdsOf(parent, workflow).spanId;
  return derivedIds(workflow, { phase: null, step: null, attempt: 1 }).spanId;
}

function nameOf({ node, start, end }: NodeAttempt, { events }: WorkflowParts): string {
  if (node.step !== null) return `step ${node.step}`;
  if (node.phase !== null) return `phase ${node.phase}`;
  const named = [start, end, ...events].find((event) => event?.fact.name);
  return `workflow ${named?.fact.name ?? 'unnamed'}`;
}

function attributesOf(
  { node, start, end, first }: NodeAttempt,
  { workflowId, parts }: SpanSource,
): Record<string, JsonValue | undefined> {
  const { fact } = start ?? end ?? first;
  const status = end === undefined ? undefined : objectOf(payloadOf(end).step).status;
  const skill = [start, end].map((event) => event && objectOf(payloadOf(event).step).skill).find(isText);
  const name = parts.events.find((event) => event.fact.name)?.fact.name ?? undefined;
  return {
    [ATTR.workflowId]: workflowId,
    [ATTR.workItemId]: fact.work_item_id ?? undefined,
    [ATTR.taskId]: fact.task_id ?? undefined,
    [ATTR.genAiWorkflowName]: name,
    [ATTR.phaseName]: node.phase ?? undefined,
    [ATTR.stepName]: node.step ?? undefined,
    ...(node.step !== null && {
      [ATTR.stepSkill]: skill,
      [ATTR.stepStatus]: isText(status) ? status : undefined,
    }),
    ...(isWorkflow(node) && {
      [ATTR.genAiOperation]: 'invoke_workflow',
      [ATTR.pipelineName]: name,
      [ATTR.pipelineRunId]: workflowId,
      [ATTR.pipelineResult]: end === undefined ? undefined : textOf(payloadOf(end).status),
    }),
  };
}

/** Artifacts are events on the span of their node. */
function eventsOf({ node, attempt }: NodeAttempt, { events }: WorkflowParts): OtlpSpanEvent[] {
  return events.filter((event) => isArtifactOf(event)).map(spanEvent);

  function isArtifactOf({ fact, phase, attempt: of }: PlacedEvent): boolean {
    const isHere = phase === node.phase && fact.step === node.step && of === attempt;
    return fact.event_type === 'artifact_create' && isHere;
  }
}

function spanEvent({ fact }: PlacedEvent): OtlpSpanEvent {
  const { type, path } = objectOf(objectOf(fact.payload).artifact);
  return {
    timeUnixNano: nanosOf(fact.timestamp),
    name: 'tasktrail.artifact_create',
    attributes: keyValuesFromPlain({
      [ATTR.artifactType]: textOf(type),
      [ATTR.artifactPath]: textOf(path),
    }),
  };
}

function nanosOf(timestamp: string): string {
  return `${Date.parse(timestamp)}000000`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function textOf(value: JsonValue | undefined): string | undefined {
  return isText(value) ? value : undefined;
}
