import { type FileHandle, lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import type { JsonObject } from '../../model/json.ts';
import { LineSplitter, NEWLINE } from '../../system/lines.ts';
import { OWN_NAMES } from '../layout.ts';
import { isMissing, openStored, unreadable } from '../stored-file.ts';
import { type Block, type DayIndex, indexDay, readDelivery } from './delivery-days.ts';
import { createWindow, newestFirst, type Place, takePage } from './listing.ts';

const DAY_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/** Days whose index stays in memory: more than retention usually leaves; one of 100,000 lines takes about 100 KB. */
const INDEXES_MAX = 64;

/** What stands behind the last newline of a file is a line only when somebody has edited it; a longer one is torn. */
const TAIL_BYTES_MAX = 1_048_576;

/** Of all deliveries, so that a block may be compared with it. */
const NEWEST: Place = { at: '\uffff', id: '' };

interface Found extends Place {
  readonly line: JsonObject;
}

/**
 * Lists the deliveries of a log directory. Days are read from the newest backwards, until the page is full; of a day only
 * those blocks are parsed that may hold something of the page. Memory for a page, a block, and the indexes.
 */
export function createDeliveryList(logDir: string): (query: DeliveryQuery) => Promise<DeliveryPage> {
  const dir = join(logDir, OWN_NAMES.webhooks);
  const indexes = new LRUCache<string, DayIndex>({ max: INDEXES_MAX });
  return async (query) => {
    const page = new OpenPage(query);
    for (const day of await listDays(dir)) {
      if (page.isFullBefore({ at: `${day}\uffff`, id: '' })) break;
      if (!page.mayHold({ at: `${day}\uffff`, id: '' }, { at: day, id: '' })) continue;
      await readDay({ path: join(dir, `${day}.jsonl`), day, indexes, page });
    }
    const { page: items, nextCursor } = takePage(page.found, query.limit);
    return { items: items.map(({ line }) => line), nextCursor };
  };
}

interface DayPass {
  readonly path: string;
  readonly day: string;
  readonly indexes: LRUCache<string, DayIndex>;
  readonly page: OpenPage;
}

async function readDay({ path, day, indexes, page }: DayPass): Promise<void> {
  const what = `${OWN_NAMES.webhooks}/${basename(path)}`;
  const handle = (await openStored({ path, what }))?.handle;
  // Removed by retention since it was listed.
  if (handle === undefined) return;
  try {
    const index = await indexDay(handle, day, indexes.get(day));
    indexes.set(day, index);
    await readTail(handle, index.end, { day, page });
    const blocks = [...index.blocks].sort((a, b) => newestFirst(a.newest, b.newest));
    for (const block of blocks) {
      // Sorted by their newest: those behind have nothing newer either.
      if (page.isFullBefore(block.newest)) break;
      if (page.mayHold(block.newest, block.oldest)) await readBlock(handle, block, { day, page });
    }
  } catch (error) {
    throw error instanceof TasktrailError ? error : unreadable(what, error);
  } finally {
    await handle.close();
  }
}

interface Taking {
  readonly day: string;
  readonly page: OpenPage;
}

async function readBlock(handle: FileHandle, { start, end }: Block, { day, page }: Taking): Promise<void> {
  const bytes = await readBytes(handle, start, end - start);
  // From its end, where the newest deliveries usually are, so that the page fills in its order.
  for (const line of new LineSplitter().push(bytes).reverse()) {
    if (line.bytes !== undefined) page.take(line.bytes.toString('utf8'), day);
  }
}

async function readTail(handle: FileHandle, end: number, { day, page }: Taking): Promise<void> {
  const bytes = await readBytes(handle, end, TAIL_BYTES_MAX);
  // A line that was finished since the index was made is the next call's.
  if (bytes.length > 0 && !bytes.includes(NEWLINE)) page.take(bytes.toString('utf8'), day);
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

/** The newest deliveries that the query wants, of those that were shown to it: one more than a page holds. */
class OpenPage {
  /** Newest first. */
  readonly found: Found[] = [];
  readonly #max: number;
  readonly #query: DeliveryQuery;
  readonly #isAfterStart: (place: Place) => boolean;
  readonly #isBeforeEnd: (place: Place) => boolean;

  constructor(query: DeliveryQuery) {
    const { since, until, cursor, limit } = query;
    this.#query = query;
    this.#max = limit + 1;
    this.#isAfterStart = createWindow({ since });
    this.#isBeforeEnd = createWindow({ until, cursor });
  }

  /** Whether nothing at this place or behind it would be on the page. */
  isFullBefore(place: Place): boolean {
    return this.found.length >= this.#max && newestFirst(this.found.at(-1) ?? NEWEST, place) <= 0;
  }

  /** Whether something between these two may be in the window. */
  mayHold(newest: Place, oldest: Place): boolean {
    return this.#isAfterStart(newest) && this.#isBeforeEnd(oldest);
  }

  take(text: string, day: string): void {
    const { provider, outcome } = this.#query;
    // A line that does not hold the word is not parsed: one outcome of a flood is looked for among the others.
    if (!holds(text, provider) || !holds(text, outcome)) return;
    const found = readDelivery(text, day);
    if (found === undefined || this.isFullBefore(found) || !this.mayHold(found, found)) return;
    if (provider !== undefined && found.line.provider !== provider) return;
    if (outcome !== undefined && found.line.outcome !== outcome) return;
    let at = this.found.length;
    while (at > 0 && newestFirst(found, this.found[at - 1] ?? NEWEST) < 0) at -= 1;
    // Two processes have held the directory at the same moment, and each has stored it.
    if (this.found.some(({ id }) => id === found.id)) return;
    this.found.splice(at, 0, found);
    if (this.found.length > this.#max) this.found.pop();
  }
}

function holds(text: string, value: string | undefined): boolean {
  return value === undefined || text.includes(JSON.stringify(value));
}

/** Newest first. */
async function listDays(dir: string): Promise<string[]> {
  try {
    // A link to a folder elsewhere is none of ours.
    if (!(await lstat(dir)).isDirectory()) return [];
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && DAY_FILE.test(entry.name))
      .map(({ name }) => basename(name, '.jsonl'))
      .sort()
      .reverse();
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable(OWN_NAMES.webhooks, error);
  }
}
