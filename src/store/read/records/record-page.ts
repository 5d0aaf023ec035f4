import { comparePlaces, type ListPlace } from '../../../model/list-place.ts';
import type { StoredRecord } from '../stored-record.ts';

/** What is listed beside tasks. */
export type RecordKind = 'workflow' | 'delivery';

/** What of a list is looked at. */
export interface RecordScan {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly sort: 'created' | 'duration';
  readonly after?: ListPlace | undefined;
  readonly limit: number;
  accepts(record: StoredRecord): Promise<boolean>;
}

export interface ScannedRecords {
  readonly records: readonly StoredRecord[];
  /** Where the next page begins; undefined at the end of the list. */
  readonly next: ListPlace | undefined;
}

/** Milliseconds for a page. What was not looked at by then is on the next one. */
export const LOOK_MS = 3_000;

export interface RecordPageQuery extends RecordScan {
  /** By `performance.now()`. */
  readonly untilMs: number;
}

/** A page of records in their order, and where the next one begins. */
export async function pageOfRecords(
  listed: readonly StoredRecord[],
  { sort, after, limit, untilMs, accepts }: RecordPageQuery,
): Promise<ScannedRecords> {
  const placeValueOf = (record: StoredRecord): string | number | null =>
    sort === 'created' ? record.at : record.duration;
  const placed = listed
    .map((record) => ({ value: placeValueOf(record), id: record.id, record }))
    .filter((one) => after === undefined || comparePlaces(after, one) < 0)
    .sort(comparePlaces);
  const records: StoredRecord[] = [];
  for (const { value, id, record } of placed) {
    if (!(await accepts(record))) {
      if (performance.now() >= untilMs) return { records, next: { value, id } };
      continue;
    }
    const last = records.at(-1);
    if (records.length === limit)
      return { records, next: last && { value: placeValueOf(last), id: last.id } };
    records.push(record);
  }
  return { records, next: undefined };
}
