import type { Signal } from './transport.ts';

/** First pause before a refused signal is tried with real records again; doubles with each refusal. */
const PAUSE_MIN_MS = 60_000;

/** A receiver that gets a pipeline, or a proxy that gets a route, is found within the hour without a restart. */
const PAUSE_MAX_MS = 3_600_000;

/** How records of a refused signal are counted: a 400 refuses the records, other answers refuse the signal. */
export type Counting = 'refused' | 'unsent';

interface Refusal {
  readonly why: string;
  readonly counting: Counting;
  readonly pauseMs: number;
  readonly untilMs: number;
  unsent: number;
}

/**
 * The signals that a destination does not take: its path, method or encoding refuses all of them. Their records are not
 * sent there, and counted, while the other signal goes on.
 */
export class RefusedSignals {
  readonly #refusals = new Map<Signal, Refusal>();
  readonly #nowMs: () => number;

  /** `nowMs` is a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** False too when it is time to try the signal again. */
  has(signal: Signal): boolean {
    const refusal = this.#refusals.get(signal);
    return refusal !== undefined && this.#nowMs() < refusal.untilMs;
  }

  /** `why` is a status in words, as in `status 404`. */
  add(signal: Signal, why: string, counting: Counting): void {
    const before = this.#refusals.get(signal);
    const pauseMs = before === undefined ? PAUSE_MIN_MS : Math.min(before.pauseMs * 2, PAUSE_MAX_MS);
    const untilMs = this.#nowMs() + pauseMs;
    this.#refusals.set(signal, { why, counting, pauseMs, untilMs, unsent: before?.unsent ?? 0 });
  }

  /** The destination has accepted records of the signal. */
  remove(signal: Signal): void {
    this.#refusals.delete(signal);
  }

  count(signal: Signal, records: number): Counting {
    const refusal = this.#refusals.get(signal);
    if (refusal === undefined) return 'unsent';
    refusal.unsent += records;
    return refusal.counting;
  }

  /** For `/readyz`. */
  get notice(): string | undefined {
    if (this.#refusals.size === 0) return undefined;
    return [...this.#refusals]
      .map(
        ([signal, { why, unsent }]) =>
          `takes no ${signal}: they are not sent there (${why}, ${unsent} so far)`,
      )
      .join('; ');
  }
}
