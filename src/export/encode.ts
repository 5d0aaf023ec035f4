import type { Attributes, AttributeValue, HrTime, Link } from '@opentelemetry/api';
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

/** OTLP counts span kinds from 1 (0 is unspecified), the API from 0. */
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
    kind: span.kind + KIND_OFFSET,
    startTimeUnixNano: nanosFromHrTime(span.startTime),
    endTimeUnixNano: nanosFromHrTime(span.endTime),
    attributes: encodeAttributes(span.attributes),
    ...(span.events.length > 0 && { events: span.events.map(encodeEvent) }),
    ...(span.links.length > 0 && { links: span.links.map(encodeLink) }),
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

/** Text needs no look for what JSON cannot hold, and almost all is text. */
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

function encodeLink(link: Link): OtlpSpanLink {
  const { traceId, spanId, traceState } = link.context;
  return {
    traceId,
    spanId,
    ...(traceState !== undefined && { traceState: traceState.serialize() }),
    attributes: encodeAttributes(link.attributes ?? {}),
  };
}

/** A user's own pair may hold fractions, or more nanoseconds than a second has. */
function nanosFromHrTime([seconds, nanos]: HrTime): string {
  const whole = Number.isFinite(seconds + nanos) ? seconds : 0;
  const rest = Number.isFinite(seconds + nanos) ? nanos : 0;
  return String(BigInt(Math.trunc(whole)) * 1_000_000_000n + BigInt(Math.trunc(rest)));
}
