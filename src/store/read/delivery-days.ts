import type { FileHandle } from 'node:fs/promises';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { readLines } from '../../system/lines.ts';
import { newestFirst, type Place } from './listing.ts';

/** Lines are looked for in blocks of about this size: small enough to parse one for a page, and few enough to note. */
const BLOCK_BYTES = 131_072;

/** What the writer puts first, so that a line's place is known without parsing all of it. */
const HEAD = /^\{"timestamp":"([^"\\]{1,64})","event_id":"([^"\\]{1,128})"/;
const HEAD_BYTES = 256;

/** Some lines that stand together, and between which places they all lie. */
export interface Block {
  readonly start: number;
  readonly end: number;
  /** The newest and the oldest of them. */
  readonly newest: Place;
  readonly oldest: Place;
}

/** Where in the file of a day deliveries of which time stand; the lines may be in any order. */
export interface DayIndex {
  /** What the file looked like before it was read. */
  readonly inode: number;
  readonly mtimeMs: number;
  readonly size: number;
  /** Behind the last newline that was read. */
  readonly end: number;
  readonly blocks: readonly Block[];
}

/**
 * The index of a file as it is now. The writer only appends, so of a file that is known only what is new is read; one
 * that another has replaced, cut or changed in place is read anew.
 */
export async function indexDay(
  handle: FileHandle,
  day: string,
  known: DayIndex | undefined,
): Promise<DayIndex> {
  const { ino: inode, mtimeMs, size } = await handle.stat();
  const isOurs = known?.inode === inode;
  if (isOurs && known.mtimeMs === mtimeMs && known.size === size) return known;
  const isGrown = isOurs && known.size !== size && known.end <= size;
  const blocks = isGrown ? [...known.blocks] : [];
  const from = isGrown ? known.end : 0;
  const end = await readOn(handle, { day, from, blocks });
  return { inode, mtimeMs, size, end, blocks };
}

interface Reading {
  readonly day: string;
  readonly from: number;
  /** What is found goes here; the last one is gone on with while it is small. */
  readonly blocks: Block[];
}

/** Returns where the last whole line ends. */
async function readOn(handle: FileHandle, { day, from, blocks }: Reading): Promise<number> {
  let start = from;
  for await (const lines of readLines(handle, { from })) {
    for (const { bytes, end, isTerminated } of lines) {
      if (!isTerminated) break;
      const place = bytes && placeOf(bytes, day);
      if (place !== undefined) addPlace(blocks, { start, end, newest: place, oldest: place });
      start = end;
    }
  }
  return start;
}

/** To the block before it, when that is small and ends where this line begins. What is no delivery is in no block. */
function addPlace(blocks: Block[], line: Block): void {
  const last = blocks.at(-1);
  if (last === undefined || last.end !== line.start || last.end - last.start >= BLOCK_BYTES) {
    blocks.push(line);
    return;
  }
  blocks[blocks.length - 1] = {
    start: last.start,
    end: line.end,
    newest: newestFirst(line.newest, last.newest) < 0 ? line.newest : last.newest,
    oldest: newestFirst(line.oldest, last.oldest) > 0 ? line.oldest : last.oldest,
  };
}

/** A delivery, or undefined for a line that is none, is damaged, or does not belong to this day. */
export function readDelivery(text: string, day: string): (Place & { readonly line: JsonObject }) | undefined {
  const line = parseObject(text);
  const at = line?.timestamp;
  const id = line?.event_id;
  if (line === undefined || typeof at !== 'string' || typeof id !== 'string') return undefined;
  return at.startsWith(day) ? { at, id, line } : undefined;
}

function placeOf(bytes: Buffer, day: string): Place | undefined {
  const [, at, id] = HEAD.exec(bytes.toString('utf8', 0, HEAD_BYTES)) ?? [];
  if (at !== undefined && id !== undefined) return at.startsWith(day) ? { at, id } : undefined;
  // Not as the writer makes them: somebody has edited it.
  const found = readDelivery(bytes.toString('utf8'), day);
  return found && { at: found.at, id: found.id };
}
