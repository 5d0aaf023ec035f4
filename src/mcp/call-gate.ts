import { TasktrailError } from '../errors.ts';

/** Calls that read at the same time. A call may hold a window of 16 MiB, and shares the thread with webhooks and REST. */
const RUNNING_MAX = 2;

/** An agent calls some tools at once, and a team has some agents. */
const WAITING_MAX = 30;

/** Bounds the work of all clients together. Throws `ERR_BUSY` when too many wait. */
export class CallGate {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= RUNNING_MAX) await this.#wait();
    else this.#running += 1;
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  /** The place of the call that has ended goes to the call that waits longest. */
  #wait(): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX)
      throw new TasktrailError('ERR_BUSY', `${WAITING_MAX} calls wait already: call again later`, {
        retryable: true,
      });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
