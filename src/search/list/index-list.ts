import type { ListPlace } from '../../model/list-place.ts';
import type { IndexKeeper } from '../index/index-keeper.ts';
import { readDocuments } from '../index/read-task.ts';
import { unsureTerms } from '../index/task-select.ts';
import type { TaskFiles } from '../searched-files.ts';
import { type ListRequest, LOOK_MS, type PlacePage, pageOf } from './places.ts';
import { hasTerms } from './text-check.ts';

/** Tasks whose files are looked into at the same time, and places that are taken from the index for them. */
const LOOKS = 8;
const TAKEN_MIN = 64;

/** Calls `read` with the index; undefined when there is none at the moment. */
export type UseIndex = IndexKeeper['use'];

/** A page of tasks by the index. Undefined when there is none at the moment: then the files give it. */
export function listByIndex(
  use: UseIndex,
  files: TaskFiles,
  { search, sort, after, limit }: ListRequest,
): Promise<PlacePage | undefined> {
  const terms = unsureTerms(search.terms);
  return pageByIndex<ListPlace>({
    take: (from, count) => use((index) => index.select(search, { sort, after: from, limit: count })),
    ...(terms.length > 0 && {
      isMatch: async ({ id }) => hasTerms(files, id, { documents: await readDocuments(files, id), terms }),
    }),
    ...{ after, limit },
  });
}

export interface IndexPaging<P extends ListPlace> {
  readonly after: ListPlace | undefined;
  readonly limit: number;
  /** Places in order from the index; undefined when there is none at the moment. */
  take(from: ListPlace | undefined, count: number): Promise<readonly P[] | undefined>;
  /** Looks into the files, where the index does not say everything. */
  isMatch?(place: P): Promise<boolean>;
}

export async function pageByIndex<P extends ListPlace>({
  after,
  limit,
  take,
  isMatch,
}: IndexPaging<P>): Promise<PlacePage<P> | undefined> {
  if (isMatch === undefined) {
    const places = await take(after, limit + 1);
    return places && pageOf(places, limit);
  }
  const untilMs = performance.now() + LOOK_MS;
  const found: P[] = [];
  for (let last = after; ; ) {
    const count = Math.max(TAKEN_MIN, limit + 1 - found.length);
    const taken = await take(last, count);
    if (taken === undefined) return undefined;
    for (let at = 0; at < taken.length; at += LOOKS) {
      const group = taken.slice(at, at + LOOKS);
      const matches = await Promise.all(group.map(isMatch));
      found.push(...group.filter((_, index) => matches[index]));
      last = group.at(-1);
      if (found.length > limit) return pageOf(found, limit);
      if (performance.now() >= untilMs && (at + LOOKS < taken.length || taken.length === count))
        return { places: found, next: last };
    }
    if (taken.length < count) return pageOf(found, limit);
  }
}
