import { readdir } from 'node:fs/promises';
import { errnoOf, TasktrailError } from '../errors.ts';
import { checkId, isPathSafeId } from '../model/ids.ts';
import type { LogReader } from '../store/read/reader.ts';

/** Words for the newest task, where no task has one of them for its id. */
const NEWEST = new Set(['-', 'latest']);

/** More than that nobody picks from by eye. */
const CANDIDATES_MAX = 5;

/** Where tasks are looked for. */
export interface TaskShelf {
  readonly logDir: string;
  readonly reader: LogReader;
}

/**
 * The id that is meant by an id, by its beginning (with or without `task-`), or by nothing: the newest. Undefined when
 * there is no such task. Throws `ERR_INPUT_INVALID` when several begin like that, `ERR_ID_INVALID` for what is no id.
 */
export async function pickTask(shelf: TaskShelf, wanted: string | undefined): Promise<string | undefined> {
  const { logDir, reader } = shelf;
  const isNewest = wanted === undefined || NEWEST.has(wanted);
  if (wanted !== undefined && isPathSafeId(wanted) && (await reader.hasTask(wanted))) return wanted;
  if (isNewest) {
    const { items } = await reader.listTasks({ limit: 1 });
    const id = items[0]?.task_id;
    return typeof id === 'string' ? id : undefined;
  }
  const start = checkId('task id', wanted).toLowerCase();
  const found = (await taskNames(logDir)).filter((name) => {
    const lower = name.toLowerCase();
    return lower.startsWith(start) || lower.startsWith(`task-${start}`);
  });
  if (found.length > 1) throw ambiguous(wanted, found);
  return found[0];
}

async function taskNames(logDir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(logDir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && isPathSafeId(entry.name)).map(({ name }) => name);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return [];
    throw new TasktrailError('ERR_STORE_UNAVAILABLE', `${logDir} cannot be read: ${errno}`, { cause: error });
  }
}

function ambiguous(wanted: string, found: readonly string[]): TasktrailError {
  // Ids of ours begin with their time: the newest come first.
  const shown = [...found].sort().reverse().slice(0, CANDIDATES_MAX);
  const more = found.length - shown.length;
  return new TasktrailError(
    'ERR_INPUT_INVALID',
    [
      `${found.length} task ids begin with ${wanted}: give more of the one that you mean`,
      ...shown,
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join('\n'),
  );
}
