import type { OtlpAnyValue, OtlpKeyValue, OtlpResource, OtlpScope, OtlpSpan } from '../model/otlp.ts';
import { wellFormed } from '../model/text.ts';
import { rulesVersion } from '../redact/extra-rules.ts';
import { redact, redactJson, redactNamedText } from '../redact/redact.ts';

/**
 * A segment line is one letter and JSON: `H` the header (first line), `C` the resource and scope of the following
 * records, `L` a log record, `S` a span. Records are OTLP/JSON, so that a request body is built without parsing.
 */
export type EntryKind = 'L' | 'S';

export interface SegmentHeader {
  readonly version: 1;
  /** Keys of the destinations that must receive this segment before it is deleted. */
  readonly destinations: readonly string[];
}

export interface TelemetrySource {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
}

/** A log record in OTLP/JSON. */
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

/** Secrets are masked here, at the last point where a record is data of this process. */
export function logEntry(record: OtlpLogRecord): JournalEntry {
  return { kind: 'L', json: recordText(record) };
}

export function spanEntry(span: OtlpSpan): JournalEntry {
  return { kind: 'S', json: safeJson(span) };
}

/**
 * Same result as `safeJson(record)` in half the time, which the recording program pays: names are masked once and
 * cached, ids and times of the SDK not at all.
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
    text += `${comma}${attributeText(key, value)}`;
    comma = ',';
  }
  text += ']';
  if (traceId !== undefined && spanId !== undefined) text += `,"traceId":"${traceId}","spanId":"${spanId}"`;
  return `${text}}`;
}

/** Fast path: almost every value is text or an integer. The name may say that the value is a secret. */
function attributeText(key: string, value: OtlpAnyValue): string {
  if (value.stringValue !== undefined) {
    const text = JSON.stringify(wellFormed(redactNamedText(key, value.stringValue)));
    return `{"key":${nameText(key)},"value":{"stringValue":${text}}}`;
  }
  if (value.intValue !== undefined || value.boolValue !== undefined || value.doubleValue !== undefined) {
    return `{"key":${nameText(key)},"value":${safeJson(value)}}`;
  }
  return safeJson({ key, value });
}

function valueText(value: OtlpAnyValue): string {
  if (value.stringValue !== undefined) return `{"stringValue":${safeText(value.stringValue)}}`;
  return safeJson(value);
}

/** A program uses few attribute names; the bound protects against one that generates them. */
const NAMES_MAX = 1_000;
const names = new Map<string, string>();
/** The rules by which they were masked. */
let namesRules = rulesVersion();

function nameText(name: string): string {
  if (namesRules !== rulesVersion()) {
    namesRules = rulesVersion();
    names.clear();
  }
  const known = names.get(name);
  if (known !== undefined) return known;
  const text = safeText(name);
  if (names.size < NAMES_MAX) names.set(name, text);
  return text;
}

function safeText(value: string): string {
  return JSON.stringify(wellFormed(redact(value)));
}

function safeJson(value: object): string {
  return redactJson(JSON.stringify(value));
}
