import type { DeliveryLine } from '../model/documents.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import type { SenderMark } from '../model/sender.ts';
import type { GenAiSpan } from './genai/call-span.ts';

/** A line of `facts.jsonl`: a record of a task as it was received, in the form that the folds read. */
export interface FactLine {
  readonly timestamp: string;
  readonly event_id: string;
  readonly event: string;
  readonly attempt: number;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly body?: JsonObject;
  /** On a start fact: the announced span. */
  readonly span?: {
    readonly parent_id: string | null;
    readonly name: string;
    readonly kind: number;
    readonly attributes: JsonObject;
  };
  /** On an end fact whose span must be built from the facts; `attributes` are those of the end fact. */
  readonly derive?: { readonly attributes: JsonObject };
  /** The attempt as it was said, where it is none that counts: then `attempt` is 1. */
  readonly given_attempt?: JsonValue;
  /** Time of the holder at which it stored a result: the end of the task for retention. */
  readonly received_at?: string;
  /** Absent: the trail. */
  readonly sender?: SenderMark;
}

/** A line of `<workflow_id>.facts`: a workflow event as it was received. Envelopes, documents and spans are folded from it. */
export interface WorkflowFact {
  readonly timestamp: string;
  readonly event_id: string;
  readonly workflow_id: string;
  readonly event_type: string;
  /** Given by the caller; null: the fold counts. */
  readonly attempt: number | null;
  /** Identifies the event instead of its payload; given by the caller. */
  readonly key: string | null;
  readonly phase: string | null;
  readonly step: string | null;
  readonly task_id: string | null;
  readonly work_item_id: string | null;
  /** Name of the workflow, on its start. */
  readonly name: string | null;
  /** Names of the planned phases, on the start of a workflow. */
  readonly phases: readonly string[] | null;
  readonly project: string | null;
  readonly environment: string | null;
  readonly trace_id: string | null;
  /** The span of the sender; null: the fold derives the span. */
  readonly span_id: string | null;
  /** Parent of a workflow span that the fold derives. */
  readonly parent_id: string | null;
  readonly payload: JsonValue;
  /** As on a `FactLine`. */
  readonly span?: NonNullable<FactLine['span']>;
  /** As on a `FactLine`. */
  readonly derive?: NonNullable<FactLine['derive']>;
  /** The attempt as it was said, where it is none that counts: then `attempt` is null. */
  readonly given_attempt?: JsonValue;
  /** Absent: the trail. */
  readonly sender?: SenderMark;
}

/** A line of `02-webhook-flow.jsonl` or `03-agent-output.jsonl`. */
export interface TaskLine extends JsonObject {
  readonly timestamp: string;
  readonly event_id: string;
  /** Absent: the trail. */
  readonly sender?: SenderMark;
}

/** A change that one record makes. */
export type Change =
  | {
      readonly kind: 'line';
      readonly taskId: string;
      readonly file: 'webhookFlow' | 'agentOutput';
      readonly line: TaskLine;
      /** A tool call, or its result, that telemetry reports: stored unless the agent's output has it. */
      readonly isReported?: boolean;
    }
  | { readonly kind: 'fact'; readonly taskId: string; readonly line: FactLine }
  | {
      readonly kind: 'span';
      readonly taskIds: readonly string[];
      /** Whether foreign instrumentation made the span; there is a limit for such spans. */
      readonly isForeign: boolean;
      readonly span: OtlpSpan;
      readonly genAi: GenAiSpan;
      readonly line: string;
    }
  | {
      readonly kind: 'workflow-span';
      readonly workflowId: string;
      readonly span: OtlpSpan;
      readonly line: string;
    }
  | { readonly kind: 'delivery'; readonly line: DeliveryLine }
  | { readonly kind: 'workflow-fact'; readonly fact: WorkflowFact }
  /** An attempt is alive. Nothing is stored. */
  | { readonly kind: 'heartbeat'; readonly taskId: string; readonly attempt: number }
  /** A valid record without anything to store. */
  | { readonly kind: 'nothing' }
  /** The record names no task, workflow or delivery. */
  | { readonly kind: 'unattributed'; readonly service: string }
  | { readonly kind: 'rejected'; readonly reason: string };

/** A change of a task. */
export type TaskChange = Extract<Change, { kind: 'line' | 'fact' | 'span' }>;

/** A line of a file of a task. */
export type LineChange = Extract<TaskChange, { kind: 'line' }>;
