import type { StoredRecord } from '../stored-record.ts';

/** Place of a record in an ordered list. */
export interface ListPlace {
  readonly value: string | number | null;
  readonly id: string;
}

export interface RecordPageQuery {
  readonly sort: 'created' | 'duration';
  readonly after?: ListPlace | undefined;
  readonly limit: number;
  /** By `performance.now()`: what was not looked at by then is on the next page. */
  readonly untilMs: number;
  accepts(record: StoredRecord): Promise<boolean>;
}

/** A page of records in their order, and where the next one begins. */
export async function pageOfRecords(
  listed: readonly StoredRecord[],
  { sort, after, limit, untilMs, accepts }: RecordPageQuery,
): Promise<{ readonly records: readonly StoredRecord[]; readonly next: ListPlace | undefined }> {
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

/** Negative when `a` comes first: the highest value, then the highest id. */
function comparePlaces(a: ListPlace, b: ListPlace): number {
  if (a.value !== b.value) {
    if (a.value === null) return 1;
    if (b.value === null) return -1;
    return a.value > b.value ? -1 : 1;
  }
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}
