import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import type { JsonObject } from '../../model/json.ts';
import { LineSplitter, NEWLINE } from '../../system/lines.ts';
import { unlessUnreadable, unreadable } from '../file-errors.ts';
import { OWN_NAMES } from '../layout.ts';
import { openStored } from '../stored-file.ts';
import { type Block, type DayIndex, indexDay, readDelivery } from './delivery-days.ts';
import { readDayFiles } from './folder-entries.ts';
import { createWindow, newestFirst, type SortKey, takePage } from './listing.ts';

/** Cached day indexes: more than retention usually keeps. An index of 100,000 lines takes about 100 KB. */
const INDEXES_MAX = 64;

/** Data after the last newline is a line only when the file was edited by hand. Longer data is a torn line. */
const TAIL_BYTES_MAX = 1_048_576;

/** Sorts before every delivery. */
const NEWEST: SortKey = { at: '\uffff', id: '' };

interface Delivery extends SortKey {
  readonly line: JsonObject;
}

/**
 * Lists the deliveries of a log directory. Reads days from the newest backwards until the page is full, and parses
 * only the blocks of a day that may belong to the page. Memory: a page, a block, and the indexes.
 */
export function createDeliveryList(logDir: string): (query: DeliveryQuery) => Promise<DeliveryPage> {
  const dir = join(logDir, OWN_NAMES.webhooks);
  const indexes = new LRUCache<string, DayIndex>({ max: INDEXES_MAX });
  return async (query) => {
    const page = new PageBuilder(query);
    const files = await readDayFiles({ path: dir, what: OWN_NAMES.webhooks });
    for (const day of files.map((name) => basename(name, '.jsonl')).reverse()) {
      if (page.isFullBefore({ at: `${day}\uffff`, id: '' })) break;
      if (!page.mayInclude({ at: `${day}\uffff`, id: '' }, { at: day, id: '' })) continue;
      await unlessUnreadable(readDay({ path: join(dir, `${day}.jsonl`), day, indexes, page }));
    }
    const { page: items, nextCursor } = takePage(page.deliveries, query.limit, query.asked);
    return { items: items.map(({ line }) => line), nextCursor };
  };
}

interface DayScan {
  readonly path: string;
  readonly day: string;
  readonly indexes: LRUCache<string, DayIndex>;
  readonly page: PageBuilder;
}

async function readDay({ path, day, indexes, page }: DayScan): Promise<void> {
  const what = `${OWN_NAMES.webhooks}/${basename(path)}`;
  const handle = (await openStored({ path, what }))?.handle;
  // Removed by retention after it was listed.
  if (handle === undefined) return;
  try {
    const index = await indexDay(handle, day, indexes.get(day));
    indexes.set(day, index);
    await readTail(handle, index.end, { day, page });
    const blocks = [...index.blocks].sort((a, b) => newestFirst(a.newest, b.newest));
    for (const block of blocks) {
      // Blocks are sorted by their newest line: the next ones have nothing newer.
      if (page.isFullBefore(block.newest)) break;
      if (page.mayInclude(block.newest, block.oldest)) await readBlock(handle, block, { day, page });
    }
  } catch (error) {
    throw error instanceof TasktrailError ? error : unreadable(what, error);
  } finally {
    await handle.close();
  }
}

interface PageTarget {
  readonly day: string;
  readonly page: PageBuilder;
}

async function readBlock(
  handle: FileHandle,
  { start, end }: Block,
  { day, page }: PageTarget,
): Promise<void> {
  const bytes = await readBytes(handle, start, end - start);
  // From the end, where the newest deliveries usually are, so that the page fills in its order.
  for (const line of new LineSplitter().push(bytes).reverse()) {
    if (line.bytes !== undefined) page.offer(line.bytes.toString('utf8'), day);
  }
}

async function readTail(handle: FileHandle, end: number, { day, page }: PageTarget): Promise<void> {
  const bytes = await readBytes(handle, end, TAIL_BYTES_MAX);
  // A line that was completed after indexing belongs to the next call.
  if (bytes.length > 0 && !bytes.includes(NEWLINE)) page.offer(bytes.toString('utf8'), day);
}

async function readBytes(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - start)));
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/**
 * Collects the newest deliveries that match the query: one more than a page holds, to tell whether another page
 * follows.
 */
class PageBuilder {
  /** Newest first. */
  readonly deliveries: Delivery[] = [];
  readonly #max: number;
  readonly #query: DeliveryQuery;
  readonly #isAfterStart: (key: SortKey) => boolean;
  readonly #isBeforeEnd: (key: SortKey) => boolean;

  constructor(query: DeliveryQuery) {
    const { since, until, cursor, limit, asked } = query;
    this.#query = query;
    this.#max = limit + 1;
    this.#isAfterStart = createWindow({ since });
    this.#isBeforeEnd = createWindow({ until, cursor, asked });
  }

  /** Whether the page is full with deliveries before `key`. */
  isFullBefore(key: SortKey): boolean {
    return this.deliveries.length >= this.#max && newestFirst(this.deliveries.at(-1) ?? NEWEST, key) <= 0;
  }

  /** Whether the window of the query may include a delivery in this range. */
  mayInclude(newest: SortKey, oldest: SortKey): boolean {
    return this.#isAfterStart(newest) && this.#isBeforeEnd(oldest);
  }

  offer(text: string, day: string): void {
    const { provider, outcome } = this.#query;
    // Skips the parsing of lines without the searched word.
    if (!mayContain(text, provider) || !mayContain(text, outcome)) return;
    const delivery = readDelivery(text, day);
    if (delivery === undefined || this.isFullBefore(delivery) || !this.mayInclude(delivery, delivery)) return;
    if (provider !== undefined && delivery.line.provider !== provider) return;
    if (outcome !== undefined && delivery.line.outcome !== outcome) return;
    // Stored twice when two processes held the directory at the same time. A copy without a token may have come first.
    const same = this.deliveries.findIndex(({ id }) => id === delivery.id);
    if (same >= 0 && this.deliveries[same]?.line.sender === undefined) return;
    if (same >= 0) this.deliveries.splice(same, 1);
    let index = this.deliveries.length;
    while (index > 0 && newestFirst(delivery, this.deliveries[index - 1] ?? NEWEST) < 0) index -= 1;
    this.deliveries.splice(index, 0, delivery);
    if (this.deliveries.length > this.#max) this.deliveries.pop();
  }
}

function mayContain(text: string, value: string | undefined): boolean {
  return value === undefined || text.includes(JSON.stringify(value));
}
