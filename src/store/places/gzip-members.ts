import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, deflateRaw, inflateRaw } from 'node:zlib';

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
const EXTRA = Buffer.from([12, 0, 0x54, 0x54, 8, 0]);
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
  const take = async (length: number): Promise<Buffer> => {
    const all = Buffer.concat(held);
    held = length < all.length ? [all.subarray(length)] : [];
    bytes = all.length - length;
    isEmpty = false;
    return memberOf(all.subarray(0, length));
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
}

async function memberOf(plain: Buffer): Promise<Buffer> {
  const body = await deflate(plain);
  const head = Buffer.concat([HEADER, EXTRA, Buffer.alloc(8)]);
  head.writeUInt32LE(HEADER_BYTES + body.length + TRAILER_BYTES, HEADER_BYTES - 8);
  head.writeUInt32LE(plain.length, HEADER_BYTES - 4);
  const tail = Buffer.alloc(TRAILER_BYTES);
  tail.writeUInt32LE(crc32(plain), 0);
  tail.writeUInt32LE(plain.length, 4);
  return Buffer.concat([head, body, tail]);
}

/** The members of a file; undefined when another program has gzipped it. */
export async function readMembers(file: FileHandle, size: number): Promise<readonly Member[] | undefined> {
  const members: Member[] = [];
  const head = Buffer.alloc(HEADER_BYTES);
  let plainStart = 0;
  for (let start = 0; start < size; ) {
    const { bytesRead } = await file.read(head, 0, HEADER_BYTES, start);
    const isOurs =
      bytesRead === HEADER_BYTES &&
      head.subarray(0, 4).equals(HEADER.subarray(0, 4)) &&
      head.subarray(HEADER.length, HEADER.length + EXTRA.length).equals(EXTRA);
    const bytes = head.readUInt32LE(HEADER_BYTES - 8);
    const plainBytes = head.readUInt32LE(HEADER_BYTES - 4);
    if (!isOurs || bytes <= HEADER_BYTES || start + bytes > size || plainBytes > MEMBER_BYTES_MAX * 2)
      return undefined;
    members.push({ start, bytes, plainStart, plainBytes });
    start += bytes;
    plainStart += plainBytes;
  }
  return members;
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
