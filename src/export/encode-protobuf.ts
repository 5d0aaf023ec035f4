import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { isJsonObject } from '../model/json.ts';
import {
  type Field,
  LOGS_REQUEST,
  type Message,
  type ScalarType,
  TRACES_REQUEST,
} from '../model/otlp-messages.ts';
import type { Signal } from './transport.ts';

const MESSAGES: Readonly<Record<Signal, Message>> = { logs: LOGS_REQUEST, traces: TRACES_REQUEST };

/** The journal's records nest at most 64 levels, of three messages each. Deeper is damage. */
const MESSAGE_DEPTH_MAX = 256;

interface Scalar {
  readonly wire: WireType;
  write(writer: BinaryWriter, value: unknown): void;
}

const TEXT: Scalar = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => writer.string(String(value)),
};

const SCALARS: Readonly<Record<ScalarType, Scalar>> = {
  text: TEXT,
  name: TEXT,
  hex: bytesIn('hex'),
  base64: bytesIn('base64'),
  bool: { wire: WireType.Varint, write: (writer, value) => writer.bool(value === true) },
  enum: { wire: WireType.Varint, write: (writer, value) => writer.int32(Number(value)) },
  uint32: { wire: WireType.Varint, write: (writer, value) => writer.uint32(Number(value)) },
  int64: { wire: WireType.Varint, write: writeInt64 },
  double: { wire: WireType.Bit64, write: (writer, value) => writer.double(Number(value)) },
  fixed32: { wire: WireType.Bit32, write: (writer, value) => writer.fixed32(Number(value)) },
  fixed64: { wire: WireType.Bit64, write: (writer, value) => writer.fixed64(String(value)) },
};

/**
 * An export request in OTLP/JSON as OTLP/protobuf. Fields that OTLP does not have are left out. Throws when the text is
 * no JSON, or a value does not fit its type.
 */
export function encodeProtobuf(signal: Signal, json: Uint8Array): Uint8Array {
  const request: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
  const writer = new BinaryWriter();
  writeMessage(writer, { message: MESSAGES[signal], value: request, depth: 0 });
  return writer.finish();
}

interface Part {
  readonly message: Message;
  readonly value: unknown;
  readonly depth: number;
}

function writeMessage(writer: BinaryWriter, { message, value, depth }: Part): void {
  if (!isJsonObject(value)) throw new TypeError('a message is not an object');
  if (depth > MESSAGE_DEPTH_MAX) throw new RangeError('a value nests too deep');
  for (const [number, field] of message) {
    const found = value[field.name];
    if (found === undefined || found === null) continue;
    if (!field.repeated) writeField(writer, { number, field, value: found, depth });
    else if (!Array.isArray(found)) throw new TypeError(`${field.name} is not an array`);
    else for (const item of found) writeField(writer, { number, field, value: item, depth });
  }
}

interface FieldPart {
  readonly number: number;
  readonly field: Field;
  readonly value: unknown;
  readonly depth: number;
}

/** A value is written also when it is the default: in a `oneof`, its presence says which one is set. */
function writeField(writer: BinaryWriter, { number, field, value, depth }: FieldPart): void {
  const { type } = field;
  if (typeof type === 'string') {
    const scalar = SCALARS[type];
    scalar.write(writer.tag(number, scalar.wire), value);
    return;
  }
  writer.tag(number, WireType.LengthDelimited).fork();
  writeMessage(writer, { message: type, value, depth: depth + 1 });
  writer.join();
}

function bytesIn(encoding: 'hex' | 'base64'): Scalar {
  return {
    wire: WireType.LengthDelimited,
    write: (writer, value) => writer.bytes(Buffer.from(String(value), encoding)),
  };
}

/** Small numbers, which are almost all, without a BigInt. */
function writeInt64(writer: BinaryWriter, value: unknown): void {
  const number = Number(value);
  if (number >= 0 && number <= 0x7fff_ffff && Number.isInteger(number)) writer.uint32(number);
  else writer.int64(typeof value === 'number' ? value : String(value));
}
