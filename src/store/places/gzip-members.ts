import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, deflateRaw, inflateRaw } from 'node:zlib';
import { type MemberLengths, readTable, tableOf } from './gzip-table.ts';

/**
 * Plain bytes of a member, or more up to the end of a line: large enough to compress well, small enough to inflate in about a
 * millisecond.
 */
const MEMBER_BYTES = 262_144;

/** A line may be longer than a member. */
const MEMBER_BYTES_MAX = 4 * 1_048_576;

/** The smallest one that zlib takes. */
const CHUNK_BYTES_MIN = 64;

const NEWLINE = 0x0a;

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** RFC 1952: magic, deflate, extra field; no time, unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
/** Subfield `TT` of eight bytes: length of the member and of its content. As in BGZF, a reader finds the next member with it. */
const EXTRA_BYTES = 12;
const EXTRA = Buffer.from([EXTRA_BYTES, 0, 0x54, 0x54, 8, 0]);
const HEADER_BYTES: number = HEADER.length + EXTRA.length + 8;
const TRAILER_BYTES = 8;

/** One part of a gzipped file that is inflated on its own. Offsets are bytes. */
export interface Member {
  /** In the file. */
  readonly start: number;
  readonly bytes: number;
  /** In the content. */
  readonly plainStart: number;
  readonly plainBytes: number;
}

/** Gzips a stream in members that can be read one by one. Every gzip program reads the whole. */
export async function* gzipMembers(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  let isEmpty = true;
  const lengths: MemberLengths[] = [];
  const take = async (length: number): Promise<Buffer> => {
    const all = Buffer.concat(held);
    held = length < all.length ? [all.subarray(length)] : [];
    bytes = all.length - length;
    isEmpty = false;
    const member = await memberOf(all.subarray(0, length));
    lengths.push({ bytes: member.length, plainBytes: length });
    return member;
  };
  for await (const piece of pieces) {
    // The reader may use the buffer again.
    held.push(Buffer.from(piece));
    bytes += piece.length;
    const cut = piece.lastIndexOf(NEWLINE);
    if (bytes >= MEMBER_BYTES && cut >= 0) yield await take(bytes - piece.length + cut + 1);
    else if (bytes >= MEMBER_BYTES_MAX) yield await take(bytes);
  }
  if (bytes > 0 || isEmpty) yield await take(bytes);
  const table = tableOf(lengths, headOf);
  if (table !== undefined) yield table;
}

async function memberOf(plain: Buffer): Promise<Buffer> {
  const body = await deflate(plain);
  const head = headOf(0, body.length + TRAILER_BYTES);
  head.writeUInt32LE(plain.length, HEADER_BYTES - 4);
  const tail = Buffer.alloc(TRAILER_BYTES);
  tail.writeUInt32LE(crc32(plain), 0);
  tail.writeUInt32LE(plain.length, 4);
  return Buffer.concat([head, body, tail]);
}

/** Of a member without content, with so many bytes of other subfields and of what follows them. */
function headOf(extraBytes: number, restBytes: number): Buffer {
  const head = Buffer.concat([HEADER, EXTRA, Buffer.alloc(8)]);
  head.writeUInt16LE(EXTRA_BYTES + extraBytes, HEADER.length);
  head.writeUInt32LE(HEADER_BYTES + extraBytes + restBytes, HEADER_BYTES - 8);
  return head;
}

/** The members of a file; undefined when another program has gzipped it. */
export async function readMembers(file: FileHandle, size: number): Promise<readonly Member[] | undefined> {
  const members: Member[] = [];
  let [start, plainStart] = [0, 0];
  const add = ({ bytes, plainBytes }: MemberLengths): void => {
    members.push({ start, bytes, plainStart, plainBytes });
    start += bytes;
    plainStart += plainBytes;
  };
  const table = await readTable(file, size, HEADER_BYTES);
  if (table?.every(isMember) === true) {
    for (const lengths of table) add(lengths);
    return members;
  }
  const head = Buffer.alloc(HEADER_BYTES);
  while (start < size) {
    const { bytesRead } = await file.read(head, 0, HEADER_BYTES, start);
    const lengths = bytesRead === HEADER_BYTES ? lengthsIn(head) : undefined;
    if (lengths === undefined || start + lengths.bytes > size) return undefined;
    // A table that is damaged is passed.
    if (head.readUInt16LE(HEADER.length) === EXTRA_BYTES) add(lengths);
    else if (lengths.plainBytes === 0) start += lengths.bytes;
    else return undefined;
  }
  return members;
}

function lengthsIn(head: Buffer): MemberLengths | undefined {
  const isOurs =
    head.subarray(0, 4).equals(HEADER.subarray(0, 4)) &&
    head.subarray(HEADER.length + 2, HEADER.length + EXTRA.length).equals(EXTRA.subarray(2));
  const lengths = {
    bytes: head.readUInt32LE(HEADER_BYTES - 8),
    plainBytes: head.readUInt32LE(HEADER_BYTES - 4),
  };
  return isOurs && isMember(lengths) ? lengths : undefined;
}

function isMember({ bytes, plainBytes }: MemberLengths): boolean {
  return bytes > HEADER_BYTES && plainBytes <= MEMBER_BYTES_MAX * 2;
}

/** The content of a member. Throws `Z_DATA_ERROR` when it is damaged. */
export async function inflateMember(file: FileHandle, { start, bytes, plainBytes }: Member): Promise<Buffer> {
  const length = bytes - HEADER_BYTES;
  const body = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(body, 0, length, start + HEADER_BYTES);
  if (bytesRead < length) throw damaged();
  const plain = await inflate(body.subarray(0, length - TRAILER_BYTES), {
    maxOutputLength: Math.max(1, plainBytes),
    // One piece, with room to find the end: no second copy.
    chunkSize: Math.max(CHUNK_BYTES_MIN, plainBytes + 1),
  });
  if (plain.length !== plainBytes || crc32(plain) !== body.readUInt32LE(length - TRAILER_BYTES))
    throw damaged();
  return plain;
}

function damaged(): Error {
  return Object.assign(new RangeError('a gzip member is damaged'), { code: 'Z_DATA_ERROR' });
}
