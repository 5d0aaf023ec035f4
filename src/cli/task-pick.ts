import { readdir } from 'node:fs/promises';
import { errnoOf, TasktrailError } from '../errors.ts';
import { checkId, isPathSafeId } from '../model/ids.ts';
import type { LogReader } from '../store/read/reader.ts';

/** Names of the newest task, unless a task has one of them as its id. */
const NEWEST = new Set(['-', 'latest']);

/** Ids in the message about an ambiguous beginning: as many as a user compares by eye. */
const CANDIDATES_MAX = 5;

/** A log directory, or what a message calls another store, with its reader. */
export interface TaskSource {
  readonly logDir: string;
  readonly reader: Pick<LogReader, 'hasTask' | 'listTasks'>;
  /** Ids of all tasks. Default: the folders of the log directory. */
  readonly names?: (() => Promise<readonly string[]>) | undefined;
}

/**
 * The id of the task that the user names by its id, by the beginning of its id (with or without `task-`), or not at all:
 * the newest. Undefined when there is no such task. Throws `ERR_INPUT_INVALID` when several ids have that beginning,
 * and `ERR_ID_INVALID` for text that cannot be an id.
 */
export async function pickTask(source: TaskSource, wanted: string | undefined): Promise<string | undefined> {
  const { logDir, reader, names = () => taskNames(logDir) } = source;
  const isNewest = wanted === undefined || NEWEST.has(wanted);
  if (wanted !== undefined && isPathSafeId(wanted) && (await reader.hasTask(wanted))) return wanted;
  if (isNewest) {
    const { items } = await reader.listTasks({ limit: 1 });
    const id = items[0]?.task_id;
    return typeof id === 'string' ? id : undefined;
  }
  const start = checkId('task id', wanted).toLowerCase();
  const found = (await names()).filter((name) => {
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
    throw new TasktrailError(
      'ERR_STORE_UNAVAILABLE',
      `the log directory ${logDir} cannot be read: ${errno}. Check its permissions, or use --dir`,
      { cause: error },
    );
  }
}

function ambiguous(wanted: string, found: readonly string[]): TasktrailError {
  // Ids that tasktrail makes begin with their time, so the newest come first.
  const shown = [...found].sort().reverse().slice(0, CANDIDATES_MAX);
  const more = found.length - shown.length;
  return new TasktrailError(
    'ERR_INPUT_INVALID',
    [
      `${found.length} task ids begin with ${wanted}: give more characters of one of them`,
      ...shown,
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join('\n'),
  );
}
