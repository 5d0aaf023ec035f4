import { type FileHandle, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import type { FeedPage, FeedQuery } from '../../model/workflow.ts';
import { type Line, NEWLINE, readLines } from '../../system/lines.ts';
import { OWN_NAMES } from '../layout.ts';
import { isMissing, openStored, unreadable } from '../stored-file.ts';

/** Enough for a page of a thousand usual events, and a few hundredths of a second of work. */
const SCAN_BYTES_MAX = 4 * 1_048_576;

const FEED_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/** What has been given: everything before it. */
interface FeedPlace {
  /** `''` is before the oldest file: there was none when the place was given. */
  readonly file: string;
  readonly offset: number;
}

const BEGINNING: FeedPlace = { file: '', offset: 0 };

/**
 * Reads the feed in the order of storing. The writer appends to the newest file only, and begins the next one after its
 * last line in that: so the files are listed before any is read, and a file is left behind only for one that was listed.
 */
export function createFeedReader(workflowDir: string): (query: FeedQuery) => Promise<FeedPage> {
  const dir = join(workflowDir, OWN_NAMES.feed);
  return async (query) => {
    const after = query.after === undefined ? BEGINNING : decodeCursor(query.after);
    const files = await listFiles(dir);
    const page = new OpenPage(query);
    return { items: page.items, nextCursor: encodeCursor(await readOn({ dir, files, page }, after)) };
  };
}

interface Pass {
  readonly dir: string;
  /** Oldest first. */
  readonly files: readonly string[];
  readonly page: OpenPage;
}

/** Fills the page and returns the place behind it. */
async function readOn({ dir, files, page }: Pass, after: FeedPlace): Promise<FeedPlace> {
  let place = after;
  let index = 0;
  if (after.file !== '') {
    index = files.indexOf(after.file);
    if (index < 0) throw gone();
  }
  for (; index < files.length && !page.isFull; index += 1) {
    const file = files[index] ?? '';
    const next = file === place.file ? place : { file, offset: 0 };
    const handle = (await openStored({ path: join(dir, file), what: 'the feed' }))?.handle;
    if (handle === undefined) {
      // Removed since it was listed: the oldest that is there is the next one by now.
      if (after.file === '' && page.isUntouched) continue;
      // What was read goes out first: the next call is told.
      if (!page.isUntouched) return next;
      throw gone();
    }
    try {
      place = { file, offset: await readFile(handle, next.offset, page) };
    } catch (error) {
      throw error instanceof TasktrailError ? error : unreadable('the feed', error);
    } finally {
      await handle.close();
    }
  }
  return place;
}

/** Gives the page the whole lines from there on, and returns where it stopped. */
async function readFile(handle: FileHandle, from: number, page: OpenPage): Promise<number> {
  await checkLineStart(handle, from);
  let offset = from;
  for await (const lines of readLines(handle, { from })) {
    for (const line of lines) {
      if (!line.isTerminated) break;
      page.take(line);
      offset = line.end;
      if (page.isFull) return offset;
    }
  }
  return offset;
}

/** A place that we gave is behind a newline, unless the file was changed by somebody else or lost its end with a disk. */
async function checkLineStart(handle: FileHandle, offset: number): Promise<void> {
  if (offset === 0) return;
  const before = Buffer.alloc(1);
  const { bytesRead } = await handle.read(before, 0, 1, offset - 1);
  if (bytesRead === 0 || before[0] !== NEWLINE) throw gone();
}

class OpenPage {
  readonly items: string[] = [];
  readonly #type: string | undefined;
  readonly #limit: number;
  #lines = 0;
  #bytes = 0;

  constructor({ type, limit }: FeedQuery) {
    this.#type = type;
    this.#limit = limit;
  }

  get isUntouched(): boolean {
    return this.#lines === 0;
  }

  /** Also when so much was read that it must do; a line goes in whole, however long it is, or no call would pass it. */
  get isFull(): boolean {
    return this.items.length >= this.#limit || (this.#bytes >= SCAN_BYTES_MAX && this.#lines > 0);
  }

  take({ bytes, start, end }: Line): void {
    this.#lines += 1;
    this.#bytes += end - start;
    const text = bytes?.toString('utf8') ?? '';
    const event = parseObject(text);
    if (event !== undefined && (this.#type === undefined || event.event_type === this.#type))
      this.items.push(text);
  }
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    // A link to a folder elsewhere is none of ours.
    if (!(await lstat(dir)).isDirectory()) return [];
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && FEED_FILE.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable('the feed', error);
  }
}

function encodeCursor({ file, offset }: FeedPlace): string {
  return Buffer.from(JSON.stringify({ file, offset })).toString('base64url');
}

function decodeCursor(cursor: string): FeedPlace {
  const value = parseObject(Buffer.from(cursor, 'base64url').toString('utf8'));
  const file = value?.file;
  const offset = value?.offset;
  const isPlace =
    typeof file === 'string' &&
    typeof offset === 'number' &&
    Number.isSafeInteger(offset) &&
    (FEED_FILE.test(file) ? offset >= 0 : file === '' && offset === 0);
  if (isPlace) return { file, offset };
  throw new TasktrailError('ERR_INPUT_INVALID', 'after: must be the next_cursor of an earlier page');
}

function gone(): TasktrailError {
  return new TasktrailError(
    'ERR_GONE',
    'after: the events behind this place are no longer kept; begin anew without "after"',
  );
}
