import {
  type Attributes,
  type AttributeValue,
  type HrTime,
  isSpanContextValid,
  type Link,
} from '@opentelemetry/api';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan, TimedEvent } from '@opentelemetry/sdk-trace-base';
import type { OtlpLogRecord } from '../journal/line.ts';
import { toJsonValue } from '../model/json.ts';
import {
  anyValueFromPlain,
  type OtlpAnyValue,
  type OtlpKeyValue,
  type OtlpSpan,
  type OtlpSpanEvent,
  type OtlpSpanLink,
} from '../model/otlp.ts';

/** OTLP numbers span kinds from 1 (0 is unspecified), the API from 0. */
const KIND_OFFSET = 1;

export function encodeLogRecord(record: ReadableLogRecord): OtlpLogRecord {
  return {
    timeUnixNano: nanosFromHrTime(record.hrTime),
    observedTimeUnixNano: nanosFromHrTime(record.hrTimeObserved),
    ...(record.severityNumber !== undefined && { severityNumber: record.severityNumber }),
    ...(record.severityText !== undefined && { severityText: record.severityText }),
    ...(record.eventName !== undefined && { eventName: record.eventName }),
    ...(record.body !== undefined && { body: encodeAny(record.body) }),
    attributes: encodeLogAttributes(record.attributes),
    ...(record.spanContext !== undefined && {
      traceId: record.spanContext.traceId,
      spanId: record.spanContext.spanId,
    }),
  };
}

export function encodeSpan(span: ReadableSpan): OtlpSpan {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const parent = span.parentSpanContext;
  return {
    traceId,
    spanId,
    ...(parent?.spanId !== undefined && { parentSpanId: parent.spanId }),
    ...(traceState !== undefined && { traceState: traceState.serialize() }),
    flags: traceFlags,
    name: span.name,
    kind: Math.trunc(span.kind) + KIND_OFFSET,
    startTimeUnixNano: nanosFromHrTime(span.startTime),
    endTimeUnixNano: nanosFromHrTime(span.endTime),
    attributes: encodeAttributes(span.attributes),
    ...(span.events.length > 0 && { events: span.events.map(encodeEvent) }),
    ...(span.links.length > 0 && { links: span.links.filter(isLinkable).map(encodeLink) }),
    ...(span.droppedAttributesCount > 0 && { droppedAttributesCount: span.droppedAttributesCount }),
    ...(span.droppedEventsCount > 0 && { droppedEventsCount: span.droppedEventsCount }),
    ...(span.droppedLinksCount > 0 && { droppedLinksCount: span.droppedLinksCount }),
    ...(span.status.code !== 0 && {
      status: {
        code: span.status.code,
        ...(span.status.message !== undefined && { message: span.status.message }),
      },
    }),
  };
}

export function encodeAttributes(attributes: Attributes): OtlpKeyValue[] {
  const out: OtlpKeyValue[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) out.push({ key, value: anyValueFromPlain(plainAttribute(value)) });
  }
  return out;
}

function encodeLogAttributes(attributes: ReadableLogRecord['attributes']): OtlpKeyValue[] {
  return Object.keys(attributes).map((key) => ({ key, value: encodeAny(attributes[key]) }));
}

/** Fast path: almost all values are text, which needs no conversion to JSON. */
function encodeAny(value: unknown): OtlpAnyValue {
  return typeof value === 'string' ? { stringValue: value } : anyValueFromPlain(toJsonValue(value));
}

function plainAttribute(value: AttributeValue): ReturnType<typeof toJsonValue> {
  return Array.isArray(value) ? value.map((item) => item ?? null) : value;
}

function encodeEvent(event: TimedEvent): OtlpSpanEvent {
  return {
    timeUnixNano: nanosFromHrTime(event.time),
    name: event.name,
    attributes: encodeAttributes(event.attributes ?? {}),
  };
}

/** A receiver rejects a whole request that contains an invalid id. */
function isLinkable({ context }: Link): boolean {
  return isSpanContextValid(context);
}

function encodeLink(link: Link): OtlpSpanLink {
  const { traceId, spanId, traceState } = link.context;
  return {
    traceId,
    spanId,
    ...(traceState !== undefined && { traceState: traceState.serialize() }),
    attributes: encodeAttributes(link.attributes ?? {}),
  };
}

/**
 * A pair given by a user may hold fractions, more nanoseconds than a second has, or a time before 1970. OTLP times
 * are unsigned, so an earlier time becomes 1970.
 */
function nanosFromHrTime([seconds, nanos]: HrTime): string {
  if (!Number.isFinite(seconds + nanos)) return '0';
  const ns = BigInt(Math.trunc(seconds)) * 1_000_000_000n + BigInt(Math.trunc(nanos));
  return String(ns < 0n ? 0n : ns);
}
