import type { ListPlace } from '../../model/list-place.ts';
import type { TaskSort } from '../../model/task-reading.ts';
import type { TaskSearch } from '../query/task-search.ts';

/** Which part of an ordered list is asked for. Plain data: it passes between threads. */
export interface ListRequest {
  readonly search: TaskSearch;
  readonly sort: TaskSort;
  readonly after: ListPlace | undefined;
  readonly limit: number;
}

/** A page of places, and where the next one begins; undefined at the end. */
export interface PlacePage<P extends ListPlace = ListPlace> {
  readonly places: readonly P[];
  readonly next: ListPlace | undefined;
}

/** Milliseconds for looks into files for one page. What was not looked at by then is on the next page. */
export const LOOK_MS = 3_000;

/** Takes one place more than the page has, which shows whether another page follows. */
export function pageOf<P extends ListPlace>(places: readonly P[], limit: number): PlacePage<P> {
  const page = places.slice(0, limit);
  return { places: page, next: places.length > limit ? page.at(-1) : undefined };
}
