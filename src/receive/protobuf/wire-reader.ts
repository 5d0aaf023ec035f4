import { WIRE_TYPE } from './wire-type.ts';

/** Longest cached text in bytes. Attribute keys are short and repeat in every record; longer texts rarely repeat. */
const SHARED_BYTES_MAX = 48;
/** Slots of the cache: a power of two, several times the number of distinct keys in a request. */
const SHARED_SLOTS = 512;

/**
 * Reads the scalars of the protobuf wire format (protobuf.dev, "Encoding") in place: a view of the bytes of each string, as
 * general readers create one, costs more than the string.
 */
export class WireReader {
  pos = 0;
  readonly #body: Buffer;
  readonly #shared: (string | undefined)[] = new Array(SHARED_SLOTS);

  constructor(body: Buffer) {
    this.#body = body;
  }

  /** The field number, with the wire type in the lowest three bits. */
  tag(): number {
    const tag = this.#exact32('a tag');
    if (tag < 8) throw new RangeError('a field has the number 0');
    return tag;
  }

  /** The length of a text, bytes or a message. It is compared with the remaining bytes when the value is read. */
  length(): number {
    return this.#exact32('a length');
  }

  /** A 32-bit value; the upper bits of a longer varint are dropped, as the format requires. */
  varint32(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('a varint is longer than 10 bytes');
  }

  /** The decimal digits of a signed 64-bit varint. */
  int64(): string {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        if (high === 0) return String(low >>> 0);
        return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0)).toString();
      }
    }
    throw new RangeError('a varint is longer than 10 bytes');
  }

  bool(): boolean {
    return this.int64() !== '0';
  }

  fixed32(): number {
    return this.#body.readUInt32LE(this.#take(4));
  }

  /**
   * The decimal digits of 64 bits, without a BigInt: a record has two of them. 2^32 is 4294 millions and 967,296, so both
   * parts stay below 2^53.
   */
  fixed64(): string {
    const low = this.fixed32();
    const high = this.fixed32();
    const rest = high * 967_296 + low;
    const ones = rest % 1_000_000;
    const millions = high * 4294 + (rest - ones) / 1_000_000;
    return millions === 0 ? String(ones) : `${millions}${String(ones).padStart(6, '0')}`;
  }

  double(): number {
    return this.#body.readDoubleLE(this.#take(8));
  }

  text(): string {
    const length = this.length();
    const start = this.#take(length);
    return this.#body.toString('utf8', start, start + length);
  }

  bytes(encoding: 'hex' | 'base64'): string {
    const length = this.length();
    const start = this.#take(length);
    return this.#body.toString(encoding, start, start + length);
  }

  /** As `text`, with a cache of decoded strings for texts that repeat. */
  sharedText(): string {
    const length = this.length();
    const start = this.#take(length);
    const end = start + length;
    if (length > SHARED_BYTES_MAX) return this.#body.toString('utf8', start, end);
    let hash = length;
    for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (this.#body[at] ?? 0)) | 0;
    const slot = (hash ^ (hash >>> 9)) & (SHARED_SLOTS - 1);
    const known = this.#shared[slot];
    if (known !== undefined && this.#isAt(known, start, length)) return known;
    const text = this.#body.toString('utf8', start, end);
    this.#shared[slot] = text;
    return text;
  }

  /** Skips to a position, which must not lie behind the end. */
  skipTo(pos: number): void {
    this.#take(pos - this.pos);
  }

  /** Skips a field. Groups are not part of proto3 and have no length, so they are an error. */
  skip(wire: number): void {
    if (wire === WIRE_TYPE.varint) this.varint32();
    else if (wire === WIRE_TYPE.bit64) this.#take(8);
    else if (wire === WIRE_TYPE.lengthDelimited) this.#take(this.length());
    else if (wire === WIRE_TYPE.bit32) this.#take(4);
    else throw new RangeError(`wire type ${wire}`);
  }

  /** ASCII only: in other texts characters and bytes do not correspond. */
  #isAt(text: string, start: number, length: number): boolean {
    if (text.length !== length) return false;
    for (let at = 0; at < length; at += 1) {
      const byte = this.#body[start + at];
      if (byte !== text.charCodeAt(at) || byte >= 0x80) return false;
    }
    return true;
  }

  /** Tags and lengths must not lose bits: other decoders would then read other fields than this one. */
  #exact32(what: string): number {
    const start = this.pos;
    const value = this.varint32();
    const bytes = this.pos - start;
    // Four bytes hold 28 bits, so the fifth has room for the upper four.
    if (bytes > 5 || (bytes === 5 && (this.#body[this.pos - 1] ?? 0) > 0x0f)) {
      throw new RangeError(`${what} is longer than 32 bits`);
    }
    return value;
  }

  #byte(): number {
    const byte = this.#body[this.pos];
    if (byte === undefined) throw new RangeError('premature EOF');
    this.pos += 1;
    return byte;
  }

  #take(length: number): number {
    const start = this.pos;
    this.pos = start + length;
    if (this.pos > this.#body.length) throw new RangeError('premature EOF');
    return start;
  }
}
