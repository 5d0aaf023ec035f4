import type { DeliveryLine, WorkflowEnvelope } from '../model/documents.ts';
import type { JsonObject } from '../model/json.ts';
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
  | { readonly kind: 'envelope'; readonly envelope: WorkflowEnvelope }
  /** Understood, and nothing to store. */
  | { readonly kind: 'nothing' }
  /** Names no task, workflow or delivery. */
  | { readonly kind: 'unattributed'; readonly service: string }
  | { readonly kind: 'rejected'; readonly reason: string };
