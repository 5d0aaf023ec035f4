export interface WorkerTimes {
  /** A lost worker holds its job for that long. A running one renews after a quarter of it. */
  readonly lockMs: number;
  /** Interval between two checks for jobs of lost workers. */
  readonly stalledMs: number;
  /** After a connect: time in which other workers can lock again what they run. */
  readonly settleMs: number;
}

/**
 * Another worker takes the job of a lost one after the lock has expired (15 s) and one or two checks have seen it (5 s
 * each): after 25 s at most, and the holder abandons a task after 45 s of silence. A worker that lives loses its lock when
 * its event loop is blocked for 11 s.
 */
export const WORKER_TIMES: WorkerTimes = { lockMs: 15_000, stalledMs: 5_000, settleMs: 5_000 };
