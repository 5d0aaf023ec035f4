import type { TaskFilter } from '../../model/task-reading.ts';
import { taskSearch } from '../query/task-search.ts';
import type { TaskFiles } from '../searched-files.ts';
import { isListed, matchingRow } from './scan-list.ts';

/**
 * A test for single tasks, by their files. Undefined where metadata says all that the filter asks for. Throws
 * `ERR_INPUT_INVALID` for `q`.
 */
export function createTaskMatch(
  files: TaskFiles,
  now: () => number = Date.now,
): (filter: TaskFilter) => ((taskId: string) => Promise<boolean>) | undefined {
  return (filter) => {
    const search = taskSearch(filter, now());
    if (filter.q === undefined && isListed(search)) return undefined;
    const { since = '', until } = search;
    return async (taskId) => {
      const task = await files.read(taskId);
      if (task === undefined || task.at < since) return false;
      if (until !== undefined && (task.at === '' || task.at >= until)) return false;
      return (await matchingRow(files, task, search)) !== undefined;
    };
  };
}
