/** Place in an ordered list: the value that it is ordered by, and an id. */
export interface ListPlace {
  /** Text for the order of creation, else a number; null, and last, for what has none. */
  readonly value: string | number | null;
  readonly id: string;
}

/** Negative when `a` comes first: the highest value, then the highest id. */
export function comparePlaces(a: ListPlace, b: ListPlace): number {
  if (a.value !== b.value) {
    if (a.value === null) return 1;
    if (b.value === null) return -1;
    return a.value > b.value ? -1 : 1;
  }
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}
