import { lstat, readdir } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { TaskPage, TaskQuery } from '../model/task-reading.ts';
import { readIso } from '../model/time.ts';
import { taskFile } from './layout.ts';
import { isMissing, readTaskDocument, unreadable } from './task-file.ts';

/** Where a task stands in the list. A task whose creation is unknown comes last. */
interface Place {
  readonly createdAt: string;
  readonly taskId: string;
}

interface Summary extends Place {
  readonly status: unknown;
  readonly source: unknown;
  readonly provider: unknown;
  readonly agent: unknown;
}

interface CachedSummary {
  /** What `metadata.json` looked like from outside when it was read. */
  readonly version: string;
  readonly summary: Summary | undefined;
}

/** File operations wait for libuv's four threads; a few more keep those busy without a queue of thousands. */
const CONCURRENCY = 16;

/** About 400 bytes each: 40 MB at the most, for more tasks than thirty days usually leave. */
const SUMMARIES_MAX = 100_000;

/** Lists the tasks of a log directory; only what changed since the last call is read again. */
export function createTaskList(logDir: string): (query: TaskQuery) => Promise<TaskPage> {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  return async (query) => {
    const accepts = createFilter(query);
    const names = await readTaskNames(logDir);
    const summaries = await mapBounded(names, (name) => summarize(logDir, name, cache));
    const found = summaries.filter((summary) => summary !== undefined).filter(accepts);
    found.sort(newestFirst);
    const page = found.slice(0, query.limit);
    const documents = await mapBounded(page, (place) => readListed(logDir, place.taskId));
    const last = page.at(-1);
    return {
      // Gone since it was listed: the page is one shorter.
      items: documents.filter((document) => document !== undefined),
      nextCursor: last !== undefined && found.length > page.length ? encodeCursor(last) : null,
    };
  };
}

async function readTaskNames(logDir: string): Promise<string[]> {
  try {
    const entries = await readdir(logDir, { withFileTypes: true });
    // A link to a directory is no directory here, so nothing outside the log directory is listed.
    return entries
      .filter((entry) => entry.isDirectory() && isPathSafeId(entry.name))
      .map((entry) => entry.name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable('the log directory', error);
  }
}

async function summarize(
  logDir: string,
  taskId: string,
  cache: LRUCache<string, CachedSummary>,
): Promise<Summary | undefined> {
  const version = await readVersion(taskFile(logDir, taskId, 'metadata'));
  if (version === undefined) return undefined;
  const cached = cache.get(taskId);
  if (cached?.version === version) return cached.summary;
  const metadata = await readListed(logDir, taskId);
  const summary = metadata && {
    taskId,
    createdAt: readIso(metadata.created_at) ?? '',
    status: metadata.status,
    source: metadata.source,
    provider: metadata.provider,
    agent: metadata.assigned_agent,
  };
  cache.set(taskId, { version, summary });
  return summary;
}

async function readVersion(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? `${stats.ino}:${stats.mtimeMs}:${stats.size}` : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable('the log directory', error);
  }
}

/** A task whose metadata is damaged or unreadable is not listed; its own address says what is wrong with it. */
async function readListed(logDir: string, taskId: string): Promise<JsonObject | undefined> {
  try {
    const metadata = await readTaskDocument(logDir, taskId, 'metadata');
    // The directory's name is the id under which the task can be asked for.
    return metadata && { ...metadata, task_id: taskId };
  } catch (error) {
    if (error instanceof TasktrailError && !error.retryable) return undefined;
    throw error;
  }
}

function createFilter(query: TaskQuery): (summary: Summary) => boolean {
  const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const since = query.since === undefined ? undefined : readTime('since', query.since);
  const until = query.until === undefined ? undefined : readTime('until', query.until);
  return (summary) =>
    (query.status === undefined || summary.status === query.status) &&
    (query.source === undefined || summary.source === query.source) &&
    (query.provider === undefined || summary.provider === query.provider) &&
    (query.agent === undefined || summary.agent === query.agent) &&
    (since === undefined || summary.createdAt >= since) &&
    (until === undefined || (summary.createdAt !== '' && summary.createdAt < until)) &&
    (after === undefined || newestFirst(after, summary) < 0);
}

function newestFirst(a: Place, b: Place): number {
  if (a.createdAt !== b.createdAt) return a.createdAt > b.createdAt ? -1 : 1;
  if (a.taskId === b.taskId) return 0;
  return a.taskId > b.taskId ? -1 : 1;
}

/** A cursor names the last task shown, not a number of tasks: new tasks neither repeat nor hide others. */
function encodeCursor(place: Place): string {
  return Buffer.from(JSON.stringify({ created_at: place.createdAt, task_id: place.taskId })).toString(
    'base64url',
  );
}

function decodeCursor(cursor: string): Place {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    // A SyntaxError: not ours, as is anything else that does not hold both fields.
    value = undefined;
  }
  if (isJsonObject(value) && typeof value.created_at === 'string' && typeof value.task_id === 'string') {
    return { createdAt: value.created_at, taskId: value.task_id };
  }
  throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: must be the next_cursor of an earlier page');
}

function readTime(name: string, value: string): string {
  const iso = readIso(value);
  if (iso === undefined) throw new TasktrailError('ERR_INPUT_INVALID', `${name}: must be ISO 8601`);
  return iso;
}

/** `work` on each item, in order of the items, a bounded number at a time. */
async function mapBounded<Item, Result>(
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
