import { isJsonObject, type JsonValue } from './json.ts';

/** Names a workflow (both null), a phase of it (no step) or a step of a phase. */
export interface NodeId {
  readonly phase: string | null;
  readonly step: string | null;
}

/** The workflow itself. */
export const WORKFLOW: NodeId = { phase: null, step: null };

/** The node as a map key. */
export function nodeKey({ phase, step }: NodeId): string {
  return JSON.stringify([phase, step]);
}

/** The phase of a step; the workflow for a phase and for itself. */
export function parentNode({ phase, step }: NodeId): NodeId {
  return step === null ? WORKFLOW : { phase, step: null };
}

/** The node that a payload names. A step is given as `"lint"` or as `{"name": "lint"}`. */
export function nodeOfPayload(payload: JsonValue | undefined): NodeId {
  if (!isJsonObject(payload)) return WORKFLOW;
  const { phase, step } = payload;
  return { phase: textOrNull(phase), step: textOrNull(isJsonObject(step) ? step.name : step) };
}

export interface RunCounts {
  readonly phases: number;
  readonly steps: number;
  readonly retries: number;
}

/** Phases and steps that ran, each counted once, and their further starts. `starts` of a node that never ran is 0. */
export function countRuns(nodes: Iterable<NodeId & { readonly starts: number }>): RunCounts {
  const ran = [...nodes].filter(({ phase, step, starts }) => starts > 0 && (phase ?? step) !== null);
  const steps = ran.filter(({ step }) => step !== null);
  const phases = ran.filter(({ step }) => step === null);
  const withSteps = new Set(steps.map(({ phase }) => phase));
  // A second start of a phase starts its steps again: only those are counted as retries.
  const retried = [...steps, ...phases.filter(({ phase }) => !withSteps.has(phase))];
  return {
    phases: phases.length,
    steps: steps.length,
    retries: retried.reduce((sum, { starts }) => sum + starts - 1, 0),
  };
}

function textOrNull(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
