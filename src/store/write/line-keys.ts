import { isJsonObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { isoFromMs } from '../../model/time.ts';
import { spanKey } from '../../project/announced-spans.ts';
import type { FactLine } from '../../project/change.ts';
import { redactJson } from '../../redact/redact.ts';
import type { LineKey, NewLine } from './line-file.ts';
import { readableText } from './line-limit.ts';

/** A JSON line with its event id as the key. */
export function jsonLine(line: { readonly timestamp: string; readonly event_id: string }): NewLine {
  return { id: line.event_id, timestamp: line.timestamp, text: redactJson(JSON.stringify(line)) };
}

/** A line of the OpenTelemetry file format with one span. Undefined when it would be too long. */
export function spanLine(span: OtlpSpan, line: string): NewLine | undefined {
  const text = readableText(line);
  if (text === undefined) return undefined;
  return {
    id: spanKey(span.traceId, span.spanId),
    timestamp: isoOfSpan(span.startTimeUnixNano),
    text,
  };
}

export function eventKey(line: unknown): LineKey | undefined {
  if (!isJsonObject(line)) return undefined;
  const { event_id: id, timestamp } = line;
  return typeof id === 'string' && typeof timestamp === 'string' ? { id, timestamp } : undefined;
}

/** `eventKey` for facts: requires every field that the fold reads. */
export function factKey(line: unknown): LineKey | undefined {
  return isFactLine(line) ? { id: line.event_id, timestamp: line.timestamp } : undefined;
}

/** Validates a line for the fold: it may have been edited by hand. */
export function isFactLine(line: unknown): line is FactLine {
  if (!isJsonObject(line)) return false;
  const { timestamp, event_id: id, event, attempt, body, span, derive } = line;
  return (
    typeof id === 'string' &&
    typeof timestamp === 'string' &&
    !Number.isNaN(Date.parse(timestamp)) &&
    typeof event === 'string' &&
    Number.isSafeInteger(attempt) &&
    isTextOrNull(line.trace_id) &&
    isTextOrNull(line.span_id) &&
    (body === undefined || isJsonObject(body)) &&
    (span === undefined || isAnnouncement(span)) &&
    (derive === undefined || (isJsonObject(derive) && isJsonObject(derive.attributes)))
  );
}

export function traceKey(line: unknown): LineKey | undefined {
  const span = firstOf(firstOf(firstOf(line, 'resourceSpans'), 'scopeSpans'), 'spans');
  if (!isJsonObject(span) || typeof span.spanId !== 'string' || typeof span.traceId !== 'string') {
    return undefined;
  }
  return { id: spanKey(span.traceId, span.spanId), timestamp: isoOfSpan(span.startTimeUnixNano) };
}

/** Instrumentation scope of the span in a trace line. */
export function scopeOf(line: unknown): unknown {
  const spans = firstOf(firstOf(line, 'resourceSpans'), 'scopeSpans');
  return isJsonObject(spans) ? spans.scope : undefined;
}

/** Start time of a span; empty when it has none. */
export function isoOfSpan(nanos: unknown): string {
  const ms = Math.trunc(Number(nanos) / 1_000_000);
  return ms > 0 && ms <= MS_MAX ? isoFromMs(ms) : '';
}

/** End of the year 9999: later years are longer as text and would sort wrongly. */
const MS_MAX = 253_402_300_799_999;

function isAnnouncement(value: unknown): boolean {
  return (
    isJsonObject(value) &&
    typeof value.name === 'string' &&
    typeof value.kind === 'number' &&
    isTextOrNull(value.parent_id) &&
    isJsonObject(value.attributes)
  );
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function firstOf(value: unknown, name: string): unknown {
  if (!isJsonObject(value)) return undefined;
  const list = value[name];
  return Array.isArray(list) ? list[0] : undefined;
}
