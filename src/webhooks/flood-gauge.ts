import { recordFlood } from '../record/flood.ts';

/**
 * Rejected deliveries that are recorded one by one: more than a person causes while setting up a webhook. Each takes about
 * 3 kB until it is stored and 1 kB from then on.
 */
const BURST = 400;

/** One more per 15 seconds: an endless flood leaves less than six megabytes a day. */
const REFILL_MS = 15_000;

const SUMMARY_MS = 60_000;

/** The next recorded delivery also triggers the summary. During a flood, valid ones must not trigger many. */
const SUMMARY_GAP_MS = 10_000;

/**
 * Prevents unauthenticated requests from filling the disk: those beyond a budget (a token bucket) are only counted, and one
 * line a minute has their number by provider and reason.
 */
export class FloodGauge {
  readonly #clock: () => number;
  #tokens = BURST;
  #filledAt: number;
  #summedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #counts = new Map<string, Map<string, number>>();

  /** `clock`: monotonic, in milliseconds. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#filledAt = clock();
  }

  /** Whether another rejected delivery may be recorded. If not, it is counted. */
  admit(provider: string, reason: string): boolean {
    const now = this.#clock();
    const refills = Math.floor((now - this.#filledAt) / REFILL_MS);
    this.#filledAt += refills * REFILL_MS;
    this.#tokens = Math.min(BURST, this.#tokens + refills);
    if (this.#tokens > 0) {
      this.#tokens -= 1;
      return true;
    }
    const reasons = this.#counts.get(provider) ?? new Map<string, number>();
    this.#counts.set(provider, reasons.set(reason, (reasons.get(reason) ?? 0) + 1));
    this.#timer ??= setTimeout(() => this.sum(), SUMMARY_MS).unref();
    return false;
  }

  /** Call after a delivery was recorded: earlier counts are recorded beside it. */
  noteRecorded(): void {
    if (this.#counts.size > 0 && this.#clock() - this.#summedAt >= SUMMARY_GAP_MS) this.sum();
  }

  /** Records the counts. */
  sum(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#counts.size === 0) return;
    this.#summedAt = this.#clock();
    for (const [provider, reasons] of this.#counts) {
      const count = [...reasons.values()].reduce((sum, some) => sum + some, 0);
      recordFlood({ provider, count, reasons: Object.fromEntries(reasons) });
    }
    this.#counts.clear();
  }
}
