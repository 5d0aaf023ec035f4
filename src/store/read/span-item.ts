import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { type OtlpKeyValue, plainFromKeyValues } from '../../model/otlp.ts';
import { isoFromNanos } from '../../model/time.ts';

/** Numbers of the field `kind`, OTLP `Span.SpanKind`. */
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;

/** The spans of a line of the OpenTelemetry file format, one JSON text each. Empty for a line that has none. */
export function spanItems(line: JsonObject | undefined): readonly string[] {
  try {
    return spansIn(line).map((item) => JSON.stringify(item));
  } catch {
    // A file of another program: values that are no OTLP.
    return [];
  }
}

function spansIn(line: JsonObject | undefined): readonly JsonObject[] {
  const items: JsonObject[] = [];
  for (const { resource, scopeSpans } of objectsIn(line?.resourceSpans)) {
    const about = isJsonObject(resource) ? attributesOf(resource.attributes) : {};
    for (const { scope, spans } of objectsIn(scopeSpans))
      for (const span of objectsIn(spans))
        items.push(itemOf(span, about, isJsonObject(scope) ? scope.name : null));
  }
  return items;
}

function itemOf(span: JsonObject, resource: JsonObject, scope: JsonValue | undefined): JsonObject {
  const { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, status } = span;
  if (typeof traceId !== 'string' || typeof spanId !== 'string') throw new TypeError('not a span');
  const [start, end] = [nanosOf(startTimeUnixNano), nanosOf(endTimeUnixNano)];
  const { code, message } = isJsonObject(status) ? status : {};
  return {
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: typeof parentSpanId === 'string' && parentSpanId !== '' ? parentSpanId : null,
    name: typeof name === 'string' ? name : '',
    kind: KINDS[Number(kind)] ?? 'unspecified',
    start_time: isoFromNanos(start),
    end_time: isoFromNanos(end),
    duration_ms: Number(BigInt(end) - BigInt(start)) / 1e6,
    status: STATUSES[Number(code ?? 0)] ?? 'unset',
    status_message: typeof message === 'string' ? message : null,
    service: resource['service.name'] ?? null,
    scope: scope ?? null,
    attributes: attributesOf(span.attributes),
    events: objectsIn(span.events).map((event) => ({
      time: isoFromNanos(nanosOf(event.timeUnixNano)),
      name: typeof event.name === 'string' ? event.name : '',
      attributes: attributesOf(event.attributes),
    })),
    links: objectsIn(span.links).map((link) => ({
      trace_id: link.traceId ?? null,
      span_id: link.spanId ?? null,
      attributes: attributesOf(link.attributes),
    })),
  };
}

function attributesOf(value: JsonValue | undefined): JsonObject {
  const pairs = objectsIn(value).filter(({ key }) => typeof key === 'string');
  // Whatever a value holds, the reader of values takes what it knows, or throws.
  return plainFromKeyValues(pairs as unknown as readonly OtlpKeyValue[]);
}

function objectsIn(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function nanosOf(value: JsonValue | undefined): string {
  return /^\d{1,19}$/.test(String(value)) ? String(value) : '0';
}
