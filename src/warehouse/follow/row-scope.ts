import { type RowKind, rowsOfKinds, rowsOfUnit } from '../logsql.ts';

/** What is followed as one. */
export interface RowScope {
  readonly kinds: readonly RowKind[];
  /** Undefined: all of these kinds. */
  readonly unit: string | undefined;
}

/** Characters of the conditions of one query: its text is at most 16 KiB long. */
const QUERY_CHARS_MAX = 10_000;

export function rowsOfScope({ kinds, unit }: RowScope): string {
  return unit === undefined ? rowsOfKinds(kinds) : rowsOfUnit(kinds, unit);
}

/** Items in groups of which the sizes together fit into one query. */
export function grouped<Item>(
  items: readonly Item[],
  sizeOf: (item: Item) => number,
): readonly (readonly Item[])[] {
  const groups: Item[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (size + sizeOf(item) > QUERY_CHARS_MAX) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(item);
    size += sizeOf(item);
  }
  return groups;
}

/** As `arrivalOf`. */
export function nanos(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000000Z`;
}
