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
import { type Check, readInteger, readNanos, readText } from './fields.ts';

/** Reads a log record with plain values. The result is valid only while `check` has no problem. */
export function readLogRecord(raw: JsonObject, check: Check): PlainLogRecord {
  const pairs = readKeyValues(raw.attributes, 'attributes', check);
  const eventName = takeEventName(pairs) ?? readText(raw.eventName, 'eventName', check);
  const severityNumber = readInteger(raw.severityNumber, 'severityNumber', check);
  const severityText = readText(raw.severityText, 'severityText', check);
  // An empty value means no body: the JS exporter writes it in JSON, and omits it in protobuf.
  const body = plainFromAnyValue(readAnyValue(raw.body, check));
  return {
    timeUnixNano: readTime(raw, check),
    ...(eventName === '' ? undefined : { eventName }),
    ...(severityNumber === 0 ? undefined : { severityNumber }),
    ...(severityText === '' ? undefined : { severityText }),
    ...(body === null ? undefined : { body }),
    attributes: plainFromKeyValues(pairs),
    ...readContext(raw),
  };
}

/** A time of 0 means unknown (logs.proto); the observed time is then the best one. */
function readTime(raw: JsonObject, check: Check): string {
  const time = readNanos(raw.timeUnixNano, 'timeUnixNano', check);
  const observed = readNanos(raw.observedTimeUnixNano, 'observedTimeUnixNano', check);
  return time === '0' ? observed : time;
}

/** The attribute takes precedence: instrumentation older than the field may use the field for another purpose. */
function takeEventName(pairs: OtlpKeyValue[]): string | undefined {
  const at = pairs.findIndex((pair) => pair.key === ATTR.eventName && pair.value.stringValue);
  if (at < 0) return undefined;
  return pairs.splice(at, 1)[0]?.value.stringValue;
}

/** The ids only link the record to a span, so a record with invalid ids is kept without them. */
function readContext(raw: JsonObject): { traceId?: string; spanId?: string } {
  const traceId = typeof raw.traceId === 'string' ? raw.traceId.toLowerCase() : undefined;
  if (!isTraceId(traceId)) return {};
  const spanId = typeof raw.spanId === 'string' ? raw.spanId.toLowerCase() : undefined;
  return isSpanId(spanId) ? { traceId, spanId } : { traceId };
}
