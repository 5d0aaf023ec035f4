import type { TaskPage, TaskQuery, TaskSort } from '../../model/task-reading.ts';
import { readDocuments } from '../index/read-task.ts';
import { taskSearch } from '../query/task-search.ts';
import type { TaskFiles } from '../searched-files.ts';
import { listItem } from '../task-row.ts';
import { decodePlace, encodePlace } from './list-cursor.ts';
import type { ListRequest, PlacePage } from './places.ts';
import { listByScan } from './scan-list.ts';
import { createTaskActivity } from './task-activity.ts';

/** Tasks whose documents, which may be long, are in memory at the same time. */
const READS = 16;

/** Asks the index, wherever it is. Undefined when it cannot answer now. */
export type AskIndex<Request, Answer> = (request: Request) => Promise<Answer | undefined>;

export interface TaskListsOptions {
  readonly files: TaskFiles;
  /** Without it the files give each list. */
  readonly askIndex?: AskIndex<ListRequest, PlacePage> | undefined;
  readonly now?: () => number;
  /** Tasks that are read at the same time for a page. Default 16. */
  readonly reads?: number | undefined;
}

/** Lists tasks: by the index when it answers, else by the files. Throws `ERR_INPUT_INVALID` for `q` and for a cursor. */
export function createTaskLists(
  options: TaskListsOptions,
): (query: TaskQuery, signal?: AbortSignal) => Promise<TaskPage> {
  const { files, askIndex, now = Date.now, reads = READS } = options;
  const withActivity = (items: TaskPage['items']): Promise<TaskPage['items']> => {
    const activityOf = createTaskActivity(files, now);
    return inGroups(items, reads, async (item) => ({ ...item, activity: await activityOf(item) }));
  };
  return async (query, signal) => {
    const { sort = 'created', limit, cursor, asked } = query;
    const after = cursor === undefined ? undefined : decodePlace(cursor, sort, asked);
    const request: ListRequest = { search: taskSearch(query, now()), sort, after, limit };
    const { places, next } = (await askIndex?.(request)) ?? (await listByScan(files, request, signal));
    const found = await inGroups(places, reads, ({ id }) => readItem(files, id));
    // A task that was removed in between makes the page shorter.
    const items = found.filter((item) => item !== undefined);
    return { items: await withActivity(items), nextCursor: nextOf(next, sort, asked) };
  };
}

/** The item of a list; undefined for a task that is not listed. */
export async function readItem(files: TaskFiles, id: string): Promise<TaskPage['items'][number] | undefined> {
  const task = await files.read(id);
  return task && listItem(task, await readDocuments(files, id));
}

async function inGroups<Item, Result>(
  items: readonly Item[],
  size: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += size)
    results.push(...(await Promise.all(items.slice(at, at + size).map(work))));
  return results;
}

function nextOf(next: PlacePage['next'], sort: TaskSort, asked: string | undefined): string | null {
  return next === undefined ? null : encodePlace(next, sort, asked);
}
