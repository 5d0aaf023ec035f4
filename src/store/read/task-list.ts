import { LRUCache } from 'lru-cache';
import { accepts } from '../../model/field-values.ts';
import { isPathSafeId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { taskFile } from '../layout.ts';
import { readTaskDocument } from '../task-file.ts';
import { readEntries } from './folder-entries.ts';
import { createWindow, newestFirst, placeInTime, readVersion, type SortKey, takePage } from './listing.ts';

/** A task, sorted by its creation time. */
interface Summary extends SortKey {
  readonly version: string;
  readonly changedMs: number;
  readonly status: unknown;
  readonly source: unknown;
  readonly provider: unknown;
  readonly agent: unknown;
}

/** A task with its metadata. */
export interface ListedTask {
  readonly id: string;
  /** ISO 8601: its place in the order of creation; empty for none. */
  readonly at: string;
  readonly metadata: JsonObject;
}

/** A task as far as lists and their streams need it. */
export interface TaskState {
  readonly id: string;
  /** Another one after each change of the metadata. */
  readonly version: string;
  /** When the metadata was put in its place, by the clock of the file system: milliseconds since the epoch. */
  readonly changedMs: number;
  readonly status: unknown;
  /** Whether the filters of metadata accept it. */
  matches(filter: MetadataFilter): boolean;
}

/** The filters that metadata answers. */
type MetadataFilter = Pick<TaskQuery, 'status' | 'source' | 'provider' | 'agent' | 'since' | 'until'>;

/** Which tasks are read, and after which one. */
export interface TaskScan extends MetadataFilter {
  readonly after?: SortKey | undefined;
}

/** The tasks of a log directory. Reads only metadata that changed since the last call. */
export interface TaskListing {
  list(query: TaskQuery): Promise<TaskPage>;
  /** Newest first. Metadata is read as it is asked for. */
  scan(query: TaskScan): AsyncGenerator<ListedTask>;
  /** Undefined for a task that is not listed. */
  read(taskId: string): Promise<ListedTask | undefined>;
  names(): Promise<readonly string[]>;
  /** All tasks, in no order. */
  states(): Promise<readonly TaskState[]>;
  /** One task; undefined without readable metadata. */
  state(taskId: string): Promise<TaskState | undefined>;
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

export function createTaskListing(logDir: string): TaskListing {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  const summaries = async (): Promise<readonly Summary[]> => {
    const found = await mapBounded(await readTaskNames(logDir), (name) => summarize(logDir, name, cache));
    return found.filter((summary) => summary !== undefined);
  };
  return {
    list: async (query) => {
      const matching = (await summaries()).filter(createFilter(query));
      const { page, nextCursor } = takePage(matching, query.limit, query.asked);
      const documents = await mapBounded(page, ({ id }) => readListed(logDir, id));
      // A task that was removed in between makes the page shorter.
      return { items: documents.filter((document) => document !== undefined), nextCursor };
    },
    scan: async function* ({ after, ...filter }) {
      const isWanted = createFilter(filter);
      const sources = await readSources(logDir);
      const read = (id: string): Promise<Summary | undefined> => summarize(logDir, id, cache);
      for await (const summary of newestOf(sources, { read, since: filter.since })) {
        if (!isWanted(summary) || (after !== undefined && newestFirst(after, summary) >= 0)) continue;
        const { id, at } = summary;
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
    states: async () => (await summaries()).map(stateOf),
    state: async (taskId) => {
      const summary = await summarize(logDir, taskId, cache);
      return summary && stateOf(summary);
    },
    item: (taskId) => readListed(logDir, taskId),
  };
}

/** A task, and when its metadata was written: it stands at no later time in the list. */
interface Source {
  readonly id: string;
  readonly writtenAt: string;
}

/** Tasks whose metadata is read at once. */
const GROUP = 64;

/** The last written first. */
async function readSources(logDir: string): Promise<readonly Source[]> {
  const found = await mapBounded(await readTaskNames(logDir), async (id) => {
    const version = await unlessUnreadable(readVersion(taskFile(logDir, id, 'metadata')));
    return version && { id, writtenAt: version.modifiedAt };
  });
  return found
    .filter((source) => source !== undefined)
    .sort((a, b) => (a.writtenAt === b.writtenAt ? 0 : a.writtenAt > b.writtenAt ? -1 : 1));
}

/** Newest first. Reads the metadata of those alone that may be among the ones asked for. */
async function* newestOf(
  sources: readonly Source[],
  {
    read,
    since = '',
  }: { readonly since?: string | undefined; read(id: string): Promise<Summary | undefined> },
): AsyncGenerator<Summary> {
  let waiting: Summary[] = [];
  let newest = '';
  for (let next = 0; next < sources.length; ) {
    const group = sources.slice(next, next + GROUP);
    next += group.length;
    for (const summary of await mapBounded(group, ({ id }) => read(id))) {
      if (summary === undefined) continue;
      waiting.push(summary);
      if (summary.at > newest) newest = summary.at;
    }
    const rest = sources[next]?.writtenAt ?? '';
    if (newest <= rest) continue;
    waiting.sort(newestFirst);
    const count = waiting.findIndex(({ at }) => at <= rest);
    const ready = count < 0 ? waiting : waiting.slice(0, count);
    waiting = count < 0 ? [] : waiting.slice(count);
    newest = waiting[0]?.at ?? '';
    yield* ready;
    if (rest < since) break;
  }
  yield* waiting.sort(newestFirst);
}

function stateOf(summary: Summary): TaskState {
  const { id, version, changedMs, status } = summary;
  return { id, version, changedMs, status, matches: (filter) => createFilter(filter)(summary) };
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

function createFilter(
  query: MetadataFilter & Pick<TaskQuery, 'cursor' | 'asked'>,
): (summary: Summary) => boolean {
  const isInWindow = createWindow(query);
  return (summary) =>
    accepts(query.status, summary.status) &&
    accepts(query.source, summary.source) &&
    accepts(query.provider, summary.provider) &&
    accepts(query.agent, summary.agent) &&
    isInWindow(summary);
}
