import type { ServerResponse } from 'node:http';
import { ProblemError } from './problem.ts';

export interface WorkLimits {
  /** Works at the same time. */
  readonly runningMax: number;
  /** Works that wait for their turn. Further ones are refused. */
  readonly waitingMax: number;
}

/** Bounds the heavy work of all clients together. */
export class WorkGate {
  readonly #limits: WorkLimits;
  readonly #name: string;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  /** `name`: what the works are called in messages, as `calls`. */
  constructor(name: string, limits: WorkLimits) {
    this.#name = name;
    this.#limits = limits;
  }

  /** Throws `ERR_BUSY` when too many wait, and the reason of the signal when it is aborted before the work begins. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#running < this.#limits.runningMax) this.#running += 1;
    else await this.#wait(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** As `run`, for the client of an answer. Undefined when it has gone: the work that is no longer wanted is not begun, or its signal ends it. */
  async runFor<T>(
    res: ServerResponse,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    res.once('close', leave);
    if (res.destroyed) leave();
    try {
      return { value: await this.run(gone.signal, () => work(gone.signal)) };
    } catch (error) {
      if (gone.signal.aborted) return undefined;
      throw error;
    } finally {
      res.off('close', leave);
    }
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#running -= 1;
    else next();
  }

  /** The place of the work that has ended goes to the work that waits longest. */
  #wait(signal: AbortSignal): Promise<void> {
    const { waitingMax } = this.#limits;
    if (this.#waiting.size >= waitingMax)
      throw new ProblemError('ERR_BUSY', `${waitingMax} ${this.#name} wait already: ask again later`, {
        retryable: true,
        problem: { title: `Too many ${this.#name}` },
      });
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(begin);
        signal.removeEventListener('abort', give);
      };
      const begin = (): void => {
        settle();
        resolve();
      };
      const give = (): void => {
        settle();
        reject(signal.reason);
      };
      this.#waiting.add(begin);
      signal.addEventListener('abort', give, { once: true });
    });
  }
}
