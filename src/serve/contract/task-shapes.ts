import { z } from 'zod';
import { DELIVERY_OUTCOMES, OUTPUT_TYPES, TASK_STATUSES } from '../../model/documents.ts';
import { STATS_GROUPS, TASK_FACETS } from '../../model/task-reading.ts';
import { COST_SOURCES, COST_VERDICTS } from '../../project/genai/cost-basis.ts';
import { count, shape, storedShape, text, textOrNull, time, timeOrNull } from './shape.ts';

const sender = (): z.ZodType => z.enum(['agent', 'anonymous']).optional();
const amount = (): z.ZodType => z.number().nullable();
const status = (): z.ZodType => z.enum(TASK_STATUSES);

/** Fields of `metadata.json`. */
const metadataFields = (): z.ZodRawShape => ({
  task_id: text(),
  source: textOrNull(),
  provider: textOrNull(),
  created_at: timeOrNull(),
  started_at: timeOrNull(),
  completed_at: timeOrNull(),
  status: status(),
  assigned_agent: textOrNull(),
  agent_type: textOrNull(),
  model: textOrNull(),
  trace_id: textOrNull(),
  attempt: z.int().min(1),
  workflow_ids: z.array(text()),
  schema_version: z.int(),
  command: textOrNull().optional(),
  requested_agent: textOrNull().optional(),
  webhook_id: textOrNull().optional(),
  stops: count().optional(),
  opened_by: sender(),
  settled: z.boolean().optional(),
});

const metadata: z.ZodType = storedShape('TaskMetadata', metadataFields());

const traceLinks = (): z.ZodRawShape => ({ trace: text().optional(), traces: z.array(text()).optional() });

const activity: z.ZodType = shape(
  'TaskActivity',
  z.object({
    heartbeat_age_seconds: amount().optional(),
    last_line_age_seconds: amount().optional(),
    waits_for: z.object({
      kind: z.enum(['tool', 'model', 'agent', 'exit', 'approval', 'queue']),
      name: textOrNull(),
      since: timeOrNull().optional(),
      tool_use_id: text().optional(),
      others: count().optional(),
      retries: z.boolean().optional(),
      place: count().optional(),
      of: count().optional(),
    }),
  }),
);

const task: z.ZodType = storedShape('Task', {
  ...metadataFields(),
  cost_basis: z.looseObject({ source: z.enum(COST_SOURCES), verdict: text() }).nullable(),
  activity: activity.nullable(),
  links: z.object({
    metadata: text(),
    input: text(),
    webhook_flow: text(),
    agent_output: text(),
    final_result: text(),
    full: text(),
    workflows: z.record(z.string(), z.string()),
    ...traceLinks(),
  }),
});

const taskItem: z.ZodType = storedShape('TaskItem', {
  ...metadataFields(),
  message: textOrNull(),
  repo: textOrNull(),
  success: z.boolean().nullable(),
  error: textOrNull(),
  error_type: textOrNull(),
  cost_usd: amount(),
  input_tokens: amount(),
  output_tokens: amount(),
  duration_seconds: amount(),
  cost_basis: z.object({ source: z.enum(COST_SOURCES), verdict: z.enum(COST_VERDICTS) }).nullable(),
  activity: activity.nullable().optional(),
});

const taskPage: z.ZodType = shape(
  'TaskPage',
  z.object({ items: z.array(taskItem), next_cursor: textOrNull() }),
);

const taskInput: z.ZodType = storedShape('TaskInput', {
  message: text(),
  source_metadata: z.looseObject({ provider: textOrNull().optional() }),
});

const stageLine: z.ZodType = storedShape('StageLine', {
  timestamp: time(),
  stage: text(),
  event_id: text().optional(),
  sender: sender(),
});

const outputLine: z.ZodType = storedShape('OutputLine', {
  timestamp: time(),
  type: z.enum(OUTPUT_TYPES),
  content: text(),
  event_id: text().optional(),
  attempt: z.int().optional(),
  tool_name: textOrNull().optional(),
  tool_input: z.unknown().optional(),
  tool_use_id: textOrNull().optional(),
  is_error: z.boolean().optional(),
  stream: textOrNull().optional(),
  truncated: z.boolean().optional(),
  original_bytes: count().optional(),
  error_type: textOrNull().optional(),
  sender: sender(),
});

const finalResult: z.ZodType = storedShape('FinalResult', {
  success: z.boolean(),
  result: textOrNull(),
  error: textOrNull(),
  metrics: z.looseObject({
    cost_usd: amount().optional(),
    input_tokens: amount().optional(),
    output_tokens: amount().optional(),
    duration_seconds: amount().optional(),
    cache_read_input_tokens: amount().optional(),
    cache_creation_input_tokens: amount().optional(),
    cost_basis: z.looseObject({ source: z.enum(COST_SOURCES), verdict: text() }).optional(),
  }),
  completed_at: time(),
  status: z.enum(['completed', 'failed', 'cancelled', 'abandoned']),
  error_type: textOrNull().optional(),
  exit_code: z.int().nullable().optional(),
  signal: textOrNull().optional(),
});

