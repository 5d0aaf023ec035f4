import type { JsonValue } from './json.ts';

/** Span kinds as OTLP numbers them (opentelemetry-proto trace.proto). */
export const SPAN_KIND = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export type SpanKindName = keyof typeof SPAN_KIND;

export interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
}

/**
 * A recorded event before its encoding as OTLP. `eventId` and `timeMs` are minted together and stay the same when the fact
 * is sent again.
 */
export interface Fact {
  readonly eventName: string;
  readonly eventId: string;
  readonly timeMs: number;
  readonly body?: JsonValue | undefined;
  /** Further attributes, the same object for many facts: it is never changed. None of its names is in `attributes`. */
  readonly shared?: Readonly<Record<string, JsonValue>> | undefined;
  readonly attributes: Readonly<Record<string, JsonValue | undefined>>;
  readonly span?: SpanIds | undefined;
}
