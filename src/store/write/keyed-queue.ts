/** Runs what belongs to one key strictly one after the other, and different keys side by side, up to a width. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #width: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number = Number.POSITIVE_INFINITY) {
    this.#width = width;
  }

  async run<T>(key: string, fn: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const inTurn = (): Promise<T> => this.#withRoom(fn);
    const turn = before === undefined ? inTurn() : before.then(inTurn, inTurn);
    this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key);
    }
  }

  /** Resolves when everything that was queued by now has ended, well or not. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tails.values());
  }

  async #withRoom<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await fn();
    } finally {
      const next = this.#waiting.shift();
      // Handed on, so that nobody who comes in between takes the place.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
