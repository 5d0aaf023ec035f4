/** The values of `TASK_LOGS_FSYNC`. */
export const FSYNC_MODES = ['always', 'interval', 'never'] as const;

/**
 * When the journal and the line files are synced. `always`: after each write, many writes at a time. `interval`: before each
 * answer that promises something, and every 200 ms. `never`: when the operating system does it.
 */
export type FsyncMode = (typeof FSYNC_MODES)[number];

export const DEFAULT_FSYNC: FsyncMode = 'interval';
