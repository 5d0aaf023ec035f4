import { SCHEMA_VERSION } from '../model/documents.ts';
import type { WorkflowEnvelope } from '../model/workflow.ts';
import { nodeOfPayload } from '../model/workflow-node.ts';
import type { WorkflowFact } from './change.ts';
import type { PlacedEvent } from './workflow-attempts.ts';

/** The fact of an envelope, as far as the envelope contains it. */
export function factOfEnvelope(envelope: WorkflowEnvelope): WorkflowFact {
  const { payload, trace_id, task_id, key, phases, attempt, sender } = envelope;
  const { event_id, event_type, workflow_id, timestamp, project, environment } = envelope;
  return {
    ...{ timestamp, event_id, workflow_id, event_type, attempt, project, environment, trace_id, payload },
    ...nodeOfPayload(payload),
    key: key ?? null,
    task_id: task_id ?? null,
    work_item_id: null,
    name: null,
    phases: phases ?? null,
    span_id: null,
    parent_id: null,
    ...(sender !== undefined && { sender }),
  };
}

export function envelopeOf({ fact, attempt }: PlacedEvent): WorkflowEnvelope {
  const { event_type, workflow_id, timestamp, project, environment, payload, event_id } = fact;
  return {
    ...{ event_type, workflow_id, timestamp, project, environment, payload, event_id },
    ...(fact.task_id !== null && { task_id: fact.task_id }),
    trace_id: fact.trace_id,
    attempt,
    schema_version: SCHEMA_VERSION,
    ...(fact.key !== null && { key: fact.key }),
    ...(fact.sender !== undefined && { sender: fact.sender }),
    ...(fact.phases !== null && { phases: fact.phases }),
  };
}
