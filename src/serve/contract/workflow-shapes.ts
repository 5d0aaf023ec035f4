import { z } from 'zod';
import { COMPLETENESS_FLAGS } from '../../model/workflow.ts';
import { count, shape, storedShape, text, textOrNull, time, timeOrNull } from './shape.ts';
import { reset } from './task-shapes.ts';

const sender = (): z.ZodType => z.enum(['agent', 'anonymous']).optional();

const envelopeFields = (): z.ZodRawShape => ({
  event_type: text(),
  workflow_id: text(),
  timestamp: time(),
  project: textOrNull(),
  environment: textOrNull(),
  payload: z.unknown(),
  event_id: text(),
  task_id: text().optional(),
  trace_id: textOrNull(),
  attempt: z.int().min(1),
  schema_version: z.int(),
  key: text().optional(),
  phases: z.array(text()).optional(),
  sender: sender(),
});

export const workflowEvent: z.ZodType = storedShape('WorkflowEvent', envelopeFields());

const measured = shape(
  'Measured',
  z.object({
    duration_ms: z.number().nullable(),
    phases: count(),
    steps: count(),
    artifacts: count(),
    retries: count(),
  }),
);

const completeness = shape(
  'Completeness',
  z.object(Object.fromEntries(COMPLETENESS_FLAGS.map((flag) => [flag, z.boolean()]))),
);

const level = shape(
  'WorkflowLevel',
  z.object({
    phase: textOrNull(),
    step: textOrNull(),
    attempt: z.int().min(0),
    started_at: timeOrNull(),
    completed_at: timeOrNull(),
    status: textOrNull(),
    trace_id: textOrNull(),
    span_id: textOrNull(),
    sender: sender(),
  }),
);

const upload = shape(
  'Upload',
  z.object({
    status: z.enum(['pending', 'verified']),
    url: textOrNull(),
    revision: z.int().nullable(),
    verified_at: timeOrNull(),
  }),
);

const links = shape(
  'WorkflowLinks',
  z.object({
    self: text(),
    events: text(),
    tasks: z.record(z.string(), z.string()),
    trace: text().optional(),
    traces: z.array(text()).optional(),
  }),
);

/** Fields of a workflow in a list. */
const itemFields = (): z.ZodRawShape => ({
  workflow_id: text(),
  name: textOrNull(),
  work_item_id: textOrNull(),
  status: text(),
  project: textOrNull(),
  environment: textOrNull(),
  started_at: timeOrNull(),
  completed_at: timeOrNull(),
  updated_at: time(),
  attempt: z.int().min(0),
  task_ids: z.array(text()),
  trace_id: textOrNull(),
  phase: textOrNull(),
  step: textOrNull(),
  measured,
  completeness,
  opened_by: sender(),
});

const waitsFor = shape(
  'WorkflowWait',
  z.object({ kind: z.enum(['approval', 'input']), name: textOrNull(), since: timeOrNull() }),
);

export const workflowPage: z.ZodType = shape(
  'WorkflowPage',
  z.object({
    items: z.array(
      shape(
        'WorkflowItem',
        z.object({ ...itemFields(), waits_for: waitsFor.nullable(), upload: upload.optional(), links }),
      ),
    ),
    next_cursor: textOrNull(),
  }),
);

const stateFields = (): z.ZodRawShape => ({ ...itemFields(), levels: z.array(level) });

/** The document of an ended workflow is the envelope of its last event. */
export const workflow: z.ZodType = storedShape('Workflow', {
  ...z.object(envelopeFields()).partial().shape,
  ...stateFields(),
  revision: z.int().min(1).optional(),
  waits_for: waitsFor.nullable(),
  events: z.array(workflowEvent),
  upload: upload.optional(),
  links,
});

export const eventPage: z.ZodType = shape(
  'WorkflowEventPage',
  z.object({ items: z.array(workflowEvent), next_cursor: text() }),
);

/** The events of the stream of a workflow. */
export const workflowEvents: Readonly<Record<string, z.ZodType>> = {
  metadata: shape('WorkflowState', z.object(stateFields())),
  event: workflowEvent,
  end: shape('WorkflowEnd', z.object({ workflow_id: text(), status: text() })),
  reset,
};

/** The events of the stream of the feed. */
export const feedEvents: Readonly<Record<string, z.ZodType>> = { event: workflowEvent, reset };
