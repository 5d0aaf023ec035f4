import type { ScalarType } from '../../model/otlp-messages.ts';
import type { WireReader } from './wire-reader.ts';
import { WIRE_TYPE, type WireType } from './wire-type.ts';

/** A scalar type: its wire type, and the function that reads it in its OTLP/JSON form. */
export interface Scalar {
  readonly wire: WireType;
  read(reader: WireReader): unknown;
}

export const SCALARS: Readonly<Record<ScalarType, Scalar>> = {
  text: { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.text() },
  name: { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.sharedText() },
  hex: { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.bytes('hex') },
  base64: { wire: WIRE_TYPE.lengthDelimited, read: (reader) => reader.bytes('base64') },
  bool: { wire: WIRE_TYPE.varint, read: (reader) => reader.bool() },
  enum: { wire: WIRE_TYPE.varint, read: (reader) => reader.varint32() | 0 },
  uint32: { wire: WIRE_TYPE.varint, read: (reader) => reader.varint32() },
  int64: { wire: WIRE_TYPE.varint, read: (reader) => reader.int64() },
  double: { wire: WIRE_TYPE.bit64, read: (reader) => reader.double() },
  fixed32: { wire: WIRE_TYPE.bit32, read: (reader) => reader.fixed32() },
  fixed64: { wire: WIRE_TYPE.bit64, read: (reader) => reader.fixed64() },
};
