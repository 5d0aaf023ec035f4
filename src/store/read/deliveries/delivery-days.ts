import type { FileHandle } from 'node:fs/promises';
import { readLines } from '../../../system/lines.ts';
import { newestFirst, type SortKey } from '../listing.ts';
import { readDelivery } from './delivery-line.ts';

/** Block size: small enough to parse one block for a page, large enough that an index has few of them. */
const BLOCK_BYTES = 131_072;

/** The first fields of a line as the store writes them: they give its sort key without parsing the line. */
const HEAD = /^\{"timestamp":"([^"\\]{1,64})","event_id":"([^"\\]{1,128})"/;
const HEAD_BYTES = 256;

/** Adjacent lines of a day file, with the range of their sort keys. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly newest: SortKey;
  readonly oldest: SortKey;
}

/** Index of a day file: blocks of lines and their sort keys. Lines may be in any order. */
export interface DayIndex {
  /** State of the file before it was read. */
  readonly inode: number;
  readonly mtimeMs: number;
  readonly size: number;
  /** Offset after the last newline that was read. */
  readonly end: number;
  readonly blocks: readonly Block[];
}

/**
 * Returns a current index of the file. The store only appends, so only new lines of an indexed file are read. A file
 * that was replaced, truncated or changed in place is indexed again.
 */
export async function indexDay(
  handle: FileHandle,
  day: string,
  known: DayIndex | undefined,
): Promise<DayIndex> {
  const { ino: inode, mtimeMs, size } = await handle.stat();
  const isSameFile = known?.inode === inode;
  if (isSameFile && known.mtimeMs === mtimeMs && known.size === size) return known;
  const isGrown = isSameFile && known.size !== size && known.end <= size;
  const blocks = isGrown ? [...known.blocks] : [];
  const from = isGrown ? known.end : 0;
  const end = await indexLines(handle, { day, from, blocks });
  return { inode, mtimeMs, size, end, blocks };
}

interface IndexOptions {
  readonly day: string;
  readonly from: number;
  /** Receives the blocks. The last one is extended while it is small. */
  readonly blocks: Block[];
}

/** Returns where the last whole line ends. */
async function indexLines(handle: FileHandle, { day, from, blocks }: IndexOptions): Promise<number> {
  let start = from;
  for await (const lines of readLines(handle, { from })) {
    for (const { bytes, end, isTerminated } of lines) {
      if (!isTerminated) break;
      const key = bytes && sortKeyOf(bytes, day);
      if (key !== undefined) addLine(blocks, { start, end, newest: key, oldest: key });
      start = end;
    }
  }
  return start;
}

/**
 * Extends the last block when it is small and ends where this line starts. Lines that are not deliveries are in no
 * block.
 */
function addLine(blocks: Block[], line: Block): void {
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

function sortKeyOf(bytes: Buffer, day: string): SortKey | undefined {
  const [, at, id] = HEAD.exec(bytes.toString('utf8', 0, HEAD_BYTES)) ?? [];
  if (at?.startsWith(day) && id !== undefined) return { at, id };
  // Not written by the store, but edited by hand; or a time that is far from the day.
  const delivery = readDelivery(bytes.toString('utf8'), day);
  return delivery && { at: delivery.at, id: delivery.id };
}
