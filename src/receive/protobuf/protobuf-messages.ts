import type { WireReader } from './wire-reader.ts';
import { WIRE_TYPE, type WireType } from './wire-type.ts';

/** A scalar type: its wire type, and the function that reads it in its OTLP/JSON form. */
export interface Scalar {
  readonly wire: WireType;
  read(reader: WireReader): unknown;
}

export interface Field {
  /** The field's name in OTLP/JSON. */
  readonly name: string;
  readonly type: Scalar | Message;
  readonly repeated: boolean;
}

export type Message = Map<number, Field>;

const TEXT: Scalar = { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.text() };
const NAME: Scalar = { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.sharedText() };
const HEX: Scalar = { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.bytes('hex') };
const BASE64: Scalar = { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.bytes('base64') };
const BOOL: Scalar = { wire: WIRE_TYPE.varint, read: (reader) => reader.bool() };
const ENUM: Scalar = { wire: WIRE_TYPE.varint, read: (reader) => reader.varint32() | 0 };
const UINT32: Scalar = { wire: WIRE_TYPE.varint, read: (reader) => reader.varint32() };
const INT64: Scalar = { wire: WIRE_TYPE.varint, read: (reader) => reader.int64() };
const DOUBLE: Scalar = { wire: WIRE_TYPE.bit64, read: (reader) => reader.double() };
const FIXED32: Scalar = { wire: WIRE_TYPE.bit32, read: (reader) => reader.fixed32() };
const FIXED64: Scalar = { wire: WIRE_TYPE.bit64, read: (reader) => reader.fixed64() };

type Row = readonly [number: number, name: string, type: Scalar | Message];

function one([number, name, type]: Row): [number, Field] {
  return [number, { name, type, repeated: false }];
}

function many([number, name, type]: Row): [number, Field] {
  return [number, { name, type, repeated: true }];
}

// Field numbers: opentelemetry-proto, common.proto, resource.proto, logs.proto, trace.proto and the two collector
// services. Fields that the receiver does not use are left out, and skipped like unknown ones.

const ANY_VALUE: Message = new Map([
  one([1, 'stringValue', NAME]),
  one([2, 'boolValue', BOOL]),
  one([3, 'intValue', INT64]),
  one([4, 'doubleValue', DOUBLE]),
  one([7, 'bytesValue', BASE64]),
]);
const KEY_VALUE: Message = new Map([one([1, 'key', NAME]), one([2, 'value', ANY_VALUE])]);
const ARRAY_VALUE: Message = new Map([many([1, 'values', ANY_VALUE])]);
const KVLIST_VALUE: Message = new Map([many([1, 'values', KEY_VALUE])]);
ANY_VALUE.set(...one([5, 'arrayValue', ARRAY_VALUE]));
ANY_VALUE.set(...one([6, 'kvlistValue', KVLIST_VALUE]));

const RESOURCE: Message = new Map([many([1, 'attributes', KEY_VALUE])]);
const SCOPE: Message = new Map([one([1, 'name', TEXT]), one([2, 'version', TEXT])]);

const LOG_RECORD: Message = new Map([
  one([1, 'timeUnixNano', FIXED64]),
  one([2, 'severityNumber', ENUM]),
  one([3, 'severityText', TEXT]),
  one([5, 'body', ANY_VALUE]),
  many([6, 'attributes', KEY_VALUE]),
  one([9, 'traceId', HEX]),
  one([10, 'spanId', HEX]),
  one([11, 'observedTimeUnixNano', FIXED64]),
  one([12, 'eventName', NAME]),
]);
const SCOPE_LOGS: Message = new Map([one([1, 'scope', SCOPE]), many([2, 'logRecords', LOG_RECORD])]);
const RESOURCE_LOGS: Message = new Map([one([1, 'resource', RESOURCE]), many([2, 'scopeLogs', SCOPE_LOGS])]);
export const LOGS_REQUEST: Message = new Map([many([1, 'resourceLogs', RESOURCE_LOGS])]);

const EVENT: Message = new Map([
  one([1, 'timeUnixNano', FIXED64]),
  one([2, 'name', NAME]),
  many([3, 'attributes', KEY_VALUE]),
  one([4, 'droppedAttributesCount', UINT32]),
]);
const LINK: Message = new Map([
  one([1, 'traceId', HEX]),
  one([2, 'spanId', HEX]),
  one([3, 'traceState', TEXT]),
  many([4, 'attributes', KEY_VALUE]),
  one([5, 'droppedAttributesCount', UINT32]),
  one([6, 'flags', FIXED32]),
]);
const STATUS: Message = new Map([one([2, 'message', TEXT]), one([3, 'code', ENUM])]);
const SPAN: Message = new Map([
  one([1, 'traceId', HEX]),
  one([2, 'spanId', HEX]),
  one([3, 'traceState', TEXT]),
  one([4, 'parentSpanId', HEX]),
  one([5, 'name', NAME]),
  one([6, 'kind', ENUM]),
  one([7, 'startTimeUnixNano', FIXED64]),
  one([8, 'endTimeUnixNano', FIXED64]),
  many([9, 'attributes', KEY_VALUE]),
  one([10, 'droppedAttributesCount', UINT32]),
  many([11, 'events', EVENT]),
  one([12, 'droppedEventsCount', UINT32]),
  many([13, 'links', LINK]),
  one([14, 'droppedLinksCount', UINT32]),
  one([15, 'status', STATUS]),
  one([16, 'flags', FIXED32]),
]);
const SCOPE_SPANS: Message = new Map([one([1, 'scope', SCOPE]), many([2, 'spans', SPAN])]);
const RESOURCE_SPANS: Message = new Map([
  one([1, 'resource', RESOURCE]),
  many([2, 'scopeSpans', SCOPE_SPANS]),
]);
export const TRACES_REQUEST: Message = new Map([many([1, 'resourceSpans', RESOURCE_SPANS])]);
