import type { MarkedPlace } from '../marked-place.ts';

/** A place in the order of creation. */
interface CreatedPlace {
  readonly id: string;
  /** ISO 8601; empty for none. */
  readonly at: string;
}

/** Tasks in the order of creation. A new one is as a rule the last, and moves none. */
export class PlaceOrder {
  /** The oldest first. */
  readonly #places: MarkedPlace[];

  constructor(places: MarkedPlace[] = []) {
    this.#places = places.sort((a, b) => a.ms - b.ms || compareText(a.id, b.id));
  }

  /** Puts a task where it belongs after `change`. `isIn`: whether it is there already. */
  move(place: MarkedPlace, isIn: boolean, change: () => void): void {
    const { ms } = place;
    const old = isIn ? this.#countBefore(place) : undefined;
    change();
    if (isIn && place.ms === ms) return;
    if (old !== undefined) this.#places.splice(old, 1);
    this.#places.splice(this.#countBefore(place), 0, place);
  }

  /** Those before a place and a time, the newest first. */
  before(place: CreatedPlace | undefined, until: string | undefined, count: number): readonly CreatedPlace[] {
    let end = place === undefined ? this.#places.length : this.#countBefore(place);
    // Those without a time are in no part of it.
    if (until !== undefined) end = Math.min(end, this.#countBefore({ at: until, id: '' }));
    const found = this.#places.slice(Math.max(0, end - count), end).reverse();
    const places = found.map(({ id, at }) => ({ id, at }));
    return until === undefined ? places : places.filter(({ at }) => at !== '');
  }

  #countBefore({ at, id }: CreatedPlace): number {
    let [low, high] = [0, this.#places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const own = this.#places[middle];
      if (own !== undefined && (compareText(own.at, at) || compareText(own.id, id)) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
