import { type FileHandle, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { parseObject } from '../../model/json.ts';
import { writeWhole } from '../../system/descriptor.ts';
import { writeNew } from '../../system/files/new-file.ts';
import { checkLease, holdsLease } from '../../system/lease-guard.ts';
import { type NamedFile, type OpenedFile, openStored } from '../stored-file.ts';
import { lineHash } from './line-hash.ts';
import { LineScan } from './line-scan.ts';
import { OffsetIndex } from './offset-index.ts';
import { openBytes, type StoredBytes } from './stored-bytes.ts';

/** A smaller file is read as fast as its index. */
export const INDEXED_BYTES: number = 1_048_576;

/** Written again after growth by this part, so that the writing adds up to few times the final size. */
const GROWTH = 16;

const MAGIC = 'tasktrail offsets 1\n';

/** Hashes and starts of a file of 16 GB; a longer file is no index of ours. */
const BYTES_MAX = 512 * 1_048_576;

/** The first two lines: name, and a small object. */
const HEAD_BYTES_MAX = 1_024;

const SUM_BYTES = 4;

/** Path of the index of a line file. It is made from the file and may be removed at any time. */
export function offsetsPath(path: string): string {
  return `${path}.offsets`;
}

/** The stored index of a file; undefined when there is none, or it is damaged or that of another file. */
export async function readOffsets(
  { path, what }: NamedFile,
  identity: string,
  size: number,
): Promise<OffsetIndex | undefined> {
  const opened = await openStored({ path: offsetsPath(path), what }).catch(() => undefined);
  if (opened === undefined) return undefined;
  try {
    const stored = await decode(opened, identity);
    return stored === undefined || stored.index.size > size ? undefined : stored.index;
  } catch {
    // Derived: an index that cannot be read is made again.
    return undefined;
  } finally {
    await opened.handle.close();
  }
}

/** What the stored index of a file is: `other` for that of a file that stood here before, or before a copy. */
export type OffsetsState = 'right' | 'wrong' | 'damaged' | 'other';

/** Holds the stored index against the file. Undefined without an index. */
export async function checkOffsets({ path, what }: NamedFile): Promise<OffsetsState | undefined> {
  const opened = await openStored({ path: offsetsPath(path), what });
  if (opened === undefined) return undefined;
  try {
    const stored = await decode(opened, undefined);
    if (stored === undefined) return 'damaged';
    const { index } = stored;
    const bytes = await openBytes({ path, what });
    if (bytes === undefined) return 'other';
    try {
      if (stored.identity !== bytes.identity) return 'other';
      return (await isIndexOf(index, bytes)) ? 'right' : 'wrong';
    } finally {
      await bytes.close();
    }
  } finally {
    await opened.handle.close();
  }
}

async function isIndexOf(index: OffsetIndex, bytes: StoredBytes): Promise<boolean> {
  const starts = new Map(startsOf(index.parts.starts));
  let [count, size] = [0, 0];
  for await (const lines of bytes.lines(0)) {
    for (const line of lines) {
      if (size === index.size) break;
      const isSame = lineHash(line.bytes) === index.hashAt(count) && line.isTerminated;
      if (!isSame || (starts.get(count) ?? line.start) !== line.start) return false;
      starts.delete(count);
      [count, size] = [count + 1, line.end];
    }
    if (size >= index.size) break;
  }
  // A start behind the last line is where the next one begins.
  return size === index.size && count === index.lines && starts.size <= 1;
}

function* startsOf(numbers: Float64Array): Generator<[line: number, offset: number]> {
  for (let at = 0; at < numbers.length; at += 2) yield [numbers[at] ?? 0, numbers[at + 1] ?? 0];
}

/** The size from which on the stored index of a file is to be written again. */
export function nextRefresh(size: number): number {
  return size + Math.max(INDEXED_BYTES, Math.floor(size / GROWTH));
}

/**
 * Makes the stored index of a file complete. Call it only where the file is written. A failure is no failure of the file: an
 * index that is missing is made by its readers.
 */
export async function refreshOffsets(path: string): Promise<void> {
  if (!holdsLease()) return;
  try {
    const bytes = await openBytes({ path, what: basename(path) });
    if (bytes === undefined) return;
    try {
      const size = await bytes.size();
      if (size === undefined || size < INDEXED_BYTES) return;
      const index =
        (await readOffsets({ path, what: basename(path) }, bytes.identity, size)) ?? new OffsetIndex();
      if (index.size === size) return;
      await extendIndex(index, bytes);
      await writeOffsets(path, index, bytes.identity);
    } finally {
      await bytes.close();
    }
  } catch {
    if (holdsLease()) await rm(offsetsPath(path), { force: true }).catch(() => undefined);
  }
}

/** Adds the whole lines that are not in the index yet. */
export async function extendIndex(index: OffsetIndex, bytes: StoredBytes): Promise<void> {
  const scan = new LineScan(index);
  for await (const piece of bytes.pieces(index.size)) scan.push(piece);
}

/** Not synced: a torn index is known by its checksum. */
async function writeOffsets(path: string, index: OffsetIndex, identity: string): Promise<void> {
  const target = offsetsPath(path);
  const temp = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  await writeNew(temp, async (fd) => {
    for (const piece of encode(index, identity)) await writeWhole(fd, piece);
  });
  checkLease();
  await rename(temp, target);
}

function encode(index: OffsetIndex, identity: string): readonly Buffer[] {
  const { hashes, starts, size } = index.parts;
  const head = { identity, size, lines: hashes.length, starts: starts.length / 2 };
  const parts = [Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`), bytesOf(starts), bytesOf(hashes)];
  const sum = Buffer.alloc(SUM_BYTES);
  sum.writeUInt32LE(parts.reduce((crc, part) => crc32(part, crc), 0));
  return [...parts, sum];
}

interface Stored {
  /** Of the file for which the index was made. */
  readonly identity: string;
  readonly index: OffsetIndex;
}

/** Undefined when the file is damaged, and, where an identity is given, when it is that of another file. */
async function decode(
  { handle, size: fileSize }: OpenedFile,
  wanted: string | undefined,
): Promise<Stored | undefined> {
  const start = Buffer.alloc(Math.min(HEAD_BYTES_MAX, fileSize));
  if (fileSize > BYTES_MAX || !(await isRead(handle, start, 0))) return undefined;
  if (!start.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) return undefined;
  const end = start.indexOf(0x0a, MAGIC.length) + 1;
  if (end === 0) return undefined;
  const head = parseObject(start.subarray(MAGIC.length, end).toString('utf8'));
  const { identity, size, lines, starts: count } = head ?? {};
  if (typeof identity !== 'string' || !isCount(size) || !isCount(lines) || !isCount(count)) return undefined;
  if ((wanted ?? identity) !== identity || count === 0) return undefined;
  if (fileSize !== end + 16 * count + 4 * lines + SUM_BYTES) return undefined;
  // Read where they stay: a second copy would double the memory of the first window of a file.
  const starts = new Float64Array(2 * count);
  const hashes = new Uint32Array(lines);
  const sum = Buffer.alloc(SUM_BYTES);
  let crc = crc32(start.subarray(0, end));
  let at = end;
  for (const part of [bytesOf(starts), bytesOf(hashes)]) {
    if (!(await isRead(handle, part, at))) return undefined;
    crc = crc32(part, crc);
    at += part.length;
  }
  if (!(await isRead(handle, sum, at)) || crc !== sum.readUInt32LE()) return undefined;
  return { identity, index: new OffsetIndex({ hashes, starts, size }) };
}

/** Fills the buffer from this offset on. False when the file ends before. */
async function isRead(handle: FileHandle, buffer: Buffer, from: number): Promise<boolean> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, from + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array | Uint32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
