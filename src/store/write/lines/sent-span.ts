import { isJsonObject } from '../../../model/json.ts';
import { markOfSpan } from '../../../model/sender.ts';
import { spanKey } from '../../../project/announced-spans.ts';
import { hasSent, keyOf } from './sent-line.ts';

/** The span of a line of the OpenTelemetry file format. */
export function spanOf(line: unknown): KeyedSpan | undefined {
  const span = firstOf(scopeSpansOf(line), 'spans');
  if (!isJsonObject(span)) return undefined;
  const { traceId, spanId, attributes, startTimeUnixNano } = span;
  if (typeof spanId !== 'string' || typeof traceId !== 'string') return undefined;
  return { traceId, spanId, attributes, startTimeUnixNano };
}

/** Key of a span whose sender may be marked, as `sentId`. */
export function sentSpanKey({ traceId, spanId, attributes }: KeyedSpan): string {
  return keyOf(spanKey(traceId, spanId), markOfSpan(attributes));
}

/** Whether a span is stored, or a copy of it that counts as much. */
export function hasSpan(
  keys: { has(key: string): boolean },
  { traceId, spanId, attributes }: KeyedSpan,
): boolean {
  return hasSent(keys, spanKey(traceId, spanId), markOfSpan(attributes));
}

interface KeyedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Unchecked, as the start. */
  readonly attributes: unknown;
  readonly startTimeUnixNano: unknown;
}

/** The spans of one scope in a line of the OpenTelemetry file format, unchecked. */
export function scopeSpansOf(line: unknown): unknown {
  return firstOf(firstOf(line, 'resourceSpans'), 'scopeSpans');
}

function firstOf(value: unknown, name: string): unknown {
  if (!isJsonObject(value)) return undefined;
  const list = value[name];
  return Array.isArray(list) ? list[0] : undefined;
}
