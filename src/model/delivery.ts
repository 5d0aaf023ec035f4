import type { JsonObject } from './json.ts';

export interface DeliveryQuery {
  readonly provider?: string | undefined;
  readonly outcome?: string | undefined;
  readonly event_type?: string | undefined;
  /** Which has started this task. */
  readonly task_id?: string | undefined;
  /** Words, phrases and fields, as people type them. */
  readonly q?: string | undefined;
  /** ISO 8601; deliveries at or after it. */
  readonly since?: string | undefined;
  /** ISO 8601; deliveries before it. */
  readonly until?: string | undefined;
  readonly limit: number;
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
  /** The query as it was asked, without cursor and limit: a cursor belongs to the query that gave it. */
  readonly asked?: string | undefined;
}

export interface DeliveryPage {
  /** Lines of `_webhooks/<date>.jsonl`, newest first. */
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}
