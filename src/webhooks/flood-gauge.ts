import { recordFlood } from '../record/flood.ts';

/**
 * Rejected deliveries that are recorded one by one: more than a person setting up a webhook, or a test, makes in one go.
 * Each costs about 3 kB until it is stored and 1 kB from then on.
 */
const BURST = 400;

/** With one in fifteen seconds after that, a flood that never ends leaves less than six megabytes a day. */
const REFILL_MS = 15_000;

const SUMMARY_MS = 60_000;

/** A flood that ends is summed up with the next delivery; while it goes on, good ones are not to make it many lines. */
const SUMMARY_GAP_MS = 10_000;

/**
 * Keeps requests that anybody can send from filling the disk: those beyond a budget (a token bucket) are counted, and one
 * line a minute says how many there were of each provider, and why.
 */
export class FloodGauge {
  readonly #clock: () => number;
  #tokens = BURST;
  #filledAt: number;
  #summedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #counts = new Map<string, Map<string, number>>();

  /** `clock` in milliseconds, never going back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#filledAt = clock();
  }

  /** Whether one more rejected delivery may leave a record; if not, it is counted here. */
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

  /** A delivery was recorded: what was counted before it is said beside it. */
  noteRecorded(): void {
    if (this.#counts.size > 0 && this.#clock() - this.#summedAt >= SUMMARY_GAP_MS) this.sum();
  }

  /** Records what was counted. */
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
