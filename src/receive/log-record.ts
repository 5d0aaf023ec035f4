import { ATTR } from '../model/attributes.ts';
import { isSpanId, isTraceId } from '../model/ids.ts';
import type { JsonObject } from '../model/json.ts';
import {
  type OtlpKeyValue,
  type PlainLogRecord,
  plainFromAnyValue,
  plainFromKeyValues,
} from '../model/otlp.ts';
import { readAnyValue, readKeyValues } from './any-value.ts';
import { type Check, isAbsent, readInteger, readNanos, readText } from './fields.ts';

/** The end of 1970. A time before is one in seconds, milliseconds or microseconds. */
const PLAUSIBLE_NANOS = 31_536_000_000_000_000;

const ALL_ZERO = /^0*$/;

/**
 * Reads a log record with plain values. The result is valid only while `check` has no problem. A record without any time
 * has `receivedAtNanos`.
 */
export function readLogRecord(raw: JsonObject, check: Check, receivedAtNanos = '0'): PlainLogRecord {
  const pairs = readKeyValues(raw.attributes, 'attributes', check);
  const eventName = takeEventName(pairs) ?? readText(raw.eventName, 'eventName', check);
  const severityNumber = readInteger(raw.severityNumber, 'severityNumber', check);
  const severityText = readText(raw.severityText, 'severityText', check);
  // An empty value means no body: the JS exporter writes it in JSON, and omits it in protobuf.
  const body = plainFromAnyValue(readAnyValue(raw.body, check));
  return {
    timeUnixNano: readTime(raw, check, receivedAtNanos),
    ...(eventName === '' ? undefined : { eventName }),
    ...(severityNumber === 0 ? undefined : { severityNumber }),
    ...(severityText === '' ? undefined : { severityText }),
    ...(body === null ? undefined : { body }),
    attributes: plainFromKeyValues(pairs),
    ...readContext(raw, check),
  };
}

/**
 * A time of 0 means unknown (logs.proto); the observed time is then the best one. A time in another unit is kept as it
 * was given, with a warning: a guess would change what the sender said.
 */
function readTime(raw: JsonObject, check: Check, receivedAtNanos: string): string {
  const time = readNanos(raw.timeUnixNano, 'timeUnixNano', check);
  const observed = readNanos(raw.observedTimeUnixNano, 'observedTimeUnixNano', check);
  const known = time === '0' ? observed : time;
  if (known === '0') return receivedAtNanos;
  if (Number(known) < PLAUSIBLE_NANOS) check.warn('a time is before 1971: times are in nanoseconds');
  return known;
}

/** The attribute takes precedence: instrumentation older than the field may use the field for another purpose. */
function takeEventName(pairs: OtlpKeyValue[]): string | undefined {
  const at = pairs.findIndex((pair) => pair.key === ATTR.eventName && pair.value.stringValue);
  if (at < 0) return undefined;
  return pairs.splice(at, 1)[0]?.value.stringValue;
}

/** The ids only link the record to a span, so a record with invalid ids is kept without them. */
function readContext(raw: JsonObject, check: Check): { traceId?: string; spanId?: string } {
  const traceId = readId(raw.traceId);
  if (!isTraceId(traceId)) {
    if (traceId !== undefined) check.warn('a record is kept without its traceId, which is not 32 hex digits');
    return {};
  }
  const spanId = readId(raw.spanId);
  if (isSpanId(spanId)) return { traceId, spanId };
  if (spanId !== undefined) check.warn('a record is kept without its spanId, which is not 16 hex digits');
  return { traceId };
}

/** Undefined when absent; empty and all zero mean absent. */
function readId(value: unknown): string | undefined {
  if (isAbsent(value)) return undefined;
  const id = String(value).toLowerCase();
  return ALL_ZERO.test(id) ? undefined : id;
}
