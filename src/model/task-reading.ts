import type { TaskStatus } from './documents.ts';
import type { JsonObject } from './json.ts';

/** A task's single-object files, named as in the paths of the REST API. */
export type TaskDocument = 'metadata' | 'input' | 'final-result';

/** A task's line files, named as in the paths of the REST API. */
export type TaskFlow = 'webhook-flow' | 'agent-output';

/** A line file as it was when it was opened: what is appended later is not part of it. */
export interface Flow {
  /** Lines that are torn, over-long or no JSON object, and that `lines()` leaves out. */
  readonly skippedLines: number;
  /** The good lines, as JSON text without the newline. To be read once. */
  lines(): AsyncIterable<string>;
  /** Releases the file; needed also when `lines()` was never read or not to its end. May be called twice. */
  close(): Promise<void>;
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
  /** What the page before gave as `nextCursor`. */
  readonly cursor?: string | undefined;
}

export interface TaskPage {
  /** `metadata.json` of each task, newest first. */
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}
