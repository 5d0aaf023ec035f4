/** The number of jobs by state. */
export interface QueueDepth {
  readonly waiting: number;
  /** In all workers, of every process. */
  readonly active: number;
  /** Waiting for a start time. */
  readonly delayed: number;
}
