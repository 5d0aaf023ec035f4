/** Counts changes for readers. */
export interface Watch {
  readonly version: number;
  /** Resolves when the version is another one than this, and when the signal is aborted. */
  changed(seen: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Counts changes, and wakes those who wait for the next one. */
export class ChangeSignal {
  #version = 0;
  #waiting = new Set<() => void>();

  get version(): number {
    return this.#version;
  }

  /** Resolves when the version is another one than this, and when the signal is aborted. */
  changed(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== seen || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  wake(): void {
    this.#version += 1;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const done of waiting) done();
  }
}
