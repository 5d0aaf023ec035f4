import { canonicalJson } from '../model/canonical-json.ts';
import { objectOf } from '../model/json.ts';
import { type Completeness, isFailure, type Measured } from '../model/workflow.ts';
import { countRuns } from '../model/workflow-node.ts';
import type { PlacedEvent } from './workflow-attempts.ts';
import {
  isWorkflow,
  type NodeAttempt,
  newestAttempt,
  parentAttempt,
  payloadOf,
  statusOf,
  type WorkflowNode,
} from './workflow-nodes.ts';

/** The events and nodes of a workflow. */
export interface WorkflowParts {
  /** Each event once, in order. */
  readonly events: readonly PlacedEvent[];
  readonly nodes: readonly WorkflowNode[];
  /** Whether a repeat has another payload than the event that it repeats. */
  readonly repeatsDisagree: boolean;
}

/** Values computed from the events; see `Measured`. */
export function measure({ events, nodes }: WorkflowParts): Measured {
  const counts = countRuns(nodes.map((node) => ({ ...node, starts: attemptsRun(node) })));
  const workflow = newestAttempt(nodes.find(isWorkflow));
  return {
    duration_ms: durationOf(workflow),
    phases: counts.phases,
    steps: counts.steps,
    artifacts: events.filter(({ fact }) => fact.event_type === 'artifact_create').length,
    retries: counts.retries,
  };
}

export function openApprovals(events: readonly PlacedEvent[]): number {
  return openRequests(events).length;
}

/** Approvals that were requested and neither granted nor denied. An agent does not answer what the trail has asked for. */
export function openRequests(events: readonly PlacedEvent[]): readonly PlacedEvent[] {
  const asked = new Map<string, PlacedEvent>();
  for (const event of events) {
    if (event.fact.event_type !== 'approval_request') continue;
    const before = asked.get(approvalOf(event));
    if (before === undefined || before.fact.sender !== undefined) asked.set(approvalOf(event), event);
  }
  for (const event of events) {
    const { event_type: type, sender } = event.fact;
    if (type !== 'approval_granted' && type !== 'approval_denied') continue;
    const request = asked.get(approvalOf(event))?.fact;
    if (sender === undefined || request?.sender === sender) asked.delete(approvalOf(event));
  }
  return [...asked.values()];
}

/** Flags for missing and contradictory events. While a workflow runs, only flags that later events cannot clear are set. */
export function completenessOf(parts: WorkflowParts): Completeness {
  const { events, nodes, repeatsDisagree } = parts;
  const workflow = newestAttempt(nodes.find(isWorkflow));
  const isOver = workflow?.end !== undefined;
  const newest = nodes.filter((node) => !isWorkflow(node)).map(newestAttempt);
  const children = newest.filter((attempt) => attempt !== undefined);
  return {
    missing_phase: isOver && isPhaseMissing(parts),
    missing_step: isOver && isStepMissing(nodes),
    success_without_children: isOver && isHollow(workflow, children),
    failed_child: children.some((child) => isFailure(statusOf(child)) && hasSuccessfulParent(child, parts)),
    no_end: isOver && children.some(({ start, end }) => start !== undefined && end === undefined),
    approval_missing: isOver && openApprovals(events) > 0,
    time_reversed: nodes.some((node) => [...node.attempts.values()].some((one) => isReversed(one, nodes))),
    disagrees: repeatsDisagree || (isOver && !agrees(workflow, measure(parts))),
  };
}

function attemptsRun({ attempts }: WorkflowNode): number {
  return [...attempts.values()].filter(({ start, end }) => start !== undefined || end !== undefined).length;
}

/**
 * The process that holds a span measures it on a clock that only runs forward; times of day may jump in between. What the
 * payload of an event without a span says is a claim of its sender.
 */
function durationOf(attempt: NodeAttempt | undefined): number | null {
  if (attempt?.start === undefined || attempt.end === undefined) return null;
  const { duration_ms: measured } = objectOf(attempt.end.fact.payload);
  if (attempt.end.fact.span_id !== null && typeof measured === 'number' && measured >= 0) return measured;
  return Math.max(0, Date.parse(attempt.end.fact.timestamp) - Date.parse(attempt.start.fact.timestamp));
}

