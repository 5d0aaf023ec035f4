/** After an end, spans may still be in transit. A span that was announced and has not arrived by then is given up. */
export const LOST_SPAN_MS = 10_000;

/** Files are put in order after this much quiet. Each further time the wait doubles, so that stragglers cost little. */
const SETTLE_MS = 2_000;
const SETTLE_MAX_MS = 60_000;

/** A task or workflow without records for this long leaves memory. The next record reads it back from its files. */
const IDLE_MS = 600_000;

/** The times of one open task or workflow: when it ended, when it last changed, when its files are to be put in order. */
export class SettlingClock {
  #changedAtMs: number;
  #endedAtMs: number | undefined;
  #delayMs = SETTLE_MS;
  #isSettled = false;
  #wasReordered = false;

  constructor(nowMs: number, isEnded: boolean) {
    this.#changedAtMs = nowMs;
    if (isEnded) this.#endedAtMs = nowMs;
  }

  get isEnded(): boolean {
    return this.#endedAtMs !== undefined;
  }

  /** Whether the files are in order and complete. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Milliseconds since the last change. */
  quietMs(nowMs: number): number {
    return nowMs - this.#changedAtMs;
  }

  /** Whether it has settled, and nothing has come for a while. */
  isComplete(nowMs: number): boolean {
    return this.#isSettled && this.quietMs(nowMs) >= SETTLE_MS;
  }

  /** Whether spans that have not arrived are given up. */
  areSpansLost(nowMs: number): boolean {
    return this.#endedAtMs !== undefined && nowMs - this.#endedAtMs >= LOST_SPAN_MS;
  }

  /** Whether the files are to be put in order now. */
  isDue(nowMs: number): boolean {
    return this.isEnded && !this.#isSettled && this.quietMs(nowMs) >= this.#delayMs;
  }

  /** Whether it may be closed. `isDone`: no work is left. */
  isIdle(nowMs: number, isDone: boolean): boolean {
    // Longer than the delay, which would otherwise be lost between two late records.
    return this.quietMs(nowMs) >= (isDone ? 2 * this.#delayMs : IDLE_MS);
  }

  /** A change was stored. `isEnded` false: another attempt has started. */
  changed(nowMs: number, isEnded: boolean): void {
    this.#changedAtMs = nowMs;
    if (isEnded) this.#endedAtMs ??= nowMs;
    else {
      this.#endedAtMs = undefined;
      this.#isSettled = false;
    }
  }

  settled(): void {
    this.#isSettled = true;
  }

  unsettle(): void {
    this.#isSettled = false;
  }

  /** A file had to be sorted. */
  reordered(): void {
    if (this.#wasReordered) this.#delayMs = Math.min(this.#delayMs * 2, SETTLE_MAX_MS);
    this.#wasReordered = true;
  }
}
