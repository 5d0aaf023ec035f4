export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const FIRST_RANGES = 1_024;

/** A growing list of byte ranges, in eight bytes each: a request may have hundreds of thousands. */
export class Ranges {
  #bounds = new Uint32Array(2 * FIRST_RANGES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(start: number, end: number): void {
    if (2 * this.#length === this.#bounds.length) {
      const larger = new Uint32Array(2 * this.#bounds.length);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[2 * this.#length] = start;
    this.#bounds[2 * this.#length + 1] = end;
    this.#length += 1;
  }

  startOf(index: number): number {
    return this.#bounds[2 * index] ?? 0;
  }

  endOf(index: number): number {
    return this.#bounds[2 * index + 1] ?? 0;
  }
}
