import { fieldValues } from './field-values.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { SenderMark } from './sender.ts';

/** A line of `_workflow/<yyyy>/<mm>/<workflow_id>.jsonl`, and what `tasktrail emit` prints. */
export interface WorkflowEnvelope {
  readonly event_type: string;
  readonly workflow_id: string;
  readonly timestamp: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly payload: JsonValue;
  readonly event_id: string;
  readonly task_id?: string;
  readonly trace_id: string | null;
  /** Number of the start of the workflow, phase or step of the event, from 1. */
  readonly attempt: number;
  readonly schema_version: number;
  /** Identifies the event instead of its payload; set by the caller. */
  readonly key?: string;
  /** Names of the planned phases; on a `workflow_start` whose caller gave them. */
  readonly phases?: readonly string[];
  /** Absent: the trail. In a workflow of the trail an event with a mark adds, and decides nothing. */
  readonly sender?: SenderMark;
}

/** Values computed from the events, next to the summary that the sender reports. Counts cover all attempts. */
export interface Measured {
  /** From the start of the newest attempt to its end; null while one of them is missing. */
  readonly duration_ms: number | null;
  /** Phases that were started or completed, each counted once. */
  readonly phases: number;
  /** Steps that were started or completed, each counted once per phase. */
  readonly steps: number;
  /** `artifact_create` events. */
  readonly artifacts: number;
  /** Further starts of a step after its first, and of a phase without steps. */
  readonly retries: number;
}

export const COMPLETENESS_FLAGS = [
  'missing_phase',
  'missing_step',
  'success_without_children',
  'failed_child',
  'no_end',
  'approval_missing',
  'time_reversed',
  'disagrees',
] as const;
export type CompletenessFlag = (typeof COMPLETENESS_FLAGS)[number];
/** True where something is missing or contradicts itself. */
export type Completeness = Readonly<Record<CompletenessFlag, boolean>>;

/** `_workflow/<yyyy>/<mm>/<workflow_id>.json` and its S3 object: the end of the newest attempt, and all events. */
export interface WorkflowDocument extends WorkflowEnvelope {
  readonly events: readonly WorkflowEnvelope[];
  readonly measured: Measured;
  readonly completeness: Completeness;
  /** From 1; late events cause a new revision. */
  readonly revision: number;
}

/** The newest attempt of a workflow, a phase or a step. */
export interface WorkflowLevel {
  /** Null for the workflow itself. */
  readonly phase: string | null;
  /** Null for a phase and for the workflow itself. */
  readonly step: string | null;
  readonly attempt: number;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  /** The status of its completion; `skipped` for a skipped phase or step; null while it runs. */
  readonly status: string | null;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  /** Present when only such a sender has told of this level. Absent: the trail. */
  readonly sender?: SenderMark;
}

/** The state of a workflow, running or ended. REST returns it, and an orchestrator resumes from it. */
export interface WorkflowState {
  readonly workflow_id: string;
  readonly name: string | null;
  readonly work_item_id: string | null;
  /** `running`, `waiting` (for an approval, or a step is `pending_input`), else the status of its completion. */
  readonly status: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  /** Time of the last event. */
  readonly updated_at: string;
  readonly attempt: number;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  /** The open phase and the open step; the latest one of several. */
  readonly phase: string | null;
  readonly step: string | null;
  readonly measured: Measured;
  readonly completeness: Completeness;
  /** The workflow itself first, then phases and steps in the order of their first event. */
  readonly levels: readonly WorkflowLevel[];
  /** Present while no other sender has opened the workflow. Absent: the trail. */
  readonly opened_by?: SenderMark;
}

/** What a workflow waits for: an approval, or the input of a step. */
export interface WorkflowWait {
  readonly kind: 'approval' | 'input';
  /** The prompt of the approval, or the step or phase. */
  readonly name: string | null;
  /** ISO 8601: of the request that is open for the longest time. */
  readonly since: string | null;
}

/** Upload state of a workflow document. */
export interface UploadState {
  readonly status: 'pending' | 'verified';
  /** `s3://bucket/key`; null before the first upload. */
  readonly url: string | null;
  /** Revision of the local document that was uploaded last. */
  readonly revision: number | null;
  readonly verified_at: string | null;
}

/** A stored workflow; each event once, in order. */
export interface StoredWorkflow {
  readonly state: WorkflowState;
  readonly events: readonly WorkflowEnvelope[];
  /** The content of its file; undefined while the workflow runs. */
  readonly document: WorkflowDocument | undefined;
  readonly upload: UploadState | undefined;
  /** Undefined while it waits for nothing. */
  readonly waitsFor?: WorkflowWait | undefined;
}

/** Orders of a list of workflows. Both begin with the highest value; workflows without one come last. */
export const WORKFLOW_SORTS = ['created', 'duration'] as const;
export type WorkflowSort = (typeof WORKFLOW_SORTS)[number];

export interface WorkflowQuery {
  readonly work_item_id?: string | undefined;
  readonly status?: string | undefined;
  readonly name?: string | undefined;
  /** Of which this task is a part. */
  readonly task_id?: string | undefined;
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
  /** ISO 8601; workflows started at or after it. */
  readonly since?: string | undefined;
  /** ISO 8601; workflows started before it. */
  readonly until?: string | undefined;
  /** Seconds. */
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  /** Words, phrases and fields, as people type them. */
  readonly q?: string | undefined;
  /** Default `created`. */
  readonly sort?: WorkflowSort | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** The query as it was asked, without cursor and limit: a cursor belongs to the query that gave it. */
  readonly asked?: string | undefined;
}

/** Newest first. */
export interface WorkflowPage {
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}

export interface FeedQuery {
  /** `next_cursor` of an earlier page. Default: from the oldest stored event. */
  readonly after?: string | undefined;
  /** An event type. */
  readonly type?: string | undefined;
  readonly limit: number;
}

/** In the order in which events were stored. */
export interface FeedPage {
  /** JSON texts of envelopes. */
  readonly items: readonly string[];
  /** Continues after this page, also when it is empty. */
  readonly nextCursor: string;
}

/** The statuses of a workflow that have a meaning here. An orchestrator may end a workflow with a word of its own. */
export const WORKFLOW_STATUSES = [
  'running',
  'waiting',
  'success',
  'warning',
  'failure',
  'cancelled',
  'failed',
  'error',
  'skipped',
  'pending_input',
  'unknown',
] as const;

/** Whether a filter names one status that has no meaning. A list, or the beginning of a value, needs no check. */
export function isUnknownStatus(status: string | undefined): boolean {
  const [only, ...more] = status === undefined ? [] : fieldValues(status);
  if (only === undefined || more.length > 0 || only.isPrefix) return false;
  return !WORKFLOW_STATUSES.some((known) => known === only.text);
}

const FAILURES = new Set(['failure', 'failed', 'error']);

/** Whether a status of a workflow, phase or step is one of the words for a failure. */
export function isFailure(status: string | null): boolean {
  return status !== null && FAILURES.has(status);
}
