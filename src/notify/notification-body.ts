import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../model/json.ts';
import type { NotificationType } from '../model/notification.ts';
import { firstOfText, wellFormed } from '../model/text.ts';
import { redactJson } from '../redact/redact.ts';

/** The specification recommends less than 20 kB. */
export const PAYLOAD_BYTES_MAX = 20_000;

/** Characters of a message or an error: what a person reads in a chat. The rest is behind the link. */
const TEXT_MAX = 500;

/** Of names and ids, which senders choose. */
const WORD_MAX = 200;

const LINKS_MAX = 5;
const LINK_MAX = 1_000;
const IDS_MAX = 10;

export interface PayloadParts {
  readonly type: NotificationType;
  /** When it happened. ISO 8601. */
  readonly timestamp: string;
  readonly data: JsonObject;
}

/** The body: `type`, `timestamp` and `data`, redacted. Never longer than `PAYLOAD_BYTES_MAX`. */
export function payloadText({ type, timestamp, data }: PayloadParts): string {
  const text = redactJson(JSON.stringify({ type, timestamp, data }));
  if (Buffer.byteLength(text) <= PAYLOAD_BYTES_MAX) return text;
  // Four bytes a character, escapes and masks: only what names the task is left.
  const { task_id, workflow_id, attempt, status } = data;
  const short = { task_id, workflow_id, attempt, status, truncated: true };
  return redactJson(JSON.stringify({ type, timestamp, data: short }));
}

export interface TaskFacts {
  readonly metadata: JsonObject;
  readonly input: JsonObject | undefined;
  readonly result: JsonObject | undefined;
}

export interface LinkParts {
  /** URL template of a page; undefined: only the path of the API. */
  readonly link: string | undefined;
  readonly traces: readonly string[];
}

/** `data` about a task. Unknown is null. */
export function taskData(
  taskId: string,
  { metadata, input, result }: TaskFacts,
  { link, traces }: LinkParts,
): JsonObject {
  const metrics = objectOf(result?.metrics);
  const { workflow_ids: workflowIds, opened_by: openedBy, budget_notice: notice } = metadata;
  return {
    task_id: taskId,
    attempt: numberOrNull(metadata.attempt),
    status: word(metadata.status),
    success: typeof result?.success === 'boolean' ? result.success : null,
    error_type: word(result?.error_type),
    error: text(result?.error),
    message: text(input?.message),
    source: word(metadata.source),
    provider: word(metadata.provider),
    agent: word(metadata.assigned_agent),
    model: word(metadata.model),
    command: word(metadata.command),
    repo: word(objectOf(input?.source_metadata).repo),
    workflow_ids: idsOf(workflowIds),
    created_at: word(metadata.created_at),
    started_at: word(metadata.started_at),
    completed_at: word(metadata.completed_at),
    duration_seconds: numberOrNull(metrics.duration_seconds),
    cost_usd: numberOrNull(metrics.cost_usd),
    input_tokens: numberOrNull(metrics.input_tokens),
    output_tokens: numberOrNull(metrics.output_tokens),
    trace_id: word(metadata.trace_id),
    ...(isJsonObject(notice) && { budget: budgetOf(notice) }),
    // The sender with the most rights; absent: the trail itself.
    ...(typeof openedBy === 'string' && { opened_by: openedBy }),
    links: linksOf(`/api/tasks/${taskId}`, filled(link, '{task_id}', taskId), traces),
  };
}

export interface WorkflowFacts {
  /** As `GET /api/workflows/{id}` shows it. */
  readonly state: JsonObject;
  /** Of the event that this is about. */
  readonly status: string | null;
  readonly attempt: number;
  /** Of all its tasks whose cost is known; null: of none. */
  readonly costUsd: number | null;
}

/** `data` about a workflow. Unknown is null. */
export function workflowData(
  workflowId: string,
  { state, status, attempt, costUsd }: WorkflowFacts,
  { link, traces }: LinkParts,
): JsonObject {
  const durationMs = numberOrNull(objectOf(state.measured).duration_ms);
  return {
    workflow_id: workflowId,
    attempt,
    status: word(status),
    name: word(state.name),
    work_item_id: word(state.work_item_id),
    project: word(state.project),
    environment: word(state.environment),
    phase: word(state.phase),
    step: word(state.step),
    task_ids: idsOf(state.task_ids),
    started_at: word(state.started_at),
    completed_at: word(state.completed_at),
    duration_seconds: durationMs === null ? null : durationMs / 1_000,
    cost_usd: costUsd,
    trace_id: word(state.trace_id),
    ...(typeof state.opened_by === 'string' && { opened_by: state.opened_by }),
    links: linksOf(`/api/workflows/${workflowId}`, filled(link, '{workflow_id}', workflowId), traces),
  };
}

/** The amount of which most or all is used. */
function budgetOf({ kind, used, limit }: JsonObject): JsonObject {
  return { kind: word(kind), used: numberOrNull(used), limit: numberOrNull(limit) };
}

function linksOf(self: string, page: string | undefined, traces: readonly string[]): JsonObject {
  const shown = traces.filter((url) => url.length <= LINK_MAX).slice(0, LINKS_MAX);
  return {
    self,
    ...(page !== undefined && page.length <= LINK_MAX && { page }),
    ...(shown.length > 0 && { traces: shown }),
  };
}

/** Undefined when the template is about the other kind. */
function filled(template: string | undefined, name: string, id: string): string | undefined {
  return template?.includes(name) === true ? template.replaceAll(name, encodeURIComponent(id)) : undefined;
}

function idsOf(ids: JsonValue | undefined): readonly string[] {
  return Array.isArray(ids)
    ? ids.filter((id): id is string => typeof id === 'string' && id.length <= WORD_MAX).slice(0, IDS_MAX)
    : [];
}

function word(value: unknown): string | null {
  return cut(value, WORD_MAX);
}

function text(value: unknown): string | null {
  return cut(value, TEXT_MAX);
}

function cut(value: unknown, max: number): string | null {
  if (typeof value !== 'string' || value === '') return null;
  return value.length > max ? `${firstOfText(wellFormed(value), max)}…` : wellFormed(value);
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
