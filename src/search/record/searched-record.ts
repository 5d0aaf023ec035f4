import type { RecordTextField } from '../query/searched-fields.ts';

/** Where a record stands. */
export interface RecordRef {
  readonly id: string;
  /** Key of its source. */
  readonly source: string;
  /** Offset in the source. */
  readonly place: number;
}

export interface SearchedRecord extends RecordRef {
  /** ISO 8601: its place in the order of creation; empty for none. */
  readonly at: string;
  /** Whether a sender told it that may not say everything: another record of the same id is preferred. */
  readonly isMarked: boolean;
  readonly values: Readonly<Partial<Record<RecordTextField, readonly string[]>>>;
  /** In seconds. */
  readonly duration: number | null;
  readonly attempt: number;
  /** What words are searched in. */
  texts(): Promise<readonly string[]>;
}

/** A file of records: that of a workflow, or the deliveries of a day. */
export interface RecordSource {
  readonly key: string;
  /** Changes with the file. */
  readonly version: string;
  readonly inode: number;
  readonly size: number;
}

/** Records that stand behind each other, and where the next part begins. */
export interface RecordPart {
  readonly records: readonly SearchedRecord[];
  readonly end: number;
}