const fullTask: z.ZodType = shape(
  'FullTask',
  z.object({
    metadata: metadata.optional(),
    input: taskInput.optional(),
    webhook_flow: z.array(stageLine).optional(),
    agent_output: z.array(outputLine).optional(),
    final_result: finalResult.optional(),
  }),
);

const attributes = (): z.ZodType => z.record(z.string(), z.unknown());

const span: z.ZodType = shape(
  'Span',
  z.object({
    trace_id: text(),
    span_id: text(),
    parent_span_id: textOrNull(),
    name: text(),
    kind: z.enum(['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']),
    start_time: time(),
    end_time: time(),
    duration_ms: z.number(),
    status: z.enum(['unset', 'ok', 'error']),
    status_message: textOrNull(),
    service: z.unknown(),
    scope: z.unknown(),
    attributes: attributes(),
    events: z.array(z.object({ time: time(), name: text(), attributes: attributes() })),
    links: z.array(z.object({ trace_id: z.unknown(), span_id: z.unknown(), attributes: attributes() })),
  }),
);

/** Values of the groups of a row; null: unknown. */
const groupFields = Object.fromEntries(STATS_GROUPS.map((name) => [name, textOrNull().optional()]));

const statsRow = shape(
  'StatsRow',
  z.object({
    ...groupFields,
    count: count(),
    succeeded: count(),
    failed: count(),
    open: count(),
    success_rate: z.number().nullable(),
    cost_usd: amount(),
    cost_known: count(),
    cost_sources: z.record(z.enum(COST_SOURCES), count()),
    cost_verdicts: z.record(z.enum(COST_VERDICTS), count()),
    input_tokens: amount(),
    output_tokens: amount(),
    retries: count(),
    duration_seconds: z
      .object({
        p50: z.number(),
        p90: z.number(),
        p95: z.number(),
        p99: z.number(),
        max: z.number(),
        total: z.number(),
      })
      .nullable(),
    calls: count().optional(),
  }),
);

const stats: z.ZodType = shape(
  'Stats',
  z.object({ group_by: z.array(z.enum(STATS_GROUPS)), rows: z.array(statsRow), left_out: count() }),
);

const facets: z.ZodType = shape(
  'Facets',
  z.object({
    facets: z.array(
      z.object({
        field: z.enum(TASK_FACETS),
        values: z.array(z.object({ value: textOrNull(), count: count() })),
        left_out: count(),
      }),
    ),
  }),
);

const accepted: z.ZodType = shape(
  'TaskAccepted',
  z.object({ status: z.literal('accepted'), task_ids: z.array(text()) }),
);

const cancelled: z.ZodType = shape(
  'TaskCancelled',
  z.object({ task_id: text(), status: z.enum(['cancelled', 'cancelling']) }),
);

const delivery = storedShape('Delivery', {
  timestamp: time(),
  event_id: text(),
  provider: text(),
  delivery_id: textOrNull(),
  event_type: textOrNull(),
  outcome: z.enum(DELIVERY_OUTCOMES),
  reason: textOrNull(),
  task_ids: z.array(text()),
  trace_id: textOrNull(),
  stages: z.array(z.unknown()),
  subject: textOrNull().optional(),
  tries: count().optional(),
  count: count().optional(),
  reasons: z.record(z.string(), z.number()).optional(),
  received_at: time().optional(),
  sender: sender(),
  links: z.object({ tasks: z.record(z.string(), z.string()) }),
});

const deliveryPage: z.ZodType = shape(
  'DeliveryPage',
  z.object({ items: z.array(delivery), next_cursor: textOrNull() }),
);

const taskEnd = shape('TaskEnd', z.object({ task_id: text(), status: status() }));

/** Of a stream whose place is gone. */
const reset: z.ZodType = shape(
  'StreamReset',
  z.object({ reason: text(), task_id: text().optional(), removed: z.boolean().optional() }),
);

/** The events of the stream of a task. */
const taskEvents: Readonly<Record<string, z.ZodType>> = {
  metadata,
  stage: stageLine,
  line: outputLine,
  span,
  result: finalResult,
  end: taskEnd,
  reset,
};

/** The events of a stream of several tasks and the list. */
const tasksEvents: Readonly<Record<string, z.ZodType>> = {
  task: taskItem,
  removed: z.object({ task_id: text() }),
  ...Object.fromEntries(
    Object.entries(taskEvents).map(([name, data]) => [name, z.object({ task_id: text(), data })]),
  ),
  // Of the list, or of one task.
  reset: z.union([
    shape('ListReset', z.object({ reason: text() })),
    z.object({ task_id: text(), data: reset }),
  ]),
};

export {
  accepted,
  cancelled,
  deliveryPage,
  facets,
  finalResult,
  fullTask,
  metadata,
  outputLine,
  reset,
  span,
  stageLine,
  stats,
  task,
  taskEvents,
  taskInput,
  taskItem,
  taskPage,
  tasksEvents,
};
