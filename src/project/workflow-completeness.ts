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

/** A workflow taken apart, as every question below asks for it. */
export interface WorkflowParts {
  /** Each event once, in order. */
  readonly events: readonly PlacedEvent[];
  readonly nodes: readonly WorkflowNode[];
  /** Whether a repeat said something else than the event that it repeats. */
  readonly repeatsDisagree: boolean;
}

/** What the events themselves say; see `Measured` for what each number counts. */
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

/** Approvals that were asked for and neither granted nor denied. */
export function openApprovals(events: readonly PlacedEvent[]): number {
  const asked = new Set<string>();
  for (const event of events) if (event.fact.event_type === 'approval_request') asked.add(approvalOf(event));
  for (const event of events) {
    const { event_type: type } = event.fact;
    if (type === 'approval_granted' || type === 'approval_denied') asked.delete(approvalOf(event));
  }
  return asked.size;
}

/** What is missing or contradicts itself; while a workflow runs, only what no later event can mend. */
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
    failed_child: children.some((child) => isFailure(statusOf(child)) && isPraised(child, parts)),
    no_end: isOver && children.some(({ start, end }) => start !== undefined && end === undefined),
    approval_missing: isOver && openApprovals(events) > 0,
    time_reversed: nodes.some((node) => [...node.attempts.values()].some((one) => isReversed(one, nodes))),
    disagrees: repeatsDisagree || (isOver && !agrees(workflow, measure(parts))),
  };
}

function attemptsRun({ attempts }: WorkflowNode): number {
  return [...attempts.values()].filter(({ start, end }) => start !== undefined || end !== undefined).length;
}

function durationOf(attempt: NodeAttempt | undefined): number | null {
  if (attempt?.start === undefined || attempt.end === undefined) return null;
  return Math.max(0, Date.parse(attempt.end.fact.timestamp) - Date.parse(attempt.start.fact.timestamp));
}

/** Planned and neither run nor left out on purpose; or spoken of without ever having been started. */
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
    // A phase that was not finished is `no_end`; the steps that it did not come to are a part of that.
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

/** Success of something in which nothing was done. */
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

/** Whether what stands above a failed child says that it went well. */
function isPraised(child: NodeAttempt, { nodes }: WorkflowParts): boolean {
  const above = nodes.find((node) =>
    child.node.step === null ? isWorkflow(node) : node.step === null && node.phase === child.node.phase,
  );
  const parent = newestAttempt(above);
  return parent !== undefined && statusOf(parent) === 'success';
}

/** An end before its start, or a start before that of what it is a part of. */
function isReversed(attempt: NodeAttempt, nodes: readonly WorkflowNode[]): boolean {
  const { start, end } = attempt;
  if (start === undefined) return false;
  const began = start.fact.timestamp;
  if (end !== undefined && end.fact.timestamp < began) return true;
  const above = parentAttempt(attempt, nodes)?.start;
  return above !== undefined && above.fact.timestamp > began;
}

/** Whether the sender's own summary, where it gives one, is what its events say. */
function agrees(workflow: NodeAttempt, measured: Measured): boolean {
  if (workflow.end === undefined) return true;
  const summary = objectOf(payloadOf(workflow.end).summary);
  const told: readonly (readonly [unknown, number])[] = [
    [summary.phases_executed, measured.phases],
    [summary.steps_executed, measured.steps],
    [summary.artifacts_created, measured.artifacts],
  ];
  if (told.some(([claim, count]) => typeof claim === 'number' && claim !== count)) return false;
  // Managers count rounds, we count starts: only none against some is a contradiction.
  const { retries_used: retries } = summary;
  return typeof retries !== 'number' || retries > 0 === measured.retries > 0;
}

function approvalOf({ fact, phase }: PlacedEvent): string {
  const payload = objectOf(fact.payload);
  const name = payload.approval ?? payload.approval_id ?? payload.id ?? payload.name;
  return canonicalJson(name === undefined || name === null ? [phase, fact.step] : [name]);
}
