import { isJsonObject } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import { redact } from '../redact/redact.ts';
import type { LineKey, NewLine } from './line-file.ts';

/** A line of JSON that its event id identifies. */
export function jsonLine(line: { readonly timestamp: string; readonly event_id: string }): NewLine {
  return { id: line.event_id, timestamp: line.timestamp, text: redact(JSON.stringify(line)) };
}

/** A line of the OpenTelemetry file format with one span in it. */
export function spanLine(span: OtlpSpan, line: string): NewLine {
  return { id: span.spanId, timestamp: isoOfSpan(span.startTimeUnixNano), text: redact(line) };
}

export function eventKey(line: unknown): LineKey | undefined {
  if (!isJsonObject(line)) return undefined;
  const { event_id: id, timestamp } = line;
  return typeof id === 'string' && typeof timestamp === 'string' ? { id, timestamp } : undefined;
}

/** As `eventKey`, for lines that the fold reads: with what it relies on. */
export function factKey(line: unknown): LineKey | undefined {
  if (!isJsonObject(line) || typeof line.event !== 'string' || typeof line.attempt !== 'number')
    return undefined;
  return eventKey(line);
}

export function traceKey(line: unknown): LineKey | undefined {
  const span = firstOf(firstOf(firstOf(line, 'resourceSpans'), 'scopeSpans'), 'spans');
  if (!isJsonObject(span) || typeof span.spanId !== 'string') return undefined;
  return { id: span.spanId, timestamp: isoOfSpan(span.startTimeUnixNano) };
}

function firstOf(value: unknown, name: string): unknown {
  if (!isJsonObject(value)) return undefined;
  const list = value[name];
  return Array.isArray(list) ? list[0] : undefined;
}

/** The latest time that a Date can hold. */
const MS_MAX = 8.64e15;

function isoOfSpan(nanos: unknown): string {
  const ms = Math.trunc(Number(nanos) / 1_000_000);
  return Number.isFinite(ms) && Math.abs(ms) <= MS_MAX ? new Date(ms).toISOString() : '';
}
