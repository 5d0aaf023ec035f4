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

/** The wanted part of a line file. `after` and `before` may be given together: the lines between them. `tail` stands alone. */
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
  /** Number of its first line in the file, from 0. Undefined where it would take a reading of the whole file. */
  readonly firstLine: number | undefined;
  /** Lines of the whole file, damaged ones included. As `firstLine`. */
  readonly lineCount: number | undefined;
  /** First and last number of each run of lines in it that `lines()` leaves out, copies included. As `firstLine`. */
  readonly leftOut: readonly (readonly [number, number])[] | undefined;
  /** `after` of the next part; undefined at the end of the file. */
  readonly next: string | undefined;
  /** `before` of the previous part; undefined at the beginning. */
  readonly previous: string | undefined;
}

/** Orders of a list of tasks. All begin with the highest value; tasks without one come last. */
export const TASK_SORTS = ['created', 'cost', 'duration', 'tokens'] as const;
export type TaskSort = (typeof TASK_SORTS)[number];

/** Which tasks are listed or counted. */
/** Each text is a list of values, as in `field-values.ts`. */
export interface TaskFilter {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  /** Compared with `assigned_agent`. */
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly command?: string | undefined;
  readonly repo?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly error_type?: string | undefined;
  /** US dollars. */
  readonly cost_min?: number | undefined;
  readonly cost_max?: number | undefined;
  /** Seconds. */
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  /** ISO 8601; tasks created at or after it. */
  readonly since?: string | undefined;
  /** ISO 8601; tasks created before it. */
  readonly until?: string | undefined;
  /** Words, phrases and fields, as people type them. */
  readonly q?: string | undefined;
}

export interface TaskQuery extends TaskFilter {
  /** Default `created`. */
  readonly sort?: TaskSort | undefined;
  readonly limit: number;
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
  /** The query as it was asked, without cursor and limit: a cursor belongs to the query that gave it. */
  readonly asked?: string | undefined;
}

export interface TaskPage {
  /** `metadata.json` of each task, with what a table shows of its other documents. */
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}

export const STATS_GROUPS = [
  'day',
  'agent',
  'model',
  'provider',
  'status',
  'repo',
  'command',
  'workflow',
  'phase',
  'step',
  'tool',
] as const;
export type StatsGroup = (typeof STATS_GROUPS)[number];

export interface StatsQuery extends TaskFilter {
  /** Empty: one row for all. */
  readonly groupBy: readonly StatsGroup[];
}

/** Fields whose values are counted beside a list. */
export const TASK_FACETS = [
  'status',
  'agent',
  'repo',
  'model',
  'command',
  'provider',
  'source',
  'error_type',
] as const;
export type TaskFacet = (typeof TASK_FACETS)[number];

export interface FacetsQuery extends TaskFilter {
  readonly of: readonly TaskFacet[];
}

/** The values of a field, the most frequent first. */
export interface FacetCounts extends JsonObject {
  readonly field: TaskFacet;
  /** Null: tasks without one. */
  readonly values: readonly { readonly value: string | null; readonly count: number }[];
  /** Values that are not in the answer: those that count least. */
  readonly left_out: number;
}

export interface StatsPage {
  readonly rows: readonly JsonObject[];
  /** Groups that are not in the rows: those that count least. */
  readonly leftOut: number;
}
