import type { JsonObject } from '../../model/json.ts';
import type { ListPlace } from '../../model/list-place.ts';
import type { WorkflowSort } from '../../model/workflow.ts';
import type { RecordPart, RecordRef, RecordSource, SearchedRecord } from './searched-record.ts';

/** What is listed beside tasks. */
export const RECORD_KINDS = ['workflow', 'delivery'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

export interface RecordScan {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly sort: WorkflowSort;
  /** Only what comes after this place. */
  readonly after?: ListPlace | undefined;
  readonly limit: number;
  accepts(record: SearchedRecord): Promise<boolean>;
}

export interface RecordScanPage {
  readonly records: readonly SearchedRecord[];
  /** The last place that was looked at; undefined at the end of the list. */
  readonly next: ListPlace | undefined;
}

/** What the search reads of workflows and deliveries. What is damaged or unreadable counts as missing. */
export interface RecordFiles {
  keys(kind: RecordKind): Promise<readonly string[]>;
  /** Undefined when it is gone. */
  source(kind: RecordKind, key: string): Promise<RecordSource | undefined>;
  /** The key of the source with a workflow, or of the deliveries of a day. */
  keyOf(kind: RecordKind, name: string): Promise<string | undefined>;
  /** `from`: the end of what was read before; 0 where records do not stand behind each other. */
  parts(kind: RecordKind, key: string, from: number): AsyncIterable<RecordPart>;
  read(kind: RecordKind, ref: RecordRef): Promise<SearchedRecord | undefined>;
  /** The item of a list. Undefined when the record no longer stands there. */
  item(kind: RecordKind, ref: RecordRef): Promise<JsonObject | undefined>;
  /** A page of the list by the files alone. */
  scan(kind: RecordKind, scan: RecordScan): Promise<RecordScanPage>;
}
