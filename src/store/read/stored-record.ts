import { isJsonObject, type JsonObject } from '../../model/json.ts';
import type { WorkflowEnvelope } from '../../model/workflow.ts';
import type { Delivery } from './deliveries/delivery-list.ts';
import type { WorkflowSummary } from './records/workflow-summary.ts';

/** A workflow or a delivery, as it is searched and listed. */
export interface StoredRecord {
  readonly id: string;
  readonly source: string;
  readonly place: number;
  readonly at: string;
  readonly isMarked: boolean;
  readonly values: Readonly<Record<string, readonly string[]>>;
  readonly duration: number | null;
  readonly attempt: number;
  texts(): Promise<readonly string[]>;
  item(): Promise<JsonObject>;
}

/** Values of one record that are read: a hostile payload may have millions. */
const VALUES_MAX = 10_000;

export interface WorkflowRecordOptions {
  readonly at: string;
  readonly source: string;
  texts(): Promise<readonly WorkflowEnvelope[]>;
  item(): Promise<JsonObject>;
}

export function workflowRecord(
  summary: WorkflowSummary,
  { at, source, texts, item }: WorkflowRecordOptions,
): StoredRecord {
  const {
    workflow_id: id,
    status,
    name,
    work_item_id,
    project,
    environment,
    task_ids,
    phases,
    steps,
  } = summary;
  const { duration_ms: durationMs } = summary.measured;
  const values = valuesOf({
    ...{ status, name, work_item_id, project, environment, phase: phases, step: steps },
    ...{ workflow_id: id, task_id: task_ids },
  });
  return {
    ...{ id, source, place: 0, at, isMarked: summary.opened_by !== undefined, values, item },
    duration: durationMs === null ? null : durationMs / 1_000,
    attempt: summary.attempt,
    texts: async () => [
      ...Object.entries(values).flatMap(([field, found]) => (field === 'status' ? [] : found)),
      ...(await texts()).flatMap(({ payload }) => textsIn(payload)),
    ],
  };
}

export function deliveryRecord({ id, at, day, start, line }: Delivery): StoredRecord {
  const { provider, outcome, event_type, delivery_id, reason, task_ids, subject, trace_id, stages } = line;
  const values = valuesOf({ provider, outcome, event_type, delivery_id, reason, task_id: task_ids });
  return {
    ...{ id, source: day, place: start, at, isMarked: line.sender !== undefined, values },
    ...{ duration: null, attempt: 1 },
    texts: async () => [
      id,
      ...['provider', 'event_type', 'delivery_id', 'reason', 'task_id'].flatMap(
        (field) => values[field] ?? [],
      ),
      ...textsIn([subject, trace_id, stages]),
    ],
    item: async () => line,
  };
}

/** Texts alone: lines come from any sender. */
function valuesOf(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>> {
  const values: Record<string, readonly string[]> = {};
  for (const [field, value] of Object.entries(fields)) {
    const texts = (Array.isArray(value) ? value : [value]).filter(
      (text): text is string => typeof text === 'string' && text !== '',
    );
    if (texts.length > 0) values[field] = texts.slice(0, VALUES_MAX);
  }
  return values;
}

/** Each text in a value by itself. */
function textsIn(value: unknown): readonly string[] {
  const texts: string[] = [];
  const waiting: unknown[] = [value];
  for (let count = 0; waiting.length > 0 && count < VALUES_MAX; count += 1) {
    const next = waiting.pop();
    if (typeof next === 'string') texts.push(next);
    else if (typeof next === 'number') texts.push(String(next));
    else if (Array.isArray(next)) waiting.push(...next.slice(0, VALUES_MAX).reverse());
    else if (isJsonObject(next)) waiting.push(...Object.values(next).slice(0, VALUES_MAX).reverse());
  }
  return texts;
}
