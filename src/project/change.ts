import type { DeliveryLine } from '../model/documents.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';

/** A line of `facts.jsonl`: a record of a task, as it came, in the form that the folds read. */
export interface FactLine {
  readonly timestamp: string;
  readonly event_id: string;
  readonly event: string;
  readonly attempt: number;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly body?: JsonObject;
  /** Present on a start fact. */
  readonly span?: {
    readonly parent_id: string | null;
    readonly name: string;
    readonly kind: number;
    readonly attributes: JsonObject;
  };
  /** Present on an end fact whose span must be built from the facts; `attributes` are the end's own. */
  readonly derive?: { readonly attributes: JsonObject };
}

/** A line of `<workflow_id>.facts`: a workflow event as it came; envelopes, documents and spans are folds of these. */
export interface WorkflowFact {
  readonly timestamp: string;
  readonly event_id: string;
  readonly workflow_id: string;
  readonly event_type: string;
  /** As the caller gave it; null: the fold counts. */
  readonly attempt: number | null;
  /** The caller's own word for what makes the event the same one. */
  readonly key: string | null;
  readonly phase: string | null;
  readonly step: string | null;
  readonly task_id: string | null;
  readonly work_item_id: string | null;
  /** Of the workflow; given with its start. */
  readonly name: string | null;
  /** Names of the phases that are planned; given with the start of a workflow. */
  readonly phases: readonly string[] | null;
  readonly project: string | null;
  readonly environment: string | null;
  readonly trace_id: string | null;
  /** Of the span that the sender holds open; null: the fold makes it up. */
  readonly span_id: string | null;
  /** Of a workflow whose span the fold makes up: what it hangs below. */
  readonly parent_id: string | null;
  readonly payload: JsonValue;
  /** As on a `FactLine`. */
  readonly span?: NonNullable<FactLine['span']>;
  /** As on a `FactLine`. */
  readonly derive?: NonNullable<FactLine['derive']>;
}

/** What one record changes. */
export type Change =
  | {
      readonly kind: 'line';
      readonly taskId: string;
      readonly file: 'webhookFlow' | 'agentOutput';
      readonly line: JsonObject & { readonly timestamp: string; readonly event_id: string };
    }
  | { readonly kind: 'fact'; readonly taskId: string; readonly line: FactLine }
  | {
      readonly kind: 'span';
      readonly taskIds: readonly string[];
      /** Whether somebody else's instrumentation made it: of those there may be too many. */
      readonly isForeign: boolean;
      readonly span: OtlpSpan;
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
  /** A sign of life of an attempt: nothing to store. */
  | { readonly kind: 'heartbeat'; readonly taskId: string; readonly attempt: number }
  /** Understood, and nothing to store. */
  | { readonly kind: 'nothing' }
  /** Names no task, workflow or delivery. */
  | { readonly kind: 'unattributed'; readonly service: string }
  | { readonly kind: 'rejected'; readonly reason: string };
