/**
 * A scalar type of protobuf, by what it is in OTLP/JSON. `name` is a text that repeats in many records, such as an
 * attribute key; on the wire it is a text.
 */
export type ScalarType =
  | 'text'
  | 'name'
  | 'hex'
  | 'base64'
  | 'bool'
  | 'enum'
  | 'uint32'
  | 'int64'
  | 'double'
  | 'fixed32'
  | 'fixed64';

export interface Field {
  /** The field's name in OTLP/JSON. */
  readonly name: string;
  readonly type: ScalarType | Message;
  readonly repeated: boolean;
}

/** The fields of a message by their numbers. */
export type Message = Map<number, Field>;

type Row = readonly [number: number, name: string, type: ScalarType | Message];

function one([number, name, type]: Row): [number, Field] {
  return [number, { name, type, repeated: false }];
}

function many([number, name, type]: Row): [number, Field] {
  return [number, { name, type, repeated: true }];
}

// Field numbers: opentelemetry-proto, common.proto, resource.proto, logs.proto, trace.proto and the two collector
// services. Fields that this program does not use are left out.

const ANY_VALUE: Message = new Map([
  one([1, 'stringValue', 'name']),
  one([2, 'boolValue', 'bool']),
  one([3, 'intValue', 'int64']),
  one([4, 'doubleValue', 'double']),
  one([7, 'bytesValue', 'base64']),
]);
const KEY_VALUE: Message = new Map([one([1, 'key', 'name']), one([2, 'value', ANY_VALUE])]);
const ARRAY_VALUE: Message = new Map([many([1, 'values', ANY_VALUE])]);
const KVLIST_VALUE: Message = new Map([many([1, 'values', KEY_VALUE])]);
ANY_VALUE.set(...one([5, 'arrayValue', ARRAY_VALUE]));
ANY_VALUE.set(...one([6, 'kvlistValue', KVLIST_VALUE]));

const RESOURCE: Message = new Map([many([1, 'attributes', KEY_VALUE])]);
const SCOPE: Message = new Map([one([1, 'name', 'text']), one([2, 'version', 'text'])]);

const LOG_RECORD: Message = new Map([
  one([1, 'timeUnixNano', 'fixed64']),
  one([2, 'severityNumber', 'enum']),
  one([3, 'severityText', 'text']),
  one([5, 'body', ANY_VALUE]),
  many([6, 'attributes', KEY_VALUE]),
  one([9, 'traceId', 'hex']),
  one([10, 'spanId', 'hex']),
  one([11, 'observedTimeUnixNano', 'fixed64']),
  one([12, 'eventName', 'name']),
]);
const SCOPE_LOGS: Message = new Map([one([1, 'scope', SCOPE]), many([2, 'logRecords', LOG_RECORD])]);
const RESOURCE_LOGS: Message = new Map([one([1, 'resource', RESOURCE]), many([2, 'scopeLogs', SCOPE_LOGS])]);
export const LOGS_REQUEST: Message = new Map([many([1, 'resourceLogs', RESOURCE_LOGS])]);

const EVENT: Message = new Map([
  one([1, 'timeUnixNano', 'fixed64']),
  one([2, 'name', 'name']),
  many([3, 'attributes', KEY_VALUE]),
  one([4, 'droppedAttributesCount', 'uint32']),
]);
const LINK: Message = new Map([
  one([1, 'traceId', 'hex']),
  one([2, 'spanId', 'hex']),
  one([3, 'traceState', 'text']),
  many([4, 'attributes', KEY_VALUE]),
  one([5, 'droppedAttributesCount', 'uint32']),
  one([6, 'flags', 'fixed32']),
]);
const STATUS: Message = new Map([one([2, 'message', 'text']), one([3, 'code', 'enum'])]);
const SPAN: Message = new Map([
  one([1, 'traceId', 'hex']),
  one([2, 'spanId', 'hex']),
  one([3, 'traceState', 'text']),
  one([4, 'parentSpanId', 'hex']),
  one([5, 'name', 'name']),
  one([6, 'kind', 'enum']),
  one([7, 'startTimeUnixNano', 'fixed64']),
  one([8, 'endTimeUnixNano', 'fixed64']),
  many([9, 'attributes', KEY_VALUE]),
  one([10, 'droppedAttributesCount', 'uint32']),
  many([11, 'events', EVENT]),
  one([12, 'droppedEventsCount', 'uint32']),
  many([13, 'links', LINK]),
  one([14, 'droppedLinksCount', 'uint32']),
  one([15, 'status', STATUS]),
  one([16, 'flags', 'fixed32']),
]);
const SCOPE_SPANS: Message = new Map([one([1, 'scope', SCOPE]), many([2, 'spans', SPAN])]);
const RESOURCE_SPANS: Message = new Map([
  one([1, 'resource', RESOURCE]),
  many([2, 'scopeSpans', SCOPE_SPANS]),
]);
export const TRACES_REQUEST: Message = new Map([many([1, 'resourceSpans', RESOURCE_SPANS])]);
