import type { JsonObject, JsonValue } from './json.ts';

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
  /** Which start of its workflow, phase or step the event belongs to, from 1. */
  readonly attempt: number;
  readonly schema_version: number;
  /** The caller's own word for what makes the event the same one, where given. */
  readonly key?: string;
  /** On a start of a workflow: names of the phases that are planned, where the caller said so. */
  readonly phases?: readonly string[];
}

/** What the events themselves say, beside what their sender reports of them. Counts are of the whole run. */
export interface Measured {
  /** From the start of the newest attempt to its end; null while one of both is missing. */
  readonly duration_ms: number | null;
  /** Phases that were started or completed, each counted once. */
  readonly phases: number;
  /** Steps that were started or completed, each counted once for its phase. */
  readonly steps: number;
  /** `artifact_create` events. */
  readonly artifacts: number;
  /** Starts of a step beyond its first, and of a phase without steps beyond its first. */
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

/** `_workflow/<yyyy>/<mm>/<workflow_id>.json`, and the object in S3: the end of the newest attempt and all events. */
export interface WorkflowDocument extends WorkflowEnvelope {
  readonly events: readonly WorkflowEnvelope[];
  readonly measured: Measured;
  readonly completeness: Completeness;
  /** From 1; late events make a new one. */
  readonly revision: number;
}

/** Where the newest attempt of a workflow, a phase or a step stands. */
export interface WorkflowLevel {
  /** Null for the workflow itself. */
  readonly phase: string | null;
  /** Null for a phase and for the workflow itself. */
  readonly step: string | null;
  readonly attempt: number;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  /** As its completion says; `skipped` for a phase or step that was left out; null while it runs. */
  readonly status: string | null;
  readonly trace_id: string | null;
  readonly span_id: string | null;
}

/** What is known of a workflow, running or over: what REST shows and what a resuming orchestrator goes on from. */
export interface WorkflowState {
  readonly workflow_id: string;
  readonly name: string | null;
  readonly work_item_id: string | null;
  /** `running`, `waiting` (an approval is asked for, or a step is `pending_input`), else as its completion says. */
  readonly status: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  /** When the last event happened. */
  readonly updated_at: string;
  readonly attempt: number;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  /** The phase and step that are open, the latest of each. */
  readonly phase: string | null;
  readonly step: string | null;
  readonly measured: Measured;
  readonly completeness: Completeness;
  /** The workflow itself first, then phases and steps in the order of their first mention. */
  readonly levels: readonly WorkflowLevel[];
}

/** What became of a document that goes to S3. */
export interface UploadState {
  readonly status: 'pending' | 'verified';
  /** `s3://bucket/key`; null while it has not been there. */
  readonly url: string | null;
  /** Revision of the local document that is there. */
  readonly revision: number | null;
  readonly verified_at: string | null;
}

/** A workflow as a reader finds it: the events once each, in order. */
export interface StoredWorkflow {
  readonly state: WorkflowState;
  readonly events: readonly WorkflowEnvelope[];
  /** As in its file; undefined while it runs. */
  readonly document: WorkflowDocument | undefined;
  readonly upload: UploadState | undefined;
}

export interface WorkflowQuery {
  readonly work_item_id?: string | undefined;
  readonly status?: string | undefined;
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
  /** ISO 8601; by the start of the workflow, from here on. */
  readonly since?: string | undefined;
  /** ISO 8601; before here. */
  readonly until?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Newest first. */
export interface WorkflowPage {
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}

export interface FeedQuery {
  /** `next_cursor` of an earlier page; undefined begins with the oldest event that is there. */
  readonly after?: string | undefined;
  /** An event type. */
  readonly type?: string | undefined;
  readonly limit: number;
}

/** In the order of storing. */
export interface FeedPage {
  /** JSON texts of envelopes. */
  readonly items: readonly string[];
  /** Where the next call goes on, also when this page is empty. */
  readonly nextCursor: string;
}

const FAILURES = new Set(['failure', 'failed', 'error']);

/** Whether a status of a workflow, phase or step is one of the words for a failure. */
export function isFailure(status: string | null): boolean {
  return status !== null && FAILURES.has(status);
}
