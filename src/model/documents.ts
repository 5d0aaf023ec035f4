import type { JsonObject, JsonValue } from './json.ts';
import type { SenderMark } from './sender.ts';

/** In every document and envelope. A renamed field needs the next number. */
export const SCHEMA_VERSION = 1;

/** Whether a newer program wrote a document or a line. It may use names that this one does not know. */
export function isNewer({ schema_version: version }: JsonObject): boolean {
  return typeof version === 'number' && version > SCHEMA_VERSION;
}

export const TASK_STATUSES = [
  'queued',
  'running',
  'waiting_input',
  'abandoned',
  'completed',
  'failed',
  'cancelled',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** Statuses that end a task; only a result record sets them. */
export type TerminalStatus = 'abandoned' | 'completed' | 'failed' | 'cancelled';

export function isTerminal(status: unknown): status is TerminalStatus {
  return status === 'abandoned' || status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** Whether a status is the end. `abandoned` is not: the holder says it of a silent worker, and the next attempt replaces it. */
export function isFinal(status: unknown): boolean {
  return isTerminal(status) && status !== 'abandoned';
}

/** `metadata.json`. Times are ISO 8601 UTC with milliseconds; null means unknown. */
export interface Metadata {
  readonly task_id: string;
  readonly source: string | null;
  readonly provider: string | null;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly status: TaskStatus;
  readonly assigned_agent: string | null;
  readonly agent_type: string | null;
  readonly model: string | null;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly workflow_ids: readonly string[];
  readonly schema_version: number;
  readonly [more: string]: JsonValue;
}

/** `01-input.json`. `message` is the text that the person wrote. */
export interface TaskInput {
  readonly message: string;
  readonly source_metadata: JsonObject;
}

export const STAGES = [
  'received',
  'validation',
  'command_matching',
  'immediate_response',
  'task_created',
  'queue_push',
] as const;
export type Stage = (typeof STAGES)[number];

export const OUTPUT_TYPES = [
  'system',
  'thinking',
  'output',
  'tool_call',
  'tool_result',
  'error',
  'result',
] as const;
export type OutputType = (typeof OUTPUT_TYPES)[number];

/** A line of `02-webhook-flow.jsonl`, and a stage inside a delivery. */
export interface StageLine {
  readonly timestamp: string;
  readonly stage: string;
  readonly event_id?: string;
  /** Absent: the trail. Records cannot set it. */
  readonly sender?: SenderMark;
  readonly [field: string]: JsonValue | undefined;
}

/** Cost and tokens. `inputTokens` includes cached input. Null means unknown, never 0. */
export interface Amounts {
  readonly costUsd?: number | null;
  readonly inputTokens?: number | null;
  readonly outputTokens?: number | null;
  readonly cacheReadInputTokens?: number | null;
  readonly cacheCreationInputTokens?: number | null;
}

/** Amounts of a run or a task: the total, and the amounts by model if the agent reports them. */
export interface Usage extends Amounts {
  readonly models?: Readonly<Record<string, Amounts>>;
  /**
   * Amounts by thread, for an agent whose counts cover a whole thread: the next run of the thread reports them again. Then
   * the totals are the sums of the threads.
   */
  readonly threads?: Readonly<Record<string, Amounts>>;
  /** Why the amounts are unknown although the agent reported some: what it reported is a part. */
  readonly unknownReason?: string;
  /** Why the amounts may be a part of what was used: the agent was ended before it reported all. */
  readonly incompleteReason?: string;
  /** What the messages of such an agent have said, at least. Its `threads` are used as those of a whole report. */
  readonly seen?: Amounts & Pick<Usage, 'threads'>;
}

export interface ResultMetrics {
  readonly cost_usd: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly duration_seconds: number | null;
  readonly cache_read_input_tokens: number | null;
  readonly cache_creation_input_tokens: number | null;
  readonly [more: string]: JsonValue;
}

/** `04-final-result.json`. */
export interface FinalResult {
  readonly success: boolean;
  readonly result: string | null;
  readonly error: string | null;
  readonly metrics: ResultMetrics;
  readonly completed_at: string;
  readonly status: TerminalStatus;
  readonly [more: string]: JsonValue;
}

export const DELIVERY_OUTCOMES = ['accepted', 'unmatched', 'rejected', 'duplicate'] as const;
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number];

/** A line of `_webhooks/<date>.jsonl`. */
export interface DeliveryLine {
  readonly timestamp: string;
  readonly event_id: string;
  readonly provider: string;
  readonly delivery_id: string | null;
  readonly event_type: string | null;
  /** The comment, message or issue that the delivery reports: the same in all its deliveries. */
  readonly subject?: string;
  /** By command: shows that the receiver of the webhook has started it for this subject. */
  readonly subject_macs?: Readonly<Record<string, string>>;
  /** Of an accepted delivery: shows that the receiver of this log directory has recorded it. */
  readonly mac?: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  readonly stages: readonly JsonValue[];
  /** How often the delivery has come before its tasks could be queued, this time included. */
  readonly tries?: number;
  /** Number of deliveries in a line that stands for a flood, with the counts by reason. */
  readonly count?: number;
  readonly reasons?: Readonly<Record<string, number>>;
  /** When the holder stored it, if `timestamp` is far from that: then it is filed under this day. */
  readonly received_at?: string;
  /** Absent: the trail. A line with a mark is kept, and decides nothing. */
  readonly sender?: SenderMark;
}
