import { setTimeout as delay } from 'node:timers/promises';

/** Lets queries wait until all that was noted is written. */
export class Settled {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `reached`, at the latest after `withinMs`. */
  async wait(withinMs: number): Promise<void> {
    const end = new AbortController();
    let done = (): void => {};
    const reached = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#waiting.add(done);
    await Promise.race([
      reached,
      delay(withinMs, undefined, { ref: false, signal: end.signal }).catch(() => {}),
    ]);
    end.abort();
    // While the index cannot be written each query comes here.
    this.#waiting.delete(done);
  }

  reached(): void {
    for (const done of this.#waiting) done();
    this.#waiting.clear();
  }
}
