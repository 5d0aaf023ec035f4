import { LRUCache } from 'lru-cache';
import { isPathSafeId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { taskFile } from '../layout.ts';
import { readTaskDocument } from '../task-file.ts';
import { readEntries } from './folder-entries.ts';
import { createWindow, mapBounded, placeInTime, readVersion, type SortKey, takePage } from './listing.ts';

/** A task, sorted by its creation time. */
interface Summary extends SortKey {
  readonly version: string;
  readonly changedMs: number;
  readonly status: unknown;
  readonly source: unknown;
  readonly provider: unknown;
  readonly agent: unknown;
}

/** A task of the directory, as far as lists need it. */
export interface ListedTask {
  readonly id: string;
  /** Another one after each change of the metadata. */
  readonly version: string;
  /** When the metadata was put in its place, by the clock of the file system: milliseconds since the epoch. */
  readonly changedMs: number;
  readonly status: unknown;
  /** Whether the filters of a query accept it. */
  matches(query: Omit<TaskQuery, 'limit'>): boolean;
}

/** The tasks of a log directory. Reads only metadata that changed since the last call. */
export interface TaskIndex {
  list(query: TaskQuery): Promise<TaskPage>;
  /** All tasks, in no order. */
  scan(): Promise<readonly ListedTask[]>;
  /** One task; undefined without readable metadata. */
  look(taskId: string): Promise<ListedTask | undefined>;
  /** The item of a list. */
  item(taskId: string): Promise<JsonObject | undefined>;
}

interface CachedSummary {
  /** Version of `metadata.json` when it was read. */
  readonly version: string;
  readonly summary: Summary | undefined;
}

/** About 400 bytes each, so at most 40 MB: for more tasks than thirty days usually leave. */
const SUMMARIES_MAX = 100_000;

/** Lists the tasks of a log directory. */
export function createTaskIndex(logDir: string): TaskIndex {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  const read = async (): Promise<readonly Summary[]> => {
    const found = await mapBounded(await readTaskNames(logDir), (name) => summarize(logDir, name, cache));
    return found.filter((summary) => summary !== undefined);
  };
  return {
    list: async (query) => {
      const accepts = createFilter(query);
      const { page, nextCursor } = takePage((await read()).filter(accepts), query.limit);
      const documents = await mapBounded(page, ({ id }) => readListed(logDir, id));
      // A task that was removed in between makes the page shorter.
      return { items: documents.filter((document) => document !== undefined), nextCursor };
    },
    scan: async () => (await read()).map(listedTask),
    look: async (taskId) => {
      const summary = await summarize(logDir, taskId, cache);
      return summary && listedTask(summary);
    },
    item: (taskId) => readListed(logDir, taskId),
  };
}

function listedTask(summary: Summary): ListedTask {
  const { id, version, changedMs, status } = summary;
  return { id, version, changedMs, status, matches: (query) => createFilter(query)(summary) };
}

async function readTaskNames(logDir: string): Promise<string[]> {
  const entries = await readEntries({ path: logDir, what: 'the log directory' });
  // `isDirectory` is false for a symbolic link, so no directory outside the log directory is listed.
  return entries
    .filter((entry) => entry.isDirectory() && isPathSafeId(entry.name))
    .map((entry) => entry.name);
}

async function summarize(
  logDir: string,
  taskId: string,
  cache: LRUCache<string, CachedSummary>,
): Promise<Summary | undefined> {
  const version = await unlessUnreadable(readVersion(taskFile(logDir, taskId, 'metadata')));
  if (version === undefined) return undefined;
  const cached = cache.get(taskId);
  if (cached?.version === version.text) return cached.summary;
  const metadata = await readListed(logDir, taskId);
  const summary = metadata && {
    id: taskId,
    at: placeInTime(metadata.created_at, version),
    version: version.text,
    changedMs: version.changedMs,
    status: metadata.status,
    source: metadata.source,
    provider: metadata.provider,
    agent: metadata.assigned_agent,
  };
  cache.set(taskId, { version: version.text, summary });
  return summary;
}

/** A task with damaged or unreadable metadata is not listed; reading it by its id gives the error. */
async function readListed(logDir: string, taskId: string): Promise<JsonObject | undefined> {
  const metadata = await unlessUnreadable(readTaskDocument(logDir, taskId, 'metadata'));
  // The directory's name is the id for requests.
  return metadata && { ...metadata, task_id: taskId };
}

function createFilter(query: Omit<TaskQuery, 'limit'>): (summary: Summary) => boolean {
  const isInWindow = createWindow(query);
  return (summary) =>
    (query.status === undefined || summary.status === query.status) &&
    (query.source === undefined || summary.source === query.source) &&
    (query.provider === undefined || summary.provider === query.provider) &&
    (query.agent === undefined || summary.agent === query.agent) &&
    isInWindow(summary);
}
