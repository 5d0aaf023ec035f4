import { z } from 'zod';
import { SCHEMA_VERSION } from './documents.ts';
import { WORKFLOW_EVENT_TYPES, type WorkflowEventType } from './events.ts';
import { isJsonObject, JSON_DEPTH_MAX, type JsonObject } from './json.ts';

/** Limit of the JSON text in bytes. A stored line contains the payload once, and line readers stop at 16 MiB. */
export const PAYLOAD_BYTES_MAX: number = 8 * 1024 * 1024;

/** A value grows to about 50 bytes and six brackets in OTLP/JSON: a million values still fit into one request. */
const PAYLOAD_VALUES_MAX = 1_000_000;

const name = z.string().min(1, 'must not be empty');
const text = z.string();

// Functions: building all schemas takes longer than recording one event, which needs only one of them.
const count = () => z.int().min(0).optional();
const durationMs = () => z.number().min(0).optional();
const object = () => z.record(z.string(), z.unknown());
const failure = () => z.union([text, object(), z.null()], 'use a text, an object or null').optional();
const maybe = () => text.nullish();

const artifactFields = () => ({ type: name.optional(), path: maybe(), url: maybe() });
const artifacts = () => z.array(z.looseObject(artifactFields())).optional();

const stepFields = () => ({ name, skill: maybe() });

/** The step of an event, as a name or as an object. */
const stepName = () => z.union([name, z.looseObject({ name })], 'use a name, or an object with a "name"');

/** For events that may belong to the workflow itself, to a phase or to a step. */
const placeFields = () => ({ phase: name.nullish(), step: stepName().nullish() });

const approval = () => z.looseObject({ ...placeFields(), prompt: maybe(), reason: maybe(), by: maybe() });

/** One row per event type: the required and the known optional fields. Further fields are allowed and kept. */
const PAYLOADS: Readonly<Record<WorkflowEventType, () => z.ZodType>> = {
  workflow_start: () =>
    z.looseObject({
      context: z
        .looseObject({
          work_item_id: z.union([text, z.number()], 'use a text, a number or null').nullish(),
          branch: maybe(),
          autonomy_level: maybe(),
        })
        .optional(),
    }),
  phase_start: () => z.looseObject({ phase: name, steps: z.array(text).optional() }),
  step_start: () => z.looseObject({ phase: name, step: z.looseObject(stepFields()) }),
  step_complete: () =>
    z.looseObject({
      phase: name,
      step: z.looseObject({
        ...stepFields(),
        status: z.enum(['success', 'warning', 'failure', 'pending_input']),
        duration_ms: durationMs(),
        error: failure(),
      }),
      artifacts: artifacts(),
    }),
  artifact_create: () =>
    z.looseObject({
      artifact: z.looseObject({ ...artifactFields(), type: name, metadata: object().nullish() }),
      step: maybe(),
      phase: name.nullish(),
    }),
  phase_complete: () =>
    z.looseObject({
      phase: name,
      status: name,
      duration_ms: durationMs(),
      steps_completed: count(),
      artifacts_created: count(),
    }),
  workflow_complete: () =>
    z.looseObject({
      status: name,
      duration_ms: durationMs(),
      summary: z
        .looseObject({
          phases_executed: count(),
          steps_executed: count(),
          artifacts_created: count(),
          retries_used: count(),
        })
        .optional(),
      artifacts: artifacts(),
    }),
  workflow_resumed: () => z.looseObject({ reason: maybe() }),
  step_retry: () =>
    z.looseObject({
      phase: name,
      step: stepName(),
      reason: maybe(),
      error: failure(),
    }),
  phase_skip: () => z.looseObject({ phase: name, reason: maybe() }),
  step_skip: () => z.looseObject({ phase: name, step: stepName(), reason: maybe() }),
  decision_point: () =>
    z.looseObject({
      ...placeFields(),
      question: maybe(),
      options: z.array(z.unknown()).optional(),
      reason: maybe(),
    }),
  approval_request: approval,
  approval_granted: approval,
  approval_denied: approval,
  error: () =>
    z.looseObject({
      ...placeFields(),
      message: maybe(),
      error: failure(),
    }),
};

export function isWorkflowEventType(value: unknown): value is WorkflowEventType {
  return WORKFLOW_EVENT_TYPES.some((type) => type === value);
}

/** The problems of a payload, one line each (`payload.step.status: ...`); empty for a valid payload. */
export function checkPayload(type: WorkflowEventType, payload: unknown): string[] {
  if (!isJsonObject(payload)) return ['payload: must be a JSON object'];
  // First: the checks below recurse.
  const problem = sizeProblem(payload);
  if (problem !== undefined) return [problem];
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes > PAYLOAD_BYTES_MAX) {
    return [`payload: must be at most ${PAYLOAD_BYTES_MAX} bytes of JSON (it has ${bytes})`];
  }
  const error = (issue: { readonly input?: unknown }): string | undefined =>
    issue.input === undefined ? 'is missing' : undefined;
  const result = PAYLOADS[type]().safeParse(payload, { error });
  return (result.error?.issues ?? []).map(
    ({ path, message }) =>
      `${['payload', ...path].join('.')}: ${message.replace(/^Invalid (?:input|option): /, '')}`,
  );
}

/** JSON Schema (draft 2020-12) of an event as it is printed and stored. The first six fields are required. */
export function eventSchema(type: WorkflowEventType): JsonObject {
  const envelope = z
    .looseObject({
      event_type: z.literal(type),
      workflow_id: text.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
      timestamp: z.iso.datetime().describe('UTC'),
      project: text.nullable(),
      environment: text.nullable(),
      payload: PAYLOADS[type](),
      event_id: text.describe('ULID, minted with the timestamp').optional(),
      task_id: text.optional(),
      trace_id: z.union([text.regex(/^[0-9a-f]{32}$/), z.null()]).optional(),
      attempt: z
        .int()
        .min(1)
        .nullable()
        .describe('number of the start of its workflow, phase or step; null: the store counts')
        .optional(),
      schema_version: z.literal(SCHEMA_VERSION).optional(),
      key: text.describe('identifies the event instead of its payload').optional(),
      phases: z.array(text).describe('planned phases').optional(),
    })
    .meta({ title: type, description: `The workflow event ${type}, schema version ${SCHEMA_VERSION}.` });
  // The declared type of `toJSONSchema` has functions; the round trip leaves plain JSON.
  return JSON.parse(JSON.stringify(z.toJSONSchema(envelope, { io: 'input' }))) as JsonObject;
}

/** The recursion stops at the limit, however deep the value is. */
function sizeProblem(payload: JsonObject): string | undefined {
  let values = 0;
  const depthOf = (value: unknown, depth: number): number => {
    values += 1;
    if (typeof value !== 'object' || value === null || values > PAYLOAD_VALUES_MAX) return depth;
    if (depth >= JSON_DEPTH_MAX) return depth + 1;
    let deepest = depth;
    for (const item of Object.values(value)) deepest = Math.max(deepest, depthOf(item, depth + 1));
    return deepest;
  };
  if (depthOf(payload, 0) > JSON_DEPTH_MAX) return `payload: nests deeper than ${JSON_DEPTH_MAX} levels`;
  if (values > PAYLOAD_VALUES_MAX) return `payload: holds more than ${PAYLOAD_VALUES_MAX} values`;
  return undefined;
}