/** Whether a planned phase neither ran nor was skipped, or a phase has events but no start. */
function isPhaseMissing({ events, nodes }: WorkflowParts): boolean {
  const phases = nodes.filter(({ phase, step }) => phase !== null && step === null);
  const known = new Set(phases.map(({ phase }) => phase));
  const planned = events.flatMap(({ fact }) => fact.phases ?? []);
  if (planned.some((name) => !known.has(name))) return true;
  if (nodes.some(({ phase, step }) => step !== null && phase !== null && !known.has(phase))) return true;
  return phases.some(isUnstarted);
}

function isStepMissing(nodes: readonly WorkflowNode[]): boolean {
  const steps = nodes.filter(({ step }) => step !== null);
  const known = new Set(steps.map(({ phase, step }) => JSON.stringify([phase, step])));
  for (const node of nodes) {
    const { start, end } = newestAttempt(node) ?? {};
    // An unfinished phase is `no_end`; the steps that it did not reach are not reported separately.
    if (node.step !== null || node.phase === null || start === undefined || end === undefined) continue;
    const planned = payloadOf(start).steps;
    if (!Array.isArray(planned)) continue;
    if (planned.some((name) => !known.has(JSON.stringify([node.phase, name])))) return true;
  }
  return steps.some(isUnstarted);
}

function isUnstarted(node: WorkflowNode): boolean {
  const attempts = [...node.attempts.values()];
  return attempts.some(({ start, end }) => start === undefined && end !== undefined);
}

/** Whether the workflow or a phase reports success although nothing in it ran. */
function isHollow(workflow: NodeAttempt, children: readonly NodeAttempt[]): boolean {
  const done = children.filter(({ end }) => end !== undefined);
  if (statusOf(workflow) === 'success' && done.length === 0) return true;
  return done.some((phase) => {
    if (phase.node.step !== null || statusOf(phase) !== 'success' || phase.start === undefined) return false;
    const { steps } = payloadOf(phase.start);
    const isPlanned = Array.isArray(steps) && steps.length > 0;
    return isPlanned && !done.some(({ node }) => node.step !== null && node.phase === phase.node.phase);
  });
}

/** Whether the parent of a failed child reports success. */
function hasSuccessfulParent(child: NodeAttempt, { nodes }: WorkflowParts): boolean {
  const node = nodes.find((one) =>
    child.node.step === null ? isWorkflow(one) : one.step === null && one.phase === child.node.phase,
  );
  const parent = newestAttempt(node);
  return parent !== undefined && statusOf(parent) === 'success';
}

/** Whether an attempt ends before its start, or starts before its parent. */
function isReversed(attempt: NodeAttempt, nodes: readonly WorkflowNode[]): boolean {
  const { start, end } = attempt;
  if (start === undefined) return false;
  const startedAt = start.fact.timestamp;
  if (end !== undefined && end.fact.timestamp < startedAt) return true;
  const parentStart = parentAttempt(attempt, nodes)?.start;
  return parentStart !== undefined && parentStart.fact.timestamp > startedAt;
}

/** Whether the summary of the sender, if there is one, matches its events. */
function agrees(workflow: NodeAttempt, measured: Measured): boolean {
  if (workflow.end === undefined) return true;
  const summary = objectOf(payloadOf(workflow.end).summary);
  const claims: readonly (readonly [unknown, number])[] = [
    [summary.phases_executed, measured.phases],
    [summary.steps_executed, measured.steps],
    [summary.artifacts_created, measured.artifacts],
  ];
  if (claims.some(([claim, count]) => typeof claim === 'number' && claim !== count)) return false;
  // Some senders count rounds instead of starts: only zero against a positive number is a contradiction.
  const { retries_used: retries } = summary;
  return typeof retries !== 'number' || retries > 0 === measured.retries > 0;
}

function approvalOf({ fact, phase }: PlacedEvent): string {
  const payload = objectOf(fact.payload);
  const name = payload.approval ?? payload.approval_id ?? payload.id ?? payload.name;
  return canonicalJson(name === undefined || name === null ? [phase, fact.step] : [name]);
}
