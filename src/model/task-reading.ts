import type { TaskStatus } from './documents.ts';
import type { JsonObject } from './json.ts';

/** The single-object files of a task, named as in the REST paths. */
export type TaskDocument = 'metadata' | 'input' | 'final-result';

/** The line files of a task, named as in the REST paths. */
export type TaskFlow = 'webhook-flow' | 'agent-output';

/** A snapshot of a line file: lines that are appended after the open are not part of it. */
export interface Flow {
  /** Number of lines that `lines()` leaves out: torn, over-long or not a JSON object. */
  readonly skippedLines: number;
  /** The valid lines as JSON text without the newline. Can be read once. */
  lines(): AsyncIterable<string>;
  /** Releases the file, also when `lines()` was not read to its end. May be called twice. */
  close(): Promise<void>;
}

/** The wanted part of a line file. At most one of `after`, `before` and `tail` is given. */
export interface WindowQuery {
  /** Lines behind the one with this `event_id`, or this number: `@12` is the thirteenth line of the file. */
  readonly after?: string | undefined;
  /** The last lines before this one. */
  readonly before?: string | undefined;
  /** The last lines of the file: how many. */
  readonly tail?: number | undefined;
  readonly limit: number;
}

/** A part of a line file, in its order. */
export interface FlowWindow extends Flow {
  /** `after` of the next part; undefined at the end of the file. */
  readonly next: string | undefined;
  /** `before` of the previous part; undefined at the beginning. */
  readonly previous: string | undefined;
}

export interface TaskQuery {
  readonly status?: TaskStatus | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  /** Compared with `assigned_agent`. */
  readonly agent?: string | undefined;
  /** ISO 8601; tasks created at or after it. */
  readonly since?: string | undefined;
  /** ISO 8601; tasks created before it. */
  readonly until?: string | undefined;
  readonly limit: number;
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
}

export interface TaskPage {
  /** `metadata.json` of each task, newest first. */
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}
