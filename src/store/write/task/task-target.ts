import type { LineWriter } from '../lines/line-writer.ts';
import type { Liveness } from '../liveness.ts';
import type { NameGuard } from '../name-guard.ts';
import type { StoreObserver } from '../observer.ts';

/** What all open tasks of a store share. */
export interface OpenTaskOptions {
  readonly logDir: string;
  readonly liveness: Liveness;
  readonly observer?: StoreObserver | undefined;
  /** Default: the file system tells all ids apart. */
  readonly names?: NameGuard | undefined;
  readonly writer?: LineWriter | undefined;
}

export interface TaskTarget {
  readonly id: string;
  readonly nowMs: number;
}
