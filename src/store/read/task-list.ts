import { LRUCache } from 'lru-cache';
import { isPathSafeId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { taskFile } from '../layout.ts';
import { readTaskDocument } from '../task-file.ts';
import { readEntries } from './folder-entries.ts';
import {
  createWindow,
  mapBounded,
  newestFirst,
  placeInTime,
  readVersion,
  type SortKey,
  takePage,
} from './listing.ts';

/** A task, sorted by its creation time. */
interface Summary extends SortKey {
  readonly status: unknown;
  readonly source: unknown;
  readonly provider: unknown;
  readonly agent: unknown;
}

interface CachedSummary {
  /** Version of `metadata.json` when it was read. */
  readonly version: string;
  readonly summary: Summary | undefined;
}

/** About 400 bytes each, so at most 40 MB: for more tasks than thirty days usually leave. */
const SUMMARIES_MAX = 100_000;

/** A task of a list. */
export interface ListedTask {
  readonly id: string;
  /** ISO 8601: its place in the order of creation; empty for none. */
  readonly at: string;
  readonly metadata: JsonObject;
}

/** The filters that metadata answers. */
type MetadataFilter = Pick<TaskQuery, 'status' | 'source' | 'provider' | 'agent' | 'since' | 'until'>;

/** Which tasks are read, and after which one. */
export interface TaskScan extends MetadataFilter {
  readonly after?: SortKey | undefined;
}

/** The tasks of a log directory. Reads only metadata that changed since the last call. */
export interface TaskListing {
  page(query: TaskQuery): Promise<TaskPage>;
  /** Newest first. Metadata is read as it is asked for. */
  scan(query: TaskScan): AsyncGenerator<ListedTask>;
  /** Undefined for a task that is not listed. */
  read(taskId: string): Promise<ListedTask | undefined>;
  names(): Promise<readonly string[]>;
}

/** Lists the tasks of a log directory, as `TaskListing.page`. */
export function createTaskList(logDir: string): (query: TaskQuery) => Promise<TaskPage> {
  return createTaskListing(logDir).page;
}

export function createTaskListing(logDir: string): TaskListing {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  const matching = async (
    filter: MetadataFilter & Pick<TaskQuery, 'cursor' | 'asked'>,
  ): Promise<readonly Summary[]> => {
    const accepts = createFilter(filter);
    const names = await readTaskNames(logDir);
    const summaries = await mapBounded(names, (name) => summarize(logDir, name, cache));
    return summaries.filter((summary) => summary !== undefined).filter(accepts);
  };
  return {
    page: async (query) => {
      const { page, nextCursor } = takePage(await matching(query), query.limit, query.asked);
      const documents = await mapBounded(page, ({ id }) => readListed(logDir, id));
      // A task that was removed in between makes the page shorter.
      return { items: documents.filter((document) => document !== undefined), nextCursor };
    },
    scan: async function* ({ after, ...filter }) {
      const found = (await matching(filter))
        .filter((summary) => after === undefined || newestFirst(after, summary) < 0)
        .sort(newestFirst);
      for (const { id, at } of found) {
        const metadata = await readListed(logDir, id);
        if (metadata !== undefined) yield { id, at, metadata };
      }
    },
    read: async (taskId) => {
      const summary = await summarize(logDir, taskId, cache);
      const metadata = summary && (await readListed(logDir, taskId));
      return metadata && { id: taskId, at: summary.at, metadata };
    },
    names: () => readTaskNames(logDir),
  };
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

function createFilter(
  query: MetadataFilter & Pick<TaskQuery, 'cursor' | 'asked'>,
): (summary: Summary) => boolean {
  const isInWindow = createWindow(query);
  return (summary) =>
    (query.status === undefined || summary.status === query.status) &&
    (query.source === undefined || summary.source === query.source) &&
    (query.provider === undefined || summary.provider === query.provider) &&
    (query.agent === undefined || summary.agent === query.agent) &&
    isInWindow(summary);
}
