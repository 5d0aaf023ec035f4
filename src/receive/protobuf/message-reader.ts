import { TasktrailError } from '../../errors.ts';
import type { Field, Message } from '../../model/otlp-messages.ts';
import { SCALARS } from './scalars.ts';
import { WireReader } from './wire-reader.ts';
import { WIRE_TYPE } from './wire-type.ts';

/**
 * A level of a value takes at most three messages (AnyValue, KeyValueList, KeyValue), below at most seven others: at this
 * depth a value exceeds its 64 levels. Deeper messages are skipped, and the record is rejected for its depth.
 */
export const MESSAGE_DEPTH_MAX = 256;

export type Decoded = Record<string, unknown>;

/** Decodes messages of a body to their OTLP/JSON shape, so that the same code reads both encodings. */
export class MessageReader {
  readonly #reader: WireReader;

  constructor(body: Buffer) {
    this.#reader = new WireReader(body);
  }

  /** The message in a range of the body. */
  readAt(message: Message, start: number, end: number): Decoded {
    this.#reader.pos = start;
    return this.#read(message, end, 0);
  }

  #read(message: Message, end: number, depth: number): Decoded {
    const decoded: Decoded = {};
    if (depth > MESSAGE_DEPTH_MAX) {
      this.#reader.pos = end;
      return decoded;
    }
    while (this.#reader.pos < end) this.#readField(message, decoded, depth);
    if (this.#reader.pos !== end) throw malformed('a field ends after the message that contains it');
    return decoded;
  }

  #readField(message: Message, decoded: Decoded, depth: number): void {
    const tag = this.#reader.tag();
    const wire = tag & 7;
    const field = message.get(tag >>> 3);
    if (field === undefined) {
      this.#reader.skip(wire);
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

  #readValue(field: Field, wire: number, depth: number): unknown {
    const { type } = field;
    if (typeof type === 'string') {
      const scalar = SCALARS[type];
      checkWire(field, wire, scalar.wire);
      return scalar.read(this.#reader);
    }
    checkWire(field, wire, WIRE_TYPE.lengthDelimited);
    const length = this.#reader.length();
    return this.#read(type, this.#reader.pos + length, depth + 1);
  }
}

export function checkWire(field: Field, wire: number, expected: number): void {
  if (wire !== expected) throw malformed(`${field.name} has wire type ${wire}, not ${expected}`);
}

export function malformed(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `malformed protobuf: ${message}`);
}
