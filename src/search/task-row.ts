import { isPossibleAmount } from '../model/amounts.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { firstOfText } from '../model/text.ts';
import { type ShortCostBasis, shortCostBasis } from '../project/genai/cost-basis.ts';
import type { NumberField, TextField } from './query/searched-fields.ts';
import type { ListedTask } from './searched-files.ts';

/** Characters of a message and an error in a list: some lines on a wide screen. */
const LISTED_MAX = 500;

/** What is compared, sorted and counted of a task. */
export interface TaskRow {
  readonly id: string;
  /** ISO 8601; empty for none. */
  readonly at: string;
  readonly status: string | null;
  readonly source: string | null;
  readonly provider: string | null;
  readonly agent: string | null;
  readonly model: string | null;
  readonly command: string | null;
  readonly repo: string | null;
  readonly error_type: string | null;
  readonly trace_id: string | null;
  /** Number or key of what the task was started from: an issue, a pull request, a ticket. */
  readonly issue: string | null;
  readonly comment_id: string | null;
  /** Where the person has written. */
  readonly url: string | null;
  readonly workflow_ids: readonly string[];
  readonly attempt: number;
  /** Null while the task has not ended. */
  readonly success: boolean | null;
  readonly cost: number | null;
  /** Where the cost is from, and whether it can be trusted. Null while the task has not ended. */
  readonly cost_basis: ShortCostBasis | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  /** In seconds. */
  readonly duration: number | null;
}

/** Fields of `source_metadata` that name an issue or its like, by sender. */
const ISSUES = [
  'issue_number',
  'issue_key',
  'pull_request',
  'merge_request',
  'work_item',
  'issue_id',
  'ticket',
] as const;

/** The documents of a task. */
export interface TaskDocuments {
  readonly input: JsonObject | undefined;
  readonly result: JsonObject | undefined;
}

export function taskRow({ id, at, metadata }: ListedTask, { input, result }: TaskDocuments): TaskRow {
  const metrics = objectOf(result?.metrics);
  const { workflow_ids: workflowIds, attempt } = metadata;
  const source = objectOf(input?.source_metadata);
  return {
    id,
    at,
    status: textOrNull(metadata.status),
    source: textOrNull(metadata.source),
    provider: textOrNull(metadata.provider),
    agent: textOrNull(metadata.assigned_agent),
    model: textOrNull(metadata.model),
    command: textOrNull(metadata.command),
    repo: textOrNull(source.repo),
    error_type: textOrNull(result?.error_type),
    trace_id: textOrNull(metadata.trace_id),
    issue: ISSUES.map((name) => nameOrNull(source[name])).find((name) => name !== null) ?? null,
    comment_id: nameOrNull(source.comment_id),
    url: textOrNull(source.url),
    workflow_ids: Array.isArray(workflowIds) ? workflowIds.filter((one) => typeof one === 'string') : [],
    attempt: numberOrNull(attempt) ?? 1,
    success: typeof result?.success === 'boolean' ? result.success : null,
    cost: numberOrNull(metrics.cost_usd),
    cost_basis: shortCostBasis(result),
    input_tokens: numberOrNull(metrics.input_tokens),
    output_tokens: numberOrNull(metrics.output_tokens),
    duration: numberOrNull(metrics.duration_seconds),
  };
}

/** Input and output together; null when neither is known. */
export function tokensOf({ input_tokens: input, output_tokens: output }: TaskRow): number | null {
  return input === null && output === null ? null : (input ?? 0) + (output ?? 0);
}

export function numberIn(row: TaskRow, field: NumberField): number | null {
  return field === 'tokens' ? tokensOf(row) : row[field];
}

/** The values of a field other than `tool`, whose values stand in the output. */
export function textsIn(row: TaskRow, field: Exclude<TextField, 'tool'>): readonly string[] {
  if (field === 'workflow_id') return row.workflow_ids;
  const value = field in row ? row[field as keyof TaskRow] : null;
  return typeof value === 'string' ? [value] : [];
}

/** An item of a list: the metadata, and what a table shows of the other documents. */
export function listItem(task: ListedTask, documents: TaskDocuments): JsonObject {
  const { input, result } = documents;
  const row = taskRow(task, documents);
  return {
    ...task.metadata,
    message: listedText(input?.message),
    repo: row.repo,
    success: row.success,
    error: listedText(result?.error),
    error_type: row.error_type,
    cost_usd: row.cost,
    cost_basis: row.cost_basis && { ...row.cost_basis },
    input_tokens: row.input_tokens,
    output_tokens: row.output_tokens,
    duration_seconds: row.duration,
  };
}

function listedText(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  return value.length > LISTED_MAX ? `${firstOfText(value, LISTED_MAX)}…` : value;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A name that senders write as text or as a number. */
function nameOrNull(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : textOrNull(value);
}

function numberOrNull(value: unknown): number | null {
  return isPossibleAmount(value) ? value : null;
}
