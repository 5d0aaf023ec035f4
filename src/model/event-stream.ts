import type { TaskQuery } from './task-reading.ts';

/** One event of a stream. */
export interface StreamEvent {
  /** Its name: `line`, `end`, ... */
  readonly event: string;
  /** JSON on one line. */
  readonly data: string;
  /** Where a reader goes on that has got this event. Undefined: the last one stays. */
  readonly id: string | undefined;
}

/** What is there, then what comes. Readers at the same place get the same list, so that what is made from it is made once. */
export interface EventStream {
  /** False when there is nothing after the given id and nothing will come. */
  start(): Promise<boolean>;
  /** Waits for the next events. Undefined when no more will come, or after an abort. */
  next(signal: AbortSignal): Promise<readonly StreamEvent[] | undefined>;
  /** Also during a `next`. Safe to call twice. */
  close(): Promise<void>;
}

/** The events that a stream of the list or of several tasks has. */
export interface TasksToFollow {
  readonly taskIds: readonly string[];
  /** The list's changes too, of tasks that match. */
  readonly list: ListToFollow | undefined;
}

/** Filters as those of the list; `limit`: items that are sent first, the newest ones. */
export type ListToFollow = Omit<TaskQuery, 'cursor'>;
