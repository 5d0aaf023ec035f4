/** Drop reason of spans over a task's limit. */
export const TOO_MANY_SPANS = 'foreign spans over the limit';

/**
 * Limit of foreign spans in a task. An agent's own tracing may send hundreds for each model request. This many make a
 * long session and about 20 MB; trace viewers cannot open more, and the file is read back whole.
 */
export const FOREIGN_SPANS_MAX = 20_000;

/** Field of the metadata with the number of spans over the limit. */
export const DROPPED_SPANS = 'dropped_spans';
