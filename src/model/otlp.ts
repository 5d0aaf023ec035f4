import type { JsonValue } from './json.ts';
import { wellFormed } from './text.ts';

/**
 * OTLP in its JSON mapping (opentelemetry-proto, docs/specification "JSON Protobuf Encoding"): ids in lower-case hex,
 * enums as integers, 64-bit integers as decimal strings.
 */
export interface OtlpAnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values?: readonly OtlpAnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly OtlpKeyValue[] };
  readonly bytesValue?: string;
}

export interface OtlpKeyValue {
  readonly key: string;
  readonly value: OtlpAnyValue;
}

export interface OtlpResource {
  readonly attributes: readonly OtlpKeyValue[];
}

export interface OtlpScope {
  readonly name: string;
  readonly version?: string;
}

export interface OtlpSpanEvent {
  readonly timeUnixNano: string;
  readonly name: string;
  readonly attributes: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
}

export interface OtlpSpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string;
  readonly attributes: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
  readonly flags?: number;
}

/** 0 unset, 1 ok, 2 error. */
export interface OtlpStatus {
  readonly code?: number;
  readonly message?: string;
}

/** `kind`: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly flags?: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
  readonly events?: readonly OtlpSpanEvent[];
  readonly droppedEventsCount?: number;
  readonly links?: readonly OtlpSpanLink[];
  readonly droppedLinksCount?: number;
  readonly status?: OtlpStatus;
}

/** A log record with plain values: attributes as one object, the body as JSON. */
export interface PlainLogRecord {
  /** Nanoseconds since the epoch as a decimal string; "0" only when the sender gave no time. */
  readonly timeUnixNano: string;
  readonly eventName?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: JsonValue;
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly traceId?: string;
  readonly spanId?: string;
}

export interface ReceivedLog {
  readonly resource: Readonly<Record<string, JsonValue>>;
  readonly scope: OtlpScope;
  readonly record: PlainLogRecord;
}

export interface ReceivedSpan {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
  readonly span: OtlpSpan;
}

/** Records of one OTLP request in their order: all of them, or some. A request has only logs or only spans; a part of the journal has both. */
export interface TelemetryBatch {
  readonly logs: readonly ReceivedLog[];
  readonly spans: readonly ReceivedSpan[];
  /** Shared by the batches of one request. Absent: the batch is the whole request. */
  readonly memory?: RequestMemory;
  /** Another batch of the request follows: the answer promises nothing before that. Default false. */
  readonly hasMore?: boolean;
}

/** What the store remembers from one batch of a request to the next. */
export class RequestMemory {
  /** How many equal records without an event id came, by task and the id of the first. */
  readonly equals: Map<string, number> = new Map();
  /** Tasks, workflows and days of deliveries that the request has begun. */
  readonly begun: Set<string> = new Set();
  /** What the request has written to: names of the store. */
  readonly written: Set<string> = new Set();
}

/** An OTLP value as plain JSON. Bytes stay base64; an integer beyond 2^53 stays a decimal string. */
export function plainFromAnyValue(value: OtlpAnyValue | undefined): JsonValue {
  if (value === undefined || value === null) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return plainInteger(value.intValue);
  if (value.doubleValue !== undefined) {
    const number = Number(value.doubleValue);
    return Number.isFinite(number) ? number : String(value.doubleValue);
  }
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainFromAnyValue);
  if (value.kvlistValue !== undefined) return plainFromKeyValues(value.kvlistValue.values ?? []);
  return value.bytesValue ?? null;
}

export function plainFromKeyValues(pairs: readonly OtlpKeyValue[]): Record<string, JsonValue> {
  const out: Record<string, JsonValue> = {};
  for (const pair of pairs) setOwn(out, pair.key, plainFromAnyValue(pair.value));
  return out;
}

/** Plain JSON as an OTLP value: whole numbers as `intValue`, null as the empty value. */
export function anyValueFromPlain(value: JsonValue | undefined): OtlpAnyValue {
  if (value === null || value === undefined) return {};
  switch (typeof value) {
    case 'string':
      return { stringValue: wellFormed(value) };
    case 'boolean':
      return { boolValue: value };
    case 'number':
      if (Number.isSafeInteger(value)) return { intValue: value };
      // proto3 JSON writes numbers that JSON does not have as "NaN", "Infinity", "-Infinity".
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
    default:
      if (isJsonArray(value)) return { arrayValue: { values: value.map(anyValueFromPlain) } };
      return { kvlistValue: { values: keyValuesFromPlain(value) } };
  }
}

export function keyValuesFromPlain(values: Readonly<Record<string, JsonValue | undefined>>): OtlpKeyValue[] {
  const out: OtlpKeyValue[] = [];
  for (const key of Object.keys(values)) {
    const value = values[key];
    if (value !== undefined) out.push({ key: wellFormed(key), value: anyValueFromPlain(value) });
  }
  return out;
}

function plainInteger(value: string | number): JsonValue {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function isJsonArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Senders choose the keys; a plain assignment to `__proto__` would set the prototype. */
function setOwn(target: Record<string, JsonValue>, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  } else target[key] = value;
}
