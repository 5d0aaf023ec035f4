import type { JsonObject } from '../../src/model/json.ts';
import { nodeOfPayload } from '../../src/model/workflow-node.ts';
import type { WorkflowFact } from '../../src/project/change.ts';
import { eventId, T0 } from '../support/records.ts';

export const WORKFLOW_ID = 'workflow-199-20260102T030405Z-ab12';

/** An event of the workflow. Its number determines its time and its id. */
export function workflowFact(
  number: number,
  type: string,
  payload: JsonObject = {},
  more: Partial<WorkflowFact> = {},
): WorkflowFact {
  return {
    timestamp: new Date(T0 + number).toISOString(),
    event_id: eventId(number),
    workflow_id: WORKFLOW_ID,
    event_type: type,
    attempt: null,
    key: null,
    ...nodeOfPayload(payload),
    task_id: null,
    work_item_id: null,
    name: null,
    phases: null,
    project: 'shop',
    environment: 'development',
    trace_id: null,
    span_id: null,
    parent_id: null,
    payload,
    ...more,
  };
}

/** Events of phases and steps in the specified form. */
export function phaseStart(number: number, phase: string, steps: readonly string[] = []): WorkflowFact {
  return workflowFact(number, 'phase_start', { phase, steps });
}

export function phaseEnd(number: number, phase: string, status = 'success'): WorkflowFact {
  return workflowFact(number, 'phase_complete', { phase, status, duration_ms: number });
}

export function stepStart(number: number, phase: string, name: string): WorkflowFact {
  return workflowFact(number, 'step_start', { phase, step: { name, skill: null } });
}

export function stepEnd(number: number, phase: string, name: string, status = 'success'): WorkflowFact {
  const step = { name, status, duration_ms: number, error: null };
  return workflowFact(number, 'step_complete', { phase, step, artifacts: [] });
}

export function workflowEnd(number: number, status = 'success', summary: JsonObject = {}): WorkflowFact {
  return workflowFact(number, 'workflow_complete', { status, duration_ms: number, summary, artifacts: [] });
}
