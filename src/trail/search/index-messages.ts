import type { FacetCounts } from '../../model/task-reading.ts';
import type { IndexState } from '../../search/index/index-state.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import type { RecordPage, RecordRequest } from '../../search/record/record-lists.ts';
import type { FacetsRequest } from '../../search/stats/task-facets.ts';
import type { StatsRequest, StatsRows } from '../../search/stats/task-stats.ts';
import type { DirectoryLock } from '../../store/lock.ts';

// What passes between the holder's thread and the thread of the index. All of it is plain data, copied.

/** The lock of the log directory, as far as it proves that it is still held. */
export type OwnLease = Pick<DirectoryLock, 'key' | 'lease' | 'token'>;

/** With what the thread of the index starts. */
export interface IndexStart {
  /** Where the index is kept: beside the tasks, or in a directory of its own for those of a VictoriaLogs. */
  readonly logDir: string;
  readonly workflowDir: string;
  /** Undefined: the tasks are files. */
  readonly storeUrl: string | undefined;
  readonly fileMode: string;
  /** Undefined where the directory is not held. */
  readonly lease: OwnLease | undefined;
}

/** Told to the thread of the index. */
export interface ToIndex {
  /** Tasks that were written or removed. */
  changed: readonly string[];
  /** Workflows that were written or removed. */
  workflows: readonly string[];
  /** Days of which deliveries were written. */
  deliveries: readonly string[];
}

/** Asked of it. Undefined: it cannot answer now. */
export interface AskedOfIndex {
  list: { readonly input: ListRequest; readonly answer: PlacePage | undefined };
  facets: { readonly input: FacetsRequest; readonly answer: readonly FacetCounts[] | undefined };
  stats: { readonly input: StatsRequest; readonly answer: StatsRows | undefined };
  records: { readonly input: RecordRequest; readonly answer: RecordPage | undefined };
  close: { readonly input: undefined; readonly answer: undefined };
}

/** Told to the holder's thread. */
export interface FromIndex {
  state: IndexState;
  /** There is no SQLite: the files answer. The thread ends. */
  none: undefined;
}
