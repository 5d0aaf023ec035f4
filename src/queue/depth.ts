/** How many jobs are there, by state. */
export interface QueueDepth {
  readonly waiting: number;
  /** Of every worker, wherever it runs. */
  readonly active: number;
  /** Not to be begun before a time that was given. */
  readonly delayed: number;
}
