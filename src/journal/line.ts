import { ATTR } from '../model/attributes.ts';
import type { Fact, SpanIds } from '../model/fact.ts';
import { type JsonValue, toJsonValue } from '../model/json.ts';
import {
  anyValueFromPlain,
  type OtlpAnyValue,
  type OtlpKeyValue,
  type OtlpResource,
  type OtlpScope,
  type OtlpSpan,
  type OtlpSpanEvent,
  type OtlpSpanLink,
} from '../model/otlp.ts';
import { wellFormed } from '../model/text.ts';
import { nanosFromMs } from '../model/time.ts';
import { rulesVersion } from '../redact/extra-rules.ts';
import { redact, redactJson, redactNamedText } from '../redact/redact.ts';

/**
 * A segment line is one letter and JSON: `H` the header (first line), `C` the resource and scope of the following
 * records, `L` a log record, `S` a span. Records are OTLP/JSON, so that a request body is built without parsing.
 */
type EntryKind = 'L' | 'S';

export interface SegmentHeader {
  readonly version: 1;
  /** Keys of the destinations that must receive this segment before it is deleted. */
  readonly destinations: readonly string[];
}

export interface TelemetrySource {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
}

/** A log record in OTLP/JSON. */
export interface OtlpLogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly eventName?: string;
  readonly body?: OtlpKeyValue['value'];
  readonly attributes: readonly OtlpKeyValue[];
  readonly traceId?: string;
  readonly spanId?: string;
}

export interface JournalEntry {
  readonly kind: EntryKind;
  readonly json: string;
}

interface MaskedText {
  readonly text: string;
  /** The rules by which it was masked. */
  readonly rules: number;
}

const sourceLines = new WeakMap<TelemetrySource, MaskedText>();

/** Masked like the records: a resource may hold the command line of its process. */
export function sourceLine(source: TelemetrySource): string {
  const known = sourceLines.get(source);
  if (known?.rules === rulesVersion()) return known.text;
  const { resource, scope } = source;
  const text = `C${safeJson({ resource, scope })}\n`;
  sourceLines.set(source, { text, rules: rulesVersion() });
  return text;
}

/** Secrets are masked here, at the last point where a record is data of this process. */
export function logEntry(record: OtlpLogRecord): JournalEntry {
  return { kind: 'L', json: recordText(record) };
}

/** Limit for the attributes of a fact. Not that of a user's SDK, which may be any. */
const ATTRIBUTES_MAX = 1024;

/**
 * A fact of this process as an OTLP log record. In one pass: the objects of an SDK's record, and of one in OTLP, cost the
 * recording program as much as the text. What facts share is written once.
 */
export function factEntry(fact: Fact): JournalEntry {
  const { body, shared, attributes, span } = fact;
  let text = `{"timeUnixNano":"${nanosFromMs(fact.timeMs)}","observedTimeUnixNano":"${nanosFromMs(Date.now())}"`;
  text += `,"eventName":${nameText(fact.eventName)}`;
  if (body !== undefined) text += `,"body":${valueText(anyValue(body))}`;
  // Minted here: no text of a user.
  text += `,"attributes":[{"key":"${ATTR.eventId}","value":{"stringValue":"${fact.eventId}"}}`;
  if (shared !== undefined) text += sharedText(shared);
  text += attributesText(attributes);
  return { kind: 'L', json: `${text}]${span === undefined ? '' : spanText(span)}}` };
}

function attributesText(attributes: Fact['attributes']): string {
  let text = '';
  let count = 0;
  for (const key of Object.keys(attributes)) {
    const value = attributes[key];
    if (value === undefined || value === null || key === '') continue;
    count += 1;
    if (count > ATTRIBUTES_MAX) break;
    text += `,${attributeText(key, anyValue(value))}`;
  }
  return text;
}

/** Fast path: almost all values are text, which needs no conversion to JSON. */
function anyValue(value: JsonValue): OtlpAnyValue {
  return typeof value === 'string' ? { stringValue: value } : anyValueFromPlain(toJsonValue(value));
}

const sharedTexts = new WeakMap<object, MaskedText>();

function sharedText(shared: Fact['attributes']): string {
  const known = sharedTexts.get(shared);
  if (known?.rules === rulesVersion()) return known.text;
  const text = attributesText(shared);
  sharedTexts.set(shared, { text, rules: rulesVersion() });
  return text;
}

const TRACE_ID = /^(?!0+$)[0-9a-f]{32}$/i;
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/i;

/** By the id object of a span, which many facts share while the span is open. */
const spanTexts = new WeakMap<SpanIds, string>();

/** Empty for a span of an SDK that does not record: a receiver would refuse the whole request for its ids. */
function spanText(span: SpanIds): string {
  const known = spanTexts.get(span);
  if (known !== undefined) return known;
  const { traceId, spanId } = span;
  const isValid = TRACE_ID.test(traceId) && SPAN_ID.test(spanId);
  const text = isValid ? `,"traceId":"${traceId}","spanId":"${spanId}"` : '';
  spanTexts.set(span, text);
  return text;
}

