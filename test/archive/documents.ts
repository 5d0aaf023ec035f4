import type { JsonObject } from '../../src/model/json.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../../src/model/workflow.ts';
import { documentOf } from '../../src/project/workflow-document.ts';

export const WORKFLOW_ID = 'workflow-199-20251202T150000Z';

const T0 = Date.parse('2025-12-02T15:00:00Z');

/** Event of a workflow: `number` gives its time in seconds and its id. */
export function event(
  number: number,
  type: string,
  payload: JsonObject = {},
  more: Partial<WorkflowEnvelope> = {},
): WorkflowEnvelope {
  return {
    event_type: type,
    workflow_id: WORKFLOW_ID,
    timestamp: new Date(T0 + number * 1000).toISOString(),
    project: 'shop',
    environment: 'development',
    payload,
    event_id: `event-${String(number).padStart(4, '0')}`,
    trace_id: null,
    attempt: 1,
    schema_version: 1,
    ...more,
  };
}

export function artifact(
  number: number,
  path: string,
  more: Partial<WorkflowEnvelope> = {},
): WorkflowEnvelope {
  return event(number, 'artifact_create', { artifact: { type: 'spec', path }, step: 'test' }, more);
}

/** A complete run of one phase with one step. */
export const RUN: readonly WorkflowEnvelope[] = [
  event(0, 'workflow_start', { context: { work_item_id: '199' } }),
  event(10, 'phase_start', { phase: 'build', steps: ['test'] }),
  event(20, 'step_start', { phase: 'build', step: { name: 'test' } }),
  event(80, 'step_complete', { phase: 'build', step: { name: 'test', status: 'success' } }),
  event(90, 'phase_complete', { phase: 'build', status: 'success' }),
  event(100, 'workflow_complete', { status: 'success' }),
];

export function documentFrom(events: readonly WorkflowEnvelope[], revision = 1): WorkflowDocument {
  const document = documentOf(events, { revision, disagrees: false });
  if (document === undefined) throw new TypeError('the events hold no end of the workflow');
  return document;
}

/** The same events under another workflow's id. */
export function renamed(document: WorkflowDocument, workflowId: string): WorkflowDocument {
  const events = document.events.map((one) => ({ ...one, workflow_id: workflowId }));
  return { ...document, workflow_id: workflowId, events };
}

export function idsOf(document: WorkflowDocument): string[] {
  return document.events.map(({ event_id }) => event_id);
}
