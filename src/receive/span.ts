import { isSpanId, isTraceId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { OtlpSpan, OtlpSpanEvent, OtlpSpanLink, OtlpStatus } from '../model/otlp.ts';
import { readKeyValues } from './any-value.ts';
import { type Check, readInteger, readList, readNanos, readObject, readText } from './fields.ts';

const ALL_ZERO = /^0*$/;

/** Reads a span in canonical form. The result is valid only while `check` has no problem. */
export function readSpan(raw: JsonObject, check: Check): OtlpSpan {
  const traceId = lowerText(raw.traceId, 'traceId', check);
  if (!isTraceId(traceId)) check.refuse('traceId is not 32 hex digits, not all zero');
  const spanId = lowerText(raw.spanId, 'spanId', check);
  if (!isSpanId(spanId)) check.refuse('spanId is not 16 hex digits, not all zero');
  const parentSpanId = readOptionalId(raw.parentSpanId, 'parentSpanId', check);
  const events = readList(raw.events, 'events', check).map((event) => readEvent(event, check));
  const links = readList(raw.links, 'links', check).map((link) => readLink(link, check));
  const status = readStatus(readObject(raw.status, 'status', check), check);
  return {
    traceId,
    spanId,
    ...(parentSpanId === '' ? undefined : { parentSpanId }),
    ...readTraceState(raw, check),
    ...readCount(raw, 'flags', check),
    name: readText(raw.name, 'name', check),
    kind: readInteger(raw.kind, 'kind', check),
    startTimeUnixNano: readNanos(raw.startTimeUnixNano, 'startTimeUnixNano', check),
    endTimeUnixNano: readNanos(raw.endTimeUnixNano, 'endTimeUnixNano', check),
    attributes: readKeyValues(raw.attributes, 'attributes', check),
    ...readCount(raw, 'droppedAttributesCount', check),
    ...(events.length === 0 ? undefined : { events }),
    ...readCount(raw, 'droppedEventsCount', check),
    ...(links.length === 0 ? undefined : { links }),
    ...readCount(raw, 'droppedLinksCount', check),
    ...(status === undefined ? undefined : { status }),
  };
}

function readEvent(raw: unknown, check: Check): OtlpSpanEvent {
  if (!isJsonObject(raw)) check.refuse('an event is not an object');
  const event = isJsonObject(raw) ? raw : {};
  return {
    timeUnixNano: readNanos(event.timeUnixNano, 'the timeUnixNano of an event', check),
    name: readText(event.name, 'the name of an event', check),
    attributes: readKeyValues(event.attributes, 'the attributes of an event', check),
    ...readCount(event, 'droppedAttributesCount', check),
  };
}

/** Ids may be empty: a link without a valid context still has attributes (trace API specification). */
function readLink(raw: unknown, check: Check): OtlpSpanLink {
  if (!isJsonObject(raw)) check.refuse('a link is not an object');
  const link = isJsonObject(raw) ? raw : {};
  const traceId = lowerText(link.traceId, 'the traceId of a link', check);
  const known = !ALL_ZERO.test(traceId);
  if (known && !isTraceId(traceId)) check.refuse('the traceId of a link is not 32 hex digits');
  return {
    traceId: known ? traceId : '',
    spanId: readOptionalId(link.spanId, 'the spanId of a link', check),
    ...readTraceState(link, check),
    attributes: readKeyValues(link.attributes, 'the attributes of a link', check),
    ...readCount(link, 'droppedAttributesCount', check),
    ...readCount(link, 'flags', check),
  };
}

function readStatus(raw: JsonObject | undefined, check: Check): OtlpStatus | undefined {
  if (raw === undefined) return undefined;
  const code = readInteger(raw.code, 'the code of the status', check);
  const message = readText(raw.message, 'the message of the status', check);
  if (code === 0 && message === '') return undefined;
  return { ...(code === 0 ? undefined : { code }), ...(message === '' ? undefined : { message }) };
}

function readTraceState(raw: JsonObject, check: Check): { traceState?: string } | undefined {
  const traceState = readText(raw.traceState, 'traceState', check);
  return traceState === '' ? undefined : { traceState };
}

type CountField = 'flags' | 'droppedAttributesCount' | 'droppedEventsCount' | 'droppedLinksCount';

function readCount(
  raw: JsonObject,
  field: CountField,
  check: Check,
): Partial<Record<CountField, number>> | undefined {
  const count = readInteger(raw[field], field, check);
  return count === 0 ? undefined : { [field]: count };
}

function lowerText(value: unknown, field: string, check: Check): string {
  return readText(value, field, check).toLowerCase();
}

/** An optional span id; empty and all zero mean absent. */
function readOptionalId(value: unknown, field: string, check: Check): string {
  const id = lowerText(value, field, check);
  if (ALL_ZERO.test(id)) return '';
  if (!isSpanId(id)) check.refuse(`${field} is not 16 hex digits`);
  return id;
}
