import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { parseObject } from '../../model/json.ts';
import { writeWhole } from '../../system/descriptor.ts';
import { writeNew } from '../../system/files/new-file.ts';
import { checkLease, holdsLease } from '../../system/lease-guard.ts';
import type { NamedFile } from '../stored-file.ts';
import { openStored } from '../stored-file.ts';
import { lineHash } from './line-hash.ts';
import { type LineStart, OffsetIndex } from './offset-index.ts';
import { openBytes, type StoredBytes } from './stored-bytes.ts';

/** A smaller file is read as fast as its index. */
export const INDEXED_BYTES: number = 1_048_576;

/** Written again after growth by this part, so that the writing adds up to few times the final size. */
const GROWTH = 16;

const MAGIC = 'tasktrail offsets 1\n';

/** Hashes and starts of a file of 16 GB; a longer file is no index of ours. */
const BYTES_MAX = 512 * 1_048_576;

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
    if (opened.size > BYTES_MAX) return undefined;
    const index = decode(await opened.handle.readFile(), identity);
    return index === undefined || index.size > size ? undefined : index;
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
    if (opened.size > BYTES_MAX) return 'damaged';
    const stored = await opened.handle.readFile();
    const identity = identityIn(stored);
    if (identity === undefined || decode(stored, identity) === undefined) return 'damaged';
    const bytes = await openBytes({ path, what });
    if (bytes === undefined) return 'other';
    try {
      const index = decode(stored, bytes.identity);
      if (index === undefined) return 'other';
      return (await isIndexOf(index, bytes)) ? 'right' : 'wrong';
    } finally {
      await bytes.close();
    }
  } finally {
    await opened.handle.close();
  }
}

async function isIndexOf(index: OffsetIndex, bytes: StoredBytes): Promise<boolean> {
  const starts = new Map(index.parts.starts.map(({ line, offset }) => [line, offset]));
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

/** For which file an index was made. */
function identityIn(stored: Buffer): string | undefined {
  const end = stored.indexOf(0x0a, MAGIC.length);
  const identity = parseObject(
    stored.subarray(MAGIC.length, Math.max(end, MAGIC.length)).toString('utf8'),
  )?.identity;
  return typeof identity === 'string' ? identity : undefined;
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
  for await (const lines of bytes.lines(index.size))
    for (const line of lines) if (line.isTerminated) index.add(line);
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
  const head = { identity, size, lines: hashes.length, starts: starts.length };
  const numbers = new Float64Array(2 * starts.length);
  for (const [at, { line, offset }] of starts.entries()) {
    numbers[2 * at] = line;
    numbers[2 * at + 1] = offset;
  }
  const parts = [
    Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`),
    Buffer.from(numbers.buffer),
    Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength),
  ];
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(parts.reduce((crc, part) => crc32(part, crc), 0));
  return [...parts, sum];
}

function decode(bytes: Buffer, identity: string): OffsetIndex | undefined {
  if (!bytes.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) return undefined;
  const end = bytes.indexOf(0x0a, MAGIC.length);
  const head = parseObject(bytes.subarray(MAGIC.length, end).toString('utf8'));
  const { size, lines, starts } = head ?? {};
  if (!isCount(size) || !isCount(lines) || !isCount(starts) || head?.identity !== identity) return undefined;
  const startsAt = end + 1;
  const hashesAt = startsAt + 16 * starts;
  const sumAt = hashesAt + 4 * lines;
  if (bytes.length !== sumAt + 4 || crc32(bytes.subarray(0, sumAt)) !== bytes.readUInt32LE(sumAt))
    return undefined;
  const found: LineStart[] = [];
  for (let at = startsAt; at < hashesAt; at += 16)
    found.push({ line: bytes.readDoubleLE(at), offset: bytes.readDoubleLE(at + 8) });
  const hashes = new Uint32Array(lines);
  Buffer.from(hashes.buffer).set(bytes.subarray(hashesAt, sumAt));
  return new OffsetIndex({ hashes, starts: found, size });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
