/** The values of `TASK_LOGS_JOURNAL_FULL`. */
export const JOURNAL_FULL = ['oldest', 'newest'] as const;

/** Which waiting records are dropped when the journal has reached its bound. */
export type JournalFull = (typeof JOURNAL_FULL)[number];

/** Bound of the journal's directory: of the segments of all processes in it. */
export interface JournalLimit {
  readonly bytesMax: number;
  readonly full: JournalFull;
}
