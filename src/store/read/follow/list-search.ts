import type { LRUCache } from 'lru-cache';
import type { JsonObject } from '../../../model/json.ts';
import type { TaskFilter, TaskPage, TaskQuery } from '../../../model/task-reading.ts';
import type { TaskListing, TaskState } from '../task-list.ts';

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

/** The changes of all tasks, found once for all readers of the list. */
export interface ListChanges {
  readonly version: number;
  /** Number of the last change. */
  readonly number: number;
  /** All changes up to this time are known, in milliseconds since the epoch. */
  readonly knownMs: number;
  /** Resolves when changes are looked for. */
  enter(): Promise<void>;
  leave(): void;
  changed(seen: number, signal: AbortSignal): Promise<void>;
  /** Ids of the tasks that changed after a change, oldest first; undefined when those changes are no longer known. */
  changesAfter(number: number): readonly string[] | undefined;
  /** Tasks that are new, changed or removed since a time. */
  changedSince(ms: number): readonly string[] | Promise<readonly string[]>;
  /** Whether all that has changed since a time is known. */
  isKnownSince(ms: number): boolean;
  /** Undefined for a task that is not listed. */
  state(id: string): Promise<TaskState | undefined>;
  /** The item of a list as JSON. */
  item(task: TaskState): Promise<string | undefined>;
  /** The answer of `match`, once for all readers with this query. */
  isMatch(query: string, task: TaskState, match: (taskId: string) => Promise<boolean>): Promise<boolean>;
}

/** Searches by metadata alone. */
export function searchOf({ list, item }: TaskListing): ListSearch {
  return { list, item, match: () => undefined };
}

/** The answer for a key, which is made once. A failure is no answer for those who come later. */
export function shared<T extends object | string | boolean | undefined>(
  answers: LRUCache<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const kept = answers.get(key);
  if (kept !== undefined) return kept;
  const answer = make();
  answers.set(key, answer);
  answer.catch(() => answers.delete(key));
  return answer;
}
