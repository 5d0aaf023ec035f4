import type { JsonObject } from '../../../model/json.ts';
import type { TaskFilter, TaskPage, TaskQuery } from '../../../model/task-reading.ts';
import type { TaskListing } from '../task-list.ts';

/** How the list of tasks is searched, and what its items are. */
export interface ListSearch {
  list(query: TaskQuery, signal?: AbortSignal): Promise<TaskPage>;
  /** Undefined for a task that is not listed. */
  item(taskId: string): Promise<JsonObject | undefined>;
  /**
   * A test for tasks whose metadata the filter accepts already. Undefined where nothing else is asked for. Throws
   * `ERR_INPUT_INVALID` for `q`.
   */
  match(filter: TaskFilter): ((taskId: string) => Promise<boolean>) | undefined;
}

/** Searches by metadata alone. */
export function searchOf({ list, item }: TaskListing): ListSearch {
  return { list, item, match: () => undefined };
}
