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

/** Bytes read for one page: a thousand events of usual size, parsed in some hundredths of a second. */
const SCAN_BYTES_MAX = 4 * 1_048_576;

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
export function createFeedReader(workflowDir: string): (query: FeedQuery) => Promise<FeedPage> {
  const dir = join(workflowDir, OWN_NAMES.feed);
  return async (query) => {
    const after = query.after === undefined ? START : decodeCursor(query.after);
    const isOwn = await isOwnFolder(dir, 'the feed', levelsOf(workflowDir) + 1);
    const files = isOwn ? await readDayFiles({ path: dir, what: 'the feed' }) : [];
    const page = new PageBuilder(query);
    return { items: page.items, nextCursor: encodeCursor(await fillPage({ dir, files, page }, after)) };
  };
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
      position = { file, offset: await readDay(handle, next.offset, page) };
    } catch (error) {
      throw error instanceof TasktrailError ? error : unreadable('the feed', error);
    } finally {
      await handle.close();
    }
  }
  return position;
}

/** Adds complete lines to the page and returns the offset where it stopped. */
async function readDay(handle: FileHandle, from: number, page: PageBuilder): Promise<number> {
  await checkLineStart(handle, from);
  let offset = from;
  for await (const lines of readLines(handle, { from })) {
    for (const line of lines) {
      if (!line.isTerminated) break;
      page.add(line);
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

  add({ bytes, start, end }: Line): void {
    this.#lines += 1;
    this.#bytes += end - start;
    const text = bytes?.toString('utf8') ?? '';
    const event = parseObject(text);
    if (event !== undefined && (this.#type === undefined || event.event_type === this.#type))
      this.items.push(text);
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
