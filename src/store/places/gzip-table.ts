import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** Lengths of a member, in the file and of its content. */
export interface MemberLengths {
  readonly bytes: number;
  readonly plainBytes: number;
}

/** RFC 1952: an extra field has up to 65,535 bytes. That is 2 GB of content; a longer file is read member by member. */
const ENTRIES_MAX = 8_000;

const ENTRY_BYTES = 8;

/** Subfield `TM`: the lengths of all members, their checksum, and how long this member is, so that it is found from the end. */
const NAME = Buffer.from('TM');
/** An empty content, its checksum and its length. */
const REST = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const END_BYTES: number = 8 + REST.length;

/**
 * A member without content that ends a file: the lengths of those before it, so that a reader does not look for each of them. `head`
 * makes its beginning: all of it up to the other subfields. Undefined when it has no room for so many.
 */
export function tableOf(
  lengths: readonly MemberLengths[],
  head: (extraBytes: number, restBytes: number) => Buffer,
): Buffer | undefined {
  if (lengths.length < 2 || lengths.length > ENTRIES_MAX) return undefined;
  const field = Buffer.alloc(4 + ENTRY_BYTES * lengths.length + 8);
  NAME.copy(field);
  field.writeUInt16LE(field.length - 4, 2);
  let at = 4;
  for (const { bytes, plainBytes } of lengths) {
    field.writeUInt32LE(bytes, at);
    field.writeUInt32LE(plainBytes, at + 4);
    at += ENTRY_BYTES;
  }
  field.writeUInt32LE(crc32(field.subarray(0, at)), at);
  const start = head(field.length, REST.length);
  field.writeUInt32LE(start.length + field.length + REST.length, at + 4);
  return Buffer.concat([start, field, REST]);
}

/** The lengths that the last member has, behind `headBytes`. Undefined without a table, and when it does not fit the file. */
export async function readTable(
  file: FileHandle,
  size: number,
  headBytes: number,
): Promise<readonly MemberLengths[] | undefined> {
  const end = await bytesAt(file, size - END_BYTES, END_BYTES);
  if (end === undefined || !end.subarray(8).equals(REST)) return undefined;
  const length = end.readUInt32LE(4);
  if (length < END_BYTES || length > 65_536 + 32) return undefined;
  const whole = await bytesAt(file, size - length, length);
  const field = whole?.subarray(headBytes, length - REST.length);
  const isTable =
    field !== undefined &&
    field.length >= 12 &&
    field.subarray(0, 2).equals(NAME) &&
    field.readUInt16LE(2) === field.length - 4;
  return isTable ? lengthsIn(field, size - length) : undefined;
}

function lengthsIn(field: Buffer, size: number): readonly MemberLengths[] | undefined {
  const end = field.length - 8;
  if ((end - 4) % ENTRY_BYTES !== 0 || crc32(field.subarray(0, end)) !== field.readUInt32LE(end))
    return undefined;
  const lengths: MemberLengths[] = [];
  let total = 0;
  for (let at = 4; at < end; at += ENTRY_BYTES) {
    const bytes = field.readUInt32LE(at);
    lengths.push({ bytes, plainBytes: field.readUInt32LE(at + 4) });
    total += bytes;
  }
  return total === size ? lengths : undefined;
}

async function bytesAt(file: FileHandle, from: number, length: number): Promise<Buffer | undefined> {
  if (from < 0) return undefined;
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, from);
  return bytesRead === length ? bytes : undefined;
}
