/** Behind any text: a scan that goes on there ends. A small integer, which keeps the index of the scan one. */
export const BEHIND: number = 2 ** 30 - 1;

/** Where in a text hints of secrets stand, also of such that turned out to be none. */
export interface HintPlaces {
  /** Where the first begins; `BEHIND` without one. */
  first: number;
  /** Where the last begins; -1 without one. */
  last: number;
}
