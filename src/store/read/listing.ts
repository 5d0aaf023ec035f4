import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import { isoFromMs, readIso } from '../../model/time.ts';
import { lstatStored } from '../stored-file.ts';

/** Position of an item in a list, newest first. An item without a time (`''`) comes last. */
export interface SortKey {
  readonly at: string;
  readonly id: string;
}

/** The requested part of a list. */
export interface Window {
  /** ISO 8601, inclusive. */
  readonly since?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
  /** Only what comes after this place. */
  readonly after?: SortKey | undefined;
  /** The query as it was asked: a cursor belongs to the query that gave it. */
  readonly asked?: string | undefined;
}

/** Returns a test for sort keys. Throws `ERR_INPUT_INVALID` for an invalid time or cursor. */
export function createWindow({
  since,
  until,
  cursor,
  asked,
  after: place,
}: Window): (key: SortKey) => boolean {
  const after = cursor === undefined ? place : decodeCursor(cursor, asked);
  const from = since === undefined ? undefined : readTime('since', since);
  const to = until === undefined ? undefined : readTime('until', until);
  return (key) =>
    (from === undefined || key.at >= from) &&
    (to === undefined || (key.at !== '' && key.at < to)) &&
    (after === undefined || newestFirst(after, key) < 0);
}

/** Sorts the items and cuts the first page; `nextCursor` is null on the last page. */
export function takePage<Item extends SortKey>(
  items: readonly Item[],
  limit: number,
  asked?: string,
): { readonly page: readonly Item[]; readonly nextCursor: string | null } {
  const sorted = [...items].sort(newestFirst);
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  const hasMore = last !== undefined && sorted.length > page.length;
  return { page, nextCursor: hasMore ? encodeCursor(last, asked) : null };
}

/** State of a file. */
interface FileVersion {
  /** Inode, mtime and size: unchanged while the content is. */
  readonly text: string;
  /** ISO 8601: when it was written. */
  readonly modifiedAt: string;
  /** When it was put in its place, or changed. Milliseconds since the epoch. */
  readonly changedMs: number;
}

/** Undefined when the file is missing or not a regular file. */
export async function readVersion(path: string): Promise<FileVersion | undefined> {
  const stats = await lstatStored({ path, what: 'the log directory' });
  if (stats?.isFile() !== true) return undefined;
  const { ino, mtimeMs, size, ctimeMs } = stats;
  const text = `${ino}:${mtimeMs}:${size}`;
  return { text, modifiedAt: isoFromMs(Math.max(mtimeMs, 0)), changedMs: ctimeMs };
}

/**
 * A time in a file, as far as it may decide about the order: senders choose it, and one of the future would stand first
 * for ever. Empty for none.
 */
export function placeInTime(said: unknown, { modifiedAt }: Pick<FileVersion, 'modifiedAt'>): string {
  const at = readIso(said) ?? '';
  return at > modifiedAt ? modifiedAt : at;
}

/** Negative when `a` comes before `b`. */
export function newestFirst(a: SortKey, b: SortKey): number {
  if (a.at !== b.at) return a.at > b.at ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}

/** A cursor names the last returned item and no offset, so new items cause neither repeats nor gaps. */
function encodeCursor({ at, id }: SortKey, asked: string | undefined): string {
  return Buffer.from(JSON.stringify({ at, id, of: keyOf(asked) })).toString('base64url');
}

function decodeCursor(cursor: string, asked: string | undefined): SortKey {
  const value = parseObject(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (typeof value?.at === 'string' && typeof value.id === 'string') {
    if (value.of === keyOf(asked)) return { at: value.at, id: value.id };
    throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: belongs to another query');
  }
  throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: must be the next_cursor of an earlier page');
}

/** Twelve hex digits: enough to tell a mistake. Undefined for a query that is not named. */
function keyOf(asked: string | undefined): string | undefined {
  return asked === undefined ? undefined : sha256(asked).slice(0, 12);
}

function readTime(name: string, value: string): string {
  const iso = readIso(value);
  if (iso === undefined) throw new TasktrailError('ERR_INPUT_INVALID', `${name}: must be ISO 8601`);
  return iso;
}
