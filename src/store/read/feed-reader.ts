import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import type { FeedPage, FeedQuery } from '../../model/workflow.ts';
import { type Line, NEWLINE, readLines } from '../../system/lines.ts';
import { unreadable } from '../file-errors.ts';
import { DAY_FILE, OWN_NAMES } from '../layout.ts';
import { isOwnFolder, openStored } from '../stored-file.ts';
import { levelsOf } from '../workflow-place.ts';
import { readDayFiles } from './folder-entries.ts';
import type { Watch } from './follow/change-signal.ts';
import { FolderWatch } from './follow/folder-watch.ts';

/** Bytes read for one page: a thousand events of usual size, parsed in some hundredths of a second. */
const SCAN_BYTES_MAX = 4 * 1_048_576;

/** A torn last line is at most a few events long. */
const TAIL_BYTES = 65_536;

/** Position in the feed: the end of the previous page. */
interface FeedPosition {
  /** `''` is before the oldest file: the feed was empty. */
  readonly file: string;
  readonly offset: number;
}

const START: FeedPosition = { file: '', offset: 0 };

/**
 * Reads the feed in the order of storing. The store appends to the newest file only and starts the next file after
 * its last line in that one. So files are listed before any is read, and the reader leaves a file only for a listed
 * one.
 */
export function createFeedReader(workflowDir: string): FeedReader {
  const dir = join(workflowDir, OWN_NAMES.feed);
  const filesNow = async (): Promise<readonly string[]> => {
    const isOwn = await isOwnFolder(dir, 'the feed', levelsOf(workflowDir) + 1);
    return isOwn ? await readDayFiles({ path: dir, what: 'the feed' }) : [];
  };
  return {
    watch: () => new FolderWatch(dir),
    read: async (query) => {
      const after = query.after === undefined ? START : decodeCursor(query.after);
      const files = await filesNow();
      const page = new PageBuilder(query);
      const next = encodeCursor(await fillPage({ dir, files, page }, after));
      return { items: page.items, cursors: page.ends.map(encodeCursor), nextCursor: next };
    },
    end: async () => encodeCursor(await endOf(dir, await filesNow())),
  };
}

export interface FeedReader {
  /** Changes when events may have been added. */
  watch(): Watch;
  read(query: FeedQuery): Promise<PlacedFeedPage>;
  /** The cursor behind the last event. */
  end(): Promise<string>;
}

/** A page with the cursor behind each of its items. */
export interface PlacedFeedPage extends FeedPage {
  readonly cursors: readonly string[];
}

/** Only the newest file is appended to: its last newline is the end. */
async function endOf(dir: string, files: readonly string[]): Promise<FeedPosition> {
  const file = files.at(-1);
  const opened = file && (await openStored({ path: join(dir, file), what: 'the feed' }));
  if (!file || !opened) return START;
  try {
    const piece = Buffer.alloc(Math.min(TAIL_BYTES, opened.size));
    for (let end = opened.size; end > 0; ) {
      const from = Math.max(0, end - piece.length);
      const { bytesRead } = await opened.handle.read(piece, 0, end - from, from);
      const at = piece.subarray(0, bytesRead).lastIndexOf(NEWLINE);
      if (at >= 0) return { file, offset: from + at + 1 };
      end = from;
    }
    return { file, offset: 0 };
  } catch (error) {
    throw unreadable('the feed', error);
  } finally {
    await opened.handle.close();
  }
}

interface FeedScan {
  readonly dir: string;
  /** Oldest first. */
  readonly files: readonly string[];
  readonly page: PageBuilder;
}

/** Fills the page and returns the position after it. */
async function fillPage({ dir, files, page }: FeedScan, after: FeedPosition): Promise<FeedPosition> {
  let position = after;
  let index = 0;
  if (after.file !== '') {
    index = files.indexOf(after.file);
    if (index < 0) throw positionGone();
  }
  for (; index < files.length && !page.isFull; index += 1) {
    const file = files[index] ?? '';
    const next = file === position.file ? position : { file, offset: 0 };
    const handle = (await openStored({ path: join(dir, file), what: 'the feed' }))?.handle;
    if (handle === undefined) {
      // Removed after it was listed: the next file is now the oldest.
      if (after.file === '' && page.isEmpty) continue;
      // The events read so far are returned first; the next call gets the error.
      if (!page.isEmpty) return next;
      throw positionGone();
    }
    try {
      position = { file, offset: await readDay({ handle, file, page }, next.offset) };
    } catch (error) {
      throw error instanceof TasktrailError ? error : unreadable('the feed', error);
    } finally {
      await handle.close();
    }
  }
  return position;
}

interface DayScan {
  readonly handle: FileHandle;
  readonly file: string;
  readonly page: PageBuilder;
}

/** Adds complete lines to the page and returns the offset where it stopped. */
async function readDay({ handle, file, page }: DayScan, from: number): Promise<number> {
  await checkLineStart(handle, from);
  let offset = from;
  for await (const lines of readLines(handle, { from })) {
    for (const line of lines) {
      if (!line.isTerminated) break;
      page.add(line, file);
      offset = line.end;
      if (page.isFull) return offset;
    }
  }
  return offset;
}

/**
 * A valid position follows a newline. Otherwise the file was changed by another program or lost its end in a power
 * cut.
 */
async function checkLineStart(handle: FileHandle, offset: number): Promise<void> {
  if (offset === 0) return;
  const before = Buffer.alloc(1);
  const { bytesRead } = await handle.read(before, 0, 1, offset - 1);
  if (bytesRead === 0 || before[0] !== NEWLINE) throw positionGone();
}

class PageBuilder {
  readonly items: string[] = [];
  /** The position behind each item. */
  readonly ends: FeedPosition[] = [];
  readonly #type: string | undefined;
  readonly #limit: number;
  #lines = 0;
  #bytes = 0;

  constructor({ type, limit }: FeedQuery) {
    this.#type = type;
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#lines === 0;
  }

  /**
   * Also true after `SCAN_BYTES_MAX` bytes. A line is added whole, however long it is: otherwise no call would pass
   * it.
   */
  get isFull(): boolean {
    return this.items.length >= this.#limit || (this.#bytes >= SCAN_BYTES_MAX && this.#lines > 0);
  }

  add({ bytes, start, end }: Line, file: string): void {
    this.#lines += 1;
    this.#bytes += end - start;
    const text = bytes?.toString('utf8') ?? '';
    const event = parseObject(text);
    if (event === undefined || (this.#type !== undefined && event.event_type !== this.#type)) return;
    this.items.push(text);
    this.ends.push({ file, offset: end });
  }
}

function encodeCursor({ file, offset }: FeedPosition): string {
  return Buffer.from(JSON.stringify({ file, offset })).toString('base64url');
}

function decodeCursor(cursor: string): FeedPosition {
  const value = parseObject(Buffer.from(cursor, 'base64url').toString('utf8'));
  const file = value?.file;
  const offset = value?.offset;
  const isPosition =
    typeof file === 'string' &&
    typeof offset === 'number' &&
    Number.isSafeInteger(offset) &&
    (DAY_FILE.test(file) ? offset >= 0 : file === '' && offset === 0);
  if (isPosition) return { file, offset };
  throw new TasktrailError('ERR_INPUT_INVALID', 'after: must be the next_cursor of an earlier page');
}

function positionGone(): TasktrailError {
  return new TasktrailError(
    'ERR_GONE',
    'after: the events after this position are no longer kept; start again without "after"',
  );
}
