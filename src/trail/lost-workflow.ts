import { ROOT_CONTEXT } from '@opentelemetry/api';
import { ATTR } from '../model/attributes.ts';
import { isWorkflowId } from '../model/ids.ts';
import type { JsonObject } from '../model/json.ts';
import type { StoredWorkflow } from '../model/workflow.ts';
import { withTaskIds } from '../record/task-context.ts';
import { continueWorkflow } from '../record/workflow/workflow.ts';

/** Statuses of a workflow that has not ended. */
const OPEN = ['running', 'waiting'];

export interface WorkflowReader {
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
}

/** The open workflows among those that the metadata of a task names. */
export async function findOpenWorkflows(
  metadata: JsonObject | undefined,
  reader: WorkflowReader,
): Promise<readonly StoredWorkflow[]> {
  const ids = Array.isArray(metadata?.workflow_ids) ? metadata.workflow_ids.filter(isWorkflowId) : [];
  const found: StoredWorkflow[] = [];
  for (const id of ids) {
    const workflow = await reader.readWorkflow(id);
    if (workflow !== undefined && OPEN.includes(workflow.state.status)) found.push(workflow);
  }
  return found;
}

/** Records that each workflow is cancelled, in its current attempt. */
export function cancelWorkflows(
  workflows: readonly StoredWorkflow[],
  { taskId, attempt, reason }: { readonly taskId: string; readonly attempt: number; readonly reason: string },
): void {
  for (const { state, events } of workflows) {
    const workflow = continueWorkflow(state.workflow_id, {
      parent: withTaskIds(ROOT_CONTEXT, [taskId]),
      taskAttributes: {
        [ATTR.taskId]: taskId,
        [ATTR.attempt]: attempt,
        // The workflow stays that of the sender that has opened it.
        ...(state.opened_by !== undefined && { [ATTR.sender]: state.opened_by }),
      },
      known: { ...state, events },
    });
    workflow.cancel(reason);
  }
}
