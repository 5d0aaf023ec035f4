import type { WorkflowState } from '../../../model/workflow.ts';

/** A workflow as it is listed and searched. */
export interface WorkflowSummary extends Omit<WorkflowState, 'levels'> {
  readonly phases: readonly string[];
  readonly steps: readonly string[];
}

export function summaryOf({ levels, ...state }: WorkflowState): WorkflowSummary {
  const named = (name: 'phase' | 'step'): readonly string[] => [
    ...new Set(levels.flatMap((level) => level[name] ?? [])),
  ];
  return { ...state, phases: named('phase'), steps: named('step') };
}
