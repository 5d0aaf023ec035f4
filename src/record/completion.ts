import type { JsonObject } from '../model/json.ts';
import { type NodeId, WORKFLOW } from '../model/workflow-node.ts';
import type { Progress } from './progress.ts';

/** How an attempt of a node ends. */
export interface Completion {
  readonly attempt: number;
  readonly status: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** The body of `step_complete`. */
export function stepCompletion(
  progress: Progress,
  { phase, step }: NodeId,
  end: Completion & { readonly skill: string | null; readonly error: string | null },
): JsonObject {
  const { attempt, status, skill, error } = end;
  const duration = durationMs(progress, { phase, step }, end);
  return {
    phase,
    step: { name: step, skill, status, duration_ms: duration, error },
    artifacts: progress.artifactsOf({ phase, step }, attempt),
  };
}

/** The body of `phase_complete`. */
export function phaseCompletion(progress: Progress, phase: NodeId, end: Completion): JsonObject {
  return {
    phase: phase.phase,
    status: end.status,
    duration_ms: durationMs(progress, phase, end),
    steps_completed: progress.endedSteps(phase, end.attempt).length,
    artifacts_created: progress.artifactsOf(phase, end.attempt).length,
  };
}

/** The body of `workflow_complete`. */
export function workflowCompletion(progress: Progress, end: Completion): JsonObject {
  return {
    status: end.status,
    duration_ms: durationMs(progress, WORKFLOW, end),
    summary: { ...progress.summary() },
    artifacts: progress.artifactsOf(WORKFLOW, end.attempt),
  };
}

/** From the start of the attempt, also when another process started it. */
function durationMs(progress: Progress, node: NodeId, { attempt, nowMs }: Completion): number {
  return progress.elapsedMs(node, attempt, nowMs);
}
