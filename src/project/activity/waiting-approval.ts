import type { WorkflowWait } from '../../model/workflow.ts';
import type { WorkflowFold } from '../workflow-fold.ts';

/** An approval, or an input, that a workflow waits for. */
export type Approval = Pick<WorkflowWait, 'name' | 'since'>;

/** Undefined for a workflow that does not wait. */
export function waitOf({ state, openApproval }: WorkflowFold): WorkflowWait | undefined {
  if (state.status !== 'waiting') return undefined;
  if (openApproval !== undefined) return { kind: 'approval', ...openApproval };
  // Without a request a step waits for its input.
  const level = state.levels.find(({ status }) => status === 'pending_input');
  const since = level?.completed_at ?? level?.started_at ?? null;
  return { kind: 'input', name: level?.step ?? level?.phase ?? null, since };
}
