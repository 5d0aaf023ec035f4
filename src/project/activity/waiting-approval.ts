import type { WorkflowFold } from '../workflow-fold.ts';

/** An approval, or an input, that a workflow waits for. */
export interface Approval {
  readonly name: string | null;
  readonly since: string | null;
}

/** Undefined for a workflow that does not wait. */
export function waitingApproval({ state, openApproval }: WorkflowFold): Approval | undefined {
  if (state.status !== 'waiting') return undefined;
  // Without a request a step waits for its input.
  const level = state.levels.find(({ status }) => status === 'pending_input');
  const since = level?.completed_at ?? level?.started_at ?? null;
  return openApproval ?? { name: level?.step ?? level?.phase ?? null, since };
}
