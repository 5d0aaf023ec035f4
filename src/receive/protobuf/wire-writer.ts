import { WIRE_TYPE, type WireType } from './wire-type.ts';

/** A field with a whole number from 0 to 2^53 - 1. */
export function varintField(number: number, value: number): Buffer {
  return Buffer.from([...tag(number, WIRE_TYPE.varint), ...varint(value)]);
}

/** A field with bytes, a text in UTF-8, or a message. */
export function bytesField(number: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const head = [...tag(number, WIRE_TYPE.lengthDelimited), ...varint(bytes.length)];
  return Buffer.concat([Buffer.from(head), bytes]);
}

function tag(number: number, wire: WireType): number[] {
  return varint(number * 8 + wire);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  // A division, because a shift would truncate the number to 32 bits.
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return [...bytes, rest];
}