export function spanEntry(span: OtlpSpan): JournalEntry {
  return { kind: 'S', json: spanJson(span) };
}

/**
 * As `recordText`, for a span. The events of a delivery repeat the attributes of its facts, which were masked a moment ago: masking
 * the whole text would search them once more.
 */
function spanJson(span: OtlpSpan): string {
  const { parentSpanId, traceState, flags, events, links, status } = span;
  let text = `{"traceId":${JSON.stringify(span.traceId)},"spanId":${JSON.stringify(span.spanId)}`;
  if (parentSpanId !== undefined) text += `,"parentSpanId":${JSON.stringify(parentSpanId)}`;
  if (traceState !== undefined) text += `,"traceState":${safeText(traceState)}`;
  if (flags !== undefined) text += `,"flags":${flags}`;
  text += `,"name":${safeText(span.name)},"kind":${span.kind}`;
  text += `,"startTimeUnixNano":"${span.startTimeUnixNano}","endTimeUnixNano":"${span.endTimeUnixNano}"`;
  text += listText(span.attributes);
  text += countText('droppedAttributesCount', span.droppedAttributesCount);
  if (events !== undefined) text += `,"events":[${events.map(eventText).join(',')}]`;
  text += countText('droppedEventsCount', span.droppedEventsCount);
  if (links !== undefined) text += `,"links":[${links.map(linkText).join(',')}]`;
  text += countText('droppedLinksCount', span.droppedLinksCount);
  return `${text}${status === undefined ? '' : `,"status":${safeJson(status)}`}}`;
}

function eventText({ timeUnixNano, name, attributes, droppedAttributesCount }: OtlpSpanEvent): string {
  const dropped = countText('droppedAttributesCount', droppedAttributesCount);
  return `{"timeUnixNano":"${timeUnixNano}","name":${nameText(name)}${listText(attributes)}${dropped}}`;
}

function linkText({ attributes, droppedAttributesCount, flags, ...context }: OtlpSpanLink): string {
  const dropped = countText('droppedAttributesCount', droppedAttributesCount);
  return `${safeJson(context).slice(0, -1)}${listText(attributes)}${dropped}${countText('flags', flags)}}`;
}

function listText(attributes: readonly OtlpKeyValue[]): string {
  let text = ',"attributes":[';
  let comma = '';
  for (const { key, value } of attributes) {
    text += `${comma}${attributeText(key, value)}`;
    comma = ',';
  }
  return `${text}]`;
}

function countText(name: string, count: number | undefined): string {
  return count === undefined ? '' : `,"${name}":${count}`;
}

/**
 * Same result as `safeJson(record)` in half the time, which the recording program pays: names are masked once and
 * cached, ids and times of the SDK not at all.
 */
function recordText(record: OtlpLogRecord): string {
  const { observedTimeUnixNano, severityNumber, severityText, eventName, body, traceId, spanId } = record;
  let text = `{"timeUnixNano":"${record.timeUnixNano}"`;
  if (observedTimeUnixNano !== undefined) text += `,"observedTimeUnixNano":"${observedTimeUnixNano}"`;
  if (severityNumber !== undefined) text += `,"severityNumber":${JSON.stringify(severityNumber)}`;
  if (severityText !== undefined) text += `,"severityText":${safeText(severityText)}`;
  if (eventName !== undefined) text += `,"eventName":${nameText(eventName)}`;
  if (body !== undefined) text += `,"body":${valueText(body)}`;
  text += listText(record.attributes);
  if (traceId !== undefined && spanId !== undefined) text += `,"traceId":"${traceId}","spanId":"${spanId}"`;
  return `${text}}`;
}

/** Fast path: almost every value is text or an integer. The name may say that the value is a secret. */
function attributeText(key: string, value: OtlpAnyValue): string {
  if (value.stringValue !== undefined) {
    const text = JSON.stringify(wellFormed(redactNamedText(key, value.stringValue)));
    return `{"key":${nameText(key)},"value":{"stringValue":${text}}}`;
  }
  if (value.intValue !== undefined || value.boolValue !== undefined || value.doubleValue !== undefined) {
    return `{"key":${nameText(key)},"value":${safeJson(value)}}`;
  }
  return safeJson({ key, value });
}

function valueText(value: OtlpAnyValue): string {
  if (value.stringValue !== undefined) return `{"stringValue":${safeText(value.stringValue)}}`;
  return safeJson(value);
}

/** A program uses few attribute names; the bound protects against one that generates them. */
const NAMES_MAX = 1_000;
const names = new Map<string, string>();
/** The rules by which they were masked. */
let namesRules = rulesVersion();

function nameText(name: string): string {
  if (namesRules !== rulesVersion()) {
    namesRules = rulesVersion();
    names.clear();
  }
  const known = names.get(name);
  if (known !== undefined) return known;
  const text = safeText(name);
  if (names.size < NAMES_MAX) names.set(name, text);
  return text;
}

function safeText(value: string): string {
  return JSON.stringify(wellFormed(redact(value)));
}

function safeJson(value: object): string {
  return redactJson(JSON.stringify(value));
}
