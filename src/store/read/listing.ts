import { lstat } from 'node:fs/promises';
import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import { readIso } from '../../model/time.ts';
import { isMissing, unreadable } from '../stored-file.ts';

/** Where something stands in a list, newest first. What has no time (`''`) comes last. */
export interface Place {
  readonly at: string;
  readonly id: string;
}

/** The part of a list that is asked for. */
export interface Window {
  /** ISO 8601; at or after it. */
  readonly since?: string | undefined;
  /** ISO 8601; before it. */
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
}

/** File operations wait for libuv's four threads; a few more keep those busy without a queue of thousands. */
const CONCURRENCY = 16;

/** Whether a place is in the window; throws `ERR_INPUT_INVALID` for a time or cursor that cannot be read. */
export function createWindow({ since, until, cursor }: Window): (place: Place) => boolean {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const from = since === undefined ? undefined : readTime('since', since);
  const to = until === undefined ? undefined : readTime('until', until);
  return (place) =>
    (from === undefined || place.at >= from) &&
    (to === undefined || (place.at !== '' && place.at < to)) &&
    (after === undefined || newestFirst(after, place) < 0);
}

/** The first `limit` of what was found, in order, and where the next page begins. */
export function takePage<Item extends Place>(
  found: readonly Item[],
  limit: number,
): { readonly page: readonly Item[]; readonly nextCursor: string | null } {
  const sorted = [...found].sort(newestFirst);
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  const hasMore = last !== undefined && sorted.length > page.length;
  return { page, nextCursor: hasMore ? encodeCursor(last) : null };
}

/** What a file looks like from outside: the same text, the same content. Undefined for what is no file. */
export async function readVersion(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? `${stats.ino}:${stats.mtimeMs}:${stats.size}` : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable('the log directory', error);
  }
}

/** `work` on each item, in order of the items, a bounded number at a time. */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    // One iterator for all workers: each takes the next item that no other has taken.
    for (const [index, item] of rest) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return results;
}

/** Negative when `a` comes before `b`. */
export function newestFirst(a: Place, b: Place): number {
  if (a.at !== b.at) return a.at > b.at ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}

/** A cursor names the last one shown, not a number of them: new ones neither repeat nor hide others. */
function encodeCursor({ at, id }: Place): string {
  return Buffer.from(JSON.stringify({ at, id })).toString('base64url');
}

function decodeCursor(cursor: string): Place {
  const value = parseObject(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (typeof value?.at === 'string' && typeof value.id === 'string') return { at: value.at, id: value.id };
  throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: must be the next_cursor of an earlier page');
}

function readTime(name: string, value: string): string {
  const iso = readIso(value);
  if (iso === undefined) throw new TasktrailError('ERR_INPUT_INVALID', `${name}: must be ISO 8601`);
  return iso;
}
