import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { messageOf, TasktrailError } from '../errors.ts';
import { VALUES_MAX } from './decode-json.ts';
import type { Field, Message } from './protobuf-messages.ts';

/**
 * A level of a value is at most three messages (AnyValue, KeyValueList, KeyValue), and seven lie above it: at this
 * depth the value is past its 64 levels. What is deeper is left out, and the record is refused for its depth.
 */
const MESSAGE_DEPTH_MAX = 256;

type Decoded = Record<string, unknown>;

/** An OTLP/protobuf body in its OTLP/JSON shape, so that both encodings are read by the same code from here on. */
export function decodeProtobuf(body: Buffer, message: Message): unknown {
  try {
    return new MessageReader(body).read(message, body.length, 0);
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed protobuf: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

class MessageReader {
  readonly #reader: BinaryReader;
  #messages = 0;

  constructor(body: Buffer) {
    this.#reader = new BinaryReader(body, decodeUtf8);
  }

  read(message: Message, end: number, depth: number): Decoded {
    this.#messages++;
    if (this.#messages > VALUES_MAX) {
      throw new TasktrailError('ERR_TOO_LARGE', `the request holds more than ${VALUES_MAX} values`);
    }
    const decoded: Decoded = {};
    if (depth > MESSAGE_DEPTH_MAX) {
      this.#reader.pos = end;
      return decoded;
    }
    while (this.#reader.pos < end) this.#readField(message, decoded, depth);
    if (this.#reader.pos !== end) throw malformed('a field ends after the message that holds it');
    return decoded;
  }

  #readField(message: Message, decoded: Decoded, depth: number): void {
    const [number, wire] = this.#reader.tag();
    const field = message.get(number);
    if (field === undefined) {
      this.#skip(wire, number);
      return;
    }
    const value = this.#readValue(field, wire, depth);
    if (!field.repeated) decoded[field.name] = value;
    else {
      const list = decoded[field.name];
      if (Array.isArray(list)) list.push(value);
      else decoded[field.name] = [value];
    }
  }

  #readValue(field: Field, wire: WireType, depth: number): unknown {
    const { type } = field;
    const expected = type instanceof Map ? WireType.LengthDelimited : type.wire;
    if (wire !== expected) throw malformed(`${field.name} has wire type ${wire}, not ${expected}`);
    if (!(type instanceof Map)) return type.read(this.#reader);
    const length = this.#reader.uint32();
    return this.read(type, this.#reader.pos + length, depth + 1);
  }

  /** Groups are gone from proto3 and nest without a length: none is taken. */
  #skip(wire: WireType, number: number): void {
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw malformed('a group');
    this.#reader.skip(wire, number);
  }
}

/** Node's own decoder is several times faster on the short strings of telemetry than TextDecoder. */
function decodeUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function malformed(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `malformed protobuf: ${message}`);
}
