import { isJsonObject } from '../../../model/json.ts';
import type { OtlpSpan } from '../../../model/otlp.ts';
import { isMark } from '../../../model/sender.ts';
import { isoFromMs } from '../../../model/time.ts';
import { redactJson } from '../../../redact/redact.ts';
import type { LineKey, NewLine } from './line-file.ts';
import { readableText } from './line-limit.ts';
import { sentId } from './sent-line.ts';
import { scopeSpansOf, sentSpanKey, spanOf } from './sent-span.ts';

/** A JSON line with its event id as the key. */
export function jsonLine(line: { readonly timestamp: string; readonly event_id: string }): NewLine {
  return { id: line.event_id, timestamp: line.timestamp, text: redactJson(JSON.stringify(line)) };
}

/** A line of the OpenTelemetry file format with one span. Undefined when it would be too long. */
export function spanLine(span: OtlpSpan, line: string): NewLine | undefined {
  const text = readableText(line);
  if (text === undefined) return undefined;
  return { id: sentSpanKey(span), timestamp: isoOfSpan(span.startTimeUnixNano), text };
}

export function eventKey(line: unknown): LineKey | undefined {
  if (!isJsonObject(line)) return undefined;
  const { event_id: id, timestamp } = line;
  return typeof id === 'string' && typeof timestamp === 'string' ? { id, timestamp } : undefined;
}

/** `eventKey` with the id of `sentId`, for lines whose sender may be marked. */
export function sentKey(line: unknown): LineKey | undefined {
  const key = eventKey(line);
  if (key === undefined || !isJsonObject(line) || !isMark(line.sender)) return key;
  return { ...key, id: sentId({ timestamp: key.timestamp, event_id: key.id, sender: line.sender }) };
}

export function traceKey(line: unknown): LineKey | undefined {
  const span = spanOf(line);
  return span && { id: sentSpanKey(span), timestamp: isoOfSpan(span.startTimeUnixNano) };
}

/** Instrumentation scope of the span in a trace line. */
export function scopeOf(line: unknown): unknown {
  const spans = scopeSpansOf(line);
  return isJsonObject(spans) ? spans.scope : undefined;
}

/** Start time of a span; empty when it has none. */
export function isoOfSpan(nanos: unknown): string {
  const ms = Math.trunc(Number(nanos) / 1_000_000);
  return ms > 0 && ms <= MS_MAX ? isoFromMs(ms) : '';
}

/** End of the year 9999: later years are longer as text and would sort wrongly. */
const MS_MAX = 253_402_300_799_999;
