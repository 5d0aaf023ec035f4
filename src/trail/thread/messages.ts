import type { BooksState } from '../../books.ts';
import type { ErrorCode } from '../../errors.ts';
import type { CountedPlace, WrittenSegment } from '../../journal/segment-counts.ts';
import type { FacetCounts } from '../../model/task-reading.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import type { RecordPage, RecordRequest } from '../../search/record/record-lists.ts';
import type { FacetsRequest } from '../../search/stats/task-facets.ts';
import type { StatsRequest, StatsRows } from '../../search/stats/task-stats.ts';
import type { DeliveryFacts, TaskEndFacts, WorkflowEndFacts } from '../metrics/end-facts.ts';
import type { OpenTasks } from '../metrics/open-tasks.ts';
import type { AbandonedTask } from './task-ender.ts';

// Everything that passes between the thread that records and the holder's thread. All of it is plain data, copied; what is
// recorded itself passes through the files of the journal.

/** Told to the holder's thread. */
export interface ToHolder {
  /** A segment to which the recording thread appends from now on. */
  segment: WrittenSegment;
  /** With `always`: the bytes of a segment that are synced. */
  readable: { readonly id: string; readonly bytes: number };
  /** Nothing more is appended to the segment with this id. */
  completed: { readonly id: string; readonly size: number; readonly entries: number };
  appended: undefined;
  /** All secrets, instead of those before. */
  secrets: readonly string[];
}

/** Asked of the holder's thread. */
export interface AskedOfHolder {
  /** Of the search index. Undefined: the files have to answer. */
  list: { readonly input: ListRequest; readonly answer: PlacePage | undefined };
  facets: { readonly input: FacetsRequest; readonly answer: readonly FacetCounts[] | undefined };
  stats: { readonly input: StatsRequest; readonly answer: StatsRows | undefined };
  records: { readonly input: RecordRequest; readonly answer: RecordPage | undefined };
  openTasks: { readonly input: undefined; readonly answer: OpenTasks | undefined };
  /** Sends what there is, and then no more. */
  drain: { readonly input: { readonly deadlineMs: number }; readonly answer: undefined };
  /** Closes everything behind the journal. All segments are complete. `recorded`: by the process so far. */
  close: {
    readonly input: { readonly deadlineMs: number; readonly recorded: number };
    readonly answer: undefined;
  };
}

/** Told to the recording thread. */
export interface ToRecorder {
  started: Started;
  /** The start is refused; the thread ends. */
  refused: ThreadRefusal;
  /** With the places up to which the records of segments are in these counts, as far as they have changed. */
  books: BooksState & { readonly places: readonly CountedPlace[] };
  log: string;
  /** A segment that the holder's thread is responsible for, before it is; without a path when it is no more. */
  segment: { readonly id: string; readonly path: string | undefined };
  recovered: undefined;
  taskEnded: TaskEndFacts;
  workflowEnded: WorkflowEndFacts;
  approvalsWait: { readonly workflowId: string; readonly count: number };
  deliveryStored: DeliveryFacts;
}

/** Asked of the recording thread. */
export interface AskedOfRecorder {
  isWatched: { readonly input: string; readonly answer: boolean };
  abandon: { readonly input: AbandonedTask; readonly answer: undefined };
}

export interface Started {
  /** Base URL of the receiver; undefined when the process does not hold the log directory. */
  readonly url: string | undefined;
  /** The key of the log directory; undefined when the process does not hold it. */
  readonly key: string | undefined;
  /** The number of the lease on the log directory; undefined when the process does not hold it. */
  readonly lease: number | undefined;
}

export interface ThreadRefusal {
  /** Undefined for an error without a code of this package. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly retryable: boolean;
}
