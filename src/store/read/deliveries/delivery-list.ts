import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../../model/delivery.ts';
import { accepts, fieldValues } from '../../../model/field-values.ts';
import type { JsonObject } from '../../../model/json.ts';
import { LineSplitter, NEWLINE } from '../../../system/lines.ts';
import { unlessUnreadable, unreadable } from '../../file-errors.ts';
import { OWN_NAMES } from '../../layout.ts';
import { openStored } from '../../stored-file.ts';
import { readDayFiles } from '../folder-entries.ts';
import { createWindow, newestFirst, type SortKey, takePage } from '../listing.ts';
import { type Block, type DayIndex, indexDay } from './delivery-days.ts';
import { readDelivery } from './delivery-line.ts';

/** Cached day indexes: more than retention usually keeps. An index of 100,000 lines takes about 100 KB. */
const INDEXES_MAX = 64;

/** Data after the last newline is a line only when the file was edited by hand. Longer data is a torn line. */
const TAIL_BYTES_MAX = 1_048_576;

/** Sorts before every delivery. */
const NEWEST: SortKey = { at: '\uffff', id: '' };

export interface Delivery extends SortKey {
  readonly line: JsonObject;
  /** The day of its file, and the offset of its line. */
  readonly day: string;
  readonly start: number;
}

/**
 * Lists the deliveries of a log directory. Reads days from the newest backwards until the page is full, and parses
 * only the blocks of a day that may belong to the page. Memory: a page, a block, and the indexes.
 */
export function createDeliveryList(logDir: string): (query: DeliveryQuery) => Promise<DeliveryPage> {
  const scan = createDeliveryScan(logDir);
  return async (query) => {
    const { provider, outcome } = query;
    const { deliveries } = await scan({
      ...query,
      contains: [provider, outcome].flatMap(textIn),
      accepts: async ({ line }) => accepts(provider, line.provider) && accepts(outcome, line.outcome),
    });
    const { page: items, nextCursor } = takePage(deliveries, query.limit, query.asked);
    return { items: items.map(({ line }) => line), nextCursor };
  };
}

/** What stands in each line that a filter accepts, when it names one value. */
function textIn(filter: string | undefined): readonly string[] {
  const values = filter === undefined ? [] : fieldValues(filter);
  return values.length === 1 ? values.map(({ text }) => text) : [];
}

/** Which deliveries are read. */
export interface DeliveryScan extends Pick<DeliveryQuery, 'since' | 'until' | 'cursor' | 'asked' | 'limit'> {
  /** Only what comes after this place. */
  readonly after?: SortKey | undefined;
  /** Texts that stand in each line: others need not be parsed. */
  readonly contains: readonly string[];
  /** By `performance.now()`: what was not looked at by then is on the next page. */
  readonly untilMs?: number | undefined;
  accepts(delivery: Delivery): Promise<boolean>;
}

export interface ScannedDeliveries {
  /** Newest first; one more than the limit where another page follows. */
  readonly deliveries: readonly Delivery[];
  /** The place up to which was read when the time was over. */
  readonly next: SortKey | undefined;
}

export function createDeliveryScan(logDir: string): (scan: DeliveryScan) => Promise<ScannedDeliveries> {
  const dir = join(logDir, OWN_NAMES.webhooks);
  const indexes = new LRUCache<string, DayIndex>({ max: INDEXES_MAX });
  return async (scan) => {
    const page = new PageBuilder(scan);
    const files = await readDayFiles({ path: dir, what: OWN_NAMES.webhooks });
    for (const day of files.map((name) => basename(name, '.jsonl')).reverse()) {
      const newest = { at: `${day}\uffff`, id: '' };
      if (page.isFullBefore(newest) || page.isStoppedAt(newest)) break;
      if (!page.mayInclude(newest, { at: day, id: '' })) continue;
      await unlessUnreadable(readDay({ path: join(dir, `${day}.jsonl`), day, indexes, page }));
    }
    return { deliveries: page.found(), next: page.next };
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
      if (page.isFullBefore(block.newest) || page.isStoppedAt(block.newest)) break;
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
  const lines: { readonly start: number; readonly bytes: Buffer | undefined }[] = [];
  let at = start;
  for (const line of new LineSplitter().push(bytes)) {
    lines.push({ start: at, bytes: line.bytes });
    at = start + line.end;
  }
  // From the end, where the newest deliveries usually are, so that the page fills in its order.
  for (const line of lines.reverse()) {
    if (line.bytes !== undefined) await page.offer(line.bytes.toString('utf8'), { day, start: line.start });
  }
}

async function readTail(handle: FileHandle, end: number, { day, page }: PageTarget): Promise<void> {
  const bytes = await readBytes(handle, end, TAIL_BYTES_MAX);
  // A line that was completed after indexing belongs to the next call.
  if (bytes.length > 0 && !bytes.includes(NEWLINE))
    await page.offer(bytes.toString('utf8'), { day, start: end });
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
  /** Set when the time is over: deliveries behind it may be missing. */
  next: SortKey | undefined;
  readonly #scan: DeliveryScan;
  readonly #isAfterStart: (key: SortKey) => boolean;
  readonly #isBeforeEnd: (key: SortKey) => boolean;

  constructor(scan: DeliveryScan) {
    const { since, until, cursor, limit, asked, after } = scan;
    this.#scan = scan;
    this.#max = limit + 1;
    this.#isAfterStart = createWindow({ since });
    this.#isBeforeEnd = createWindow({ until, cursor, asked, after });
  }

  /** Whether the time is over before the deliveries from `newest` on are read. */
  isStoppedAt({ at, id }: SortKey): boolean {
    const { untilMs = Number.POSITIVE_INFINITY } = this.#scan;
    // Before all ids: the next page begins with `newest` itself.
    if (performance.now() >= untilMs) this.next ??= { at, id: `${id}\u{10ffff}` };
    return this.next !== undefined;
  }

  /** The page, as far as nothing before its end is missing. */
  found(): readonly Delivery[] {
    const { next } = this;
    return next === undefined
      ? this.deliveries
      : this.deliveries.filter((one) => newestFirst(one, next) <= 0);
  }

  /** Whether the page is full with deliveries before `key`. */
  isFullBefore(key: SortKey): boolean {
    return this.deliveries.length >= this.#max && newestFirst(this.deliveries.at(-1) ?? NEWEST, key) <= 0;
  }

  /** Whether the window of the query may include a delivery in this range. */
  mayInclude(newest: SortKey, oldest: SortKey): boolean {
    return this.#isAfterStart(newest) && this.#isBeforeEnd(oldest);
  }

  async offer(text: string, { day, start }: Pick<Delivery, 'day' | 'start'>): Promise<void> {
    // Skips the parsing of lines without the searched words.
    if (!this.#scan.contains.every((value) => text.includes(JSON.stringify(value)))) return;
    const read = readDelivery(text, day);
    const delivery = read && { ...read, day, start };
    if (delivery === undefined || this.isFullBefore(delivery) || !this.mayInclude(delivery, delivery)) return;
    if (!(await this.#scan.accepts(delivery))) return;
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
