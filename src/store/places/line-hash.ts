import { crc32 } from 'node:zlib';
import { parseObject } from '../../model/json.ts';

/** What stands before the id in a stored line. */
export const EVENT_ID: string = '"event_id":"';

const NAME = Buffer.from(EVENT_ID);
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Ids are up to 128 characters; a longer value is hashed with its line. */
const ID_BYTES_MAX = 256;

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * 32 bits that stand for a line: those of its `event_id`, or of all its bytes when it has none. The same bytes always give the
 * same number. 0 is a line without content: one over the limit of length.
 */
export function lineHash(bytes: Buffer | undefined): number {
  if (bytes === undefined) return 0;
  const at = bytes.indexOf(NAME);
  if (at < 0) return nonZero(crc32(bytes));
  const from = at + NAME.length;
  // A nested object may have the name too: only then the line is parsed.
  if (bytes.indexOf(NAME, from) >= 0) {
    const id = parseObject(bytes.toString('utf8'))?.event_id;
    return typeof id === 'string' ? idHash(id) : nonZero(crc32(bytes));
  }
  const end = bytes.indexOf(QUOTE, from);
  const isPlain = end > from && end - from <= ID_BYTES_MAX && bytes[end - 1] !== BACKSLASH;
  return isPlain ? bytesHash(bytes, from, end) : nonZero(crc32(bytes));
}

/** The hash of a line with this `event_id`. */
export function idHash(id: string): number {
  const bytes = Buffer.from(id);
  return bytesHash(bytes, 0, bytes.length);
}

/**
 * `lineHash` for a line whose id stands in a text of one character for each byte, from `from` to `to`. Undefined for an id that is
 * not plain: its line has the hash.
 */
export function idTextHash(text: string, from: number, to: number): number | undefined {
  const isPlain = to > from && to - from <= ID_BYTES_MAX && text.charCodeAt(to - 1) !== BACKSLASH;
  if (!isPlain) return undefined;
  let hash = FNV_START;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return mixed(hash);
}

/** FNV-1a with a final mix, for sums of hashes. */
function bytesHash(bytes: Buffer, from: number, to: number): number {
  let hash = FNV_START;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME);
  return mixed(hash);
}

function mixed(sum: number): number {
  let hash = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return nonZero((hash ^ (hash >>> 16)) >>> 0);
}

function nonZero(hash: number): number {
  return hash === 0 ? 1 : hash;
}

/** What a set of lines adds up to, in any order: two sums of their hashes, 64 bits together. */
export interface LineSum {
  readonly a: number;
  readonly b: number;
}

export const NO_LINES: LineSum = { a: 0, b: 0 };

export function addHash({ a, b }: LineSum, hash: number): LineSum {
  return { a: (a + hash) >>> 0, b: (b + Math.imul(hash | 1, hash ^ (hash >>> 15))) >>> 0 };
}

export function isSameSum(one: LineSum, other: LineSum): boolean {
  return one.a === other.a && one.b === other.b;
}
