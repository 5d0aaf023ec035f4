import type { OtlpKeyValue, OtlpResource, OtlpScope, OtlpSpan } from '../model/otlp.ts';
import { redact } from '../redact/redact.ts';

/**
 * A segment is lines of one letter and JSON: `H` the header (first), `C` the resource and scope of what follows, `L`
 * a log record, `S` a span, both as OTLP/JSON, so that a request is put together without parsing.
 */
export type EntryKind = 'L' | 'S';

export interface SegmentHeader {
  readonly version: 1;
  /** Keys of the destinations that must have this segment before it may be forgotten. */
  readonly destinations: readonly string[];
}

export interface TelemetrySource {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
}

/** A log record as OTLP/JSON writes it. */
export interface OtlpLogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly eventName?: string;
  readonly body?: OtlpKeyValue['value'];
  readonly attributes: readonly OtlpKeyValue[];
  readonly traceId?: string;
  readonly spanId?: string;
}

export interface JournalEntry {
  readonly kind: EntryKind;
  readonly json: string;
}

/** The last place where a record is data of this process: what looks like a secret does not get past it. */
export function logEntry(record: OtlpLogRecord): JournalEntry {
  return { kind: 'L', json: redact(JSON.stringify(record)) };
}

export function spanEntry(span: OtlpSpan): JournalEntry {
  return { kind: 'S', json: redact(JSON.stringify(span)) };
}
