import { DELIVERY_OUTCOMES, TASK_STATUSES } from '../../model/documents.ts';
import type { NumberField, TextField } from './searched-fields.ts';

type TimeField = 'since' | 'until';

/** What a query of one list may name: what people type before the colon, and the field that it is. */
export interface QueryFields {
  readonly texts: Readonly<Record<string, TextField>>;
  readonly numbers: Readonly<Record<string, NumberField>>;
  /** The values of fields that have only these. */
  readonly known: Readonly<Partial<Record<TextField, readonly string[]>>>;
  /** What the list has, for an error. */
  readonly of: string;
}

export const TASK_FIELDS: QueryFields = {
  texts: {
    status: 'status',
    source: 'source',
    provider: 'provider',
    agent: 'agent',
    model: 'model',
    command: 'command',
    repo: 'repo',
    workflow: 'workflow_id',
    workflow_id: 'workflow_id',
    error_type: 'error_type',
    trace: 'trace_id',
    trace_id: 'trace_id',
    issue: 'issue',
    comment_id: 'comment_id',
    url: 'url',
    tool: 'tool',
  },
  numbers: { cost: 'cost', tokens: 'tokens', duration: 'duration', attempt: 'attempt' },
  known: { status: TASK_STATUSES },
  of: 'tasks',
};

export const WORKFLOW_FIELDS: QueryFields = {
  texts: {
    status: 'status',
    name: 'name',
    work_item: 'work_item_id',
    work_item_id: 'work_item_id',
    project: 'project',
    environment: 'environment',
    phase: 'phase',
    step: 'step',
    workflow: 'workflow_id',
    workflow_id: 'workflow_id',
    task: 'task_id',
    task_id: 'task_id',
  },
  numbers: { duration: 'duration', attempt: 'attempt' },
  known: {},
  of: 'workflows',
};

export const DELIVERY_FIELDS: QueryFields = {
  texts: {
    provider: 'provider',
    outcome: 'outcome',
    event: 'event_type',
    event_type: 'event_type',
    delivery: 'delivery_id',
    delivery_id: 'delivery_id',
    reason: 'reason',
    task: 'task_id',
    task_id: 'task_id',
  },
  numbers: {},
  known: { outcome: DELIVERY_OUTCOMES },
  of: 'deliveries',
};

/** Of every list. */
export const ALL_FIELDS: readonly QueryFields[] = [TASK_FIELDS, WORKFLOW_FIELDS, DELIVERY_FIELDS];

export const TIME_FIELDS: readonly TimeField[] = ['since', 'until'];

/** Whether a query of tasks may have this before a colon. */
export function isTaskField(name: string): boolean {
  const { texts, numbers } = TASK_FIELDS;
  return (
    TIME_FIELDS.some((time) => time === name) || Object.hasOwn(texts, name) || Object.hasOwn(numbers, name)
  );
}

/** Compared without case: GitHub, agents and people write the same name in several ways. */
export const WITHOUT_CASE: ReadonlySet<TextField> = new Set<TextField>([
  'repo',
  'tool',
  'trace_id',
  'issue',
  'url',
]);
