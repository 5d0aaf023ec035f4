import type { OtlpAnyValue, OtlpKeyValue, OtlpResource, OtlpScope, OtlpSpan } from '../model/otlp.ts';
import { redact, redactJson } from '../redact/redact.ts';

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
  return { kind: 'L', json: recordText(record) };
}

export function spanEntry(span: OtlpSpan): JournalEntry {
  return { kind: 'S', json: safeJson(span) };
}

/**
 * What `safeJson(record)` would be, in half the time, which is that of the one who records: names are looked at once,
 * and ids and times of the SDK's own making not at all.
 */
function recordText(record: OtlpLogRecord): string {
  const { observedTimeUnixNano, severityNumber, severityText, eventName, body, traceId, spanId } = record;
  let text = `{"timeUnixNano":"${record.timeUnixNano}"`;
  if (observedTimeUnixNano !== undefined) text += `,"observedTimeUnixNano":"${observedTimeUnixNano}"`;
  if (severityNumber !== undefined) text += `,"severityNumber":${JSON.stringify(severityNumber)}`;
  if (severityText !== undefined) text += `,"severityText":${safeText(severityText)}`;
  if (eventName !== undefined) text += `,"eventName":${nameText(eventName)}`;
  if (body !== undefined) text += `,"body":${valueText(body)}`;
  text += ',"attributes":[';
  let comma = '';
  for (const { key, value } of record.attributes) {
    text += `${comma}{"key":${nameText(key)},"value":${valueText(value)}}`;
    comma = ',';
  }
  text += ']';
  if (traceId !== undefined && spanId !== undefined) text += `,"traceId":"${traceId}","spanId":"${spanId}"`;
  return `${text}}`;
}

/** Almost every value is text or a whole number. */
function valueText(value: OtlpAnyValue): string {
  if (value.stringValue !== undefined) return `{"stringValue":${safeText(value.stringValue)}}`;
  return safeJson(value);
}

/** A program has few names; one that makes them up as it goes must not fill the memory with them. */
const NAMES_MAX = 1_000;
const names = new Map<string, string>();

function nameText(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const text = safeText(name);
  if (names.size < NAMES_MAX) names.set(name, text);
  return text;
}

function safeText(value: string): string {
  return JSON.stringify(redact(value));
}

function safeJson(value: object): string {
  return redactJson(JSON.stringify(value));
}
