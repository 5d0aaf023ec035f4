/** Runs the functions of one key one after the other, and those of different keys concurrently, up to `width`. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #width: number;
  readonly #slotWaiters: (() => void)[] = [];
  #running = 0;

  constructor(width: number = Number.POSITIVE_INFINITY) {
    this.#width = width;
  }

  async run<T>(key: string, fn: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const inTurn = (): Promise<T> => this.#withSlot(fn);
    const turn = before === undefined ? inTurn() : before.then(inTurn, inTurn);
    this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key);
    }
  }

  /** Resolves when everything queued so far has settled. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tails.values());
  }

  async #withSlot<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
    else this.#running += 1;
    try {
      return await fn();
    } finally {
      const next = this.#slotWaiters.shift();
      // The slot is passed on, so that a new caller cannot take it in between.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
