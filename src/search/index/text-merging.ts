import type { TaskIndex } from './task-index.ts';

/** Writes after which the full text is put together: so many tasks, and this share of all. */
const TASKS_MIN = 1_000;
const SHARE_MIN = 0.25;

/** After many writes each word stands in many places of the full text. Puts them together, step by step. */
export class TextMerging {
  #written = 0;
  #isRunning = false;

  count(tasks: number): void {
    this.#written += tasks;
  }

  /** Of an index that is opened again. */
  stop(): void {
    this.#isRunning = false;
  }

  /** `total`: tasks of the index, about. */
  isDue(total: number): boolean {
    return this.#isRunning || this.#written >= Math.max(TASKS_MIN, SHARE_MIN * total);
  }

  /** Whether another step follows. */
  step(index: TaskIndex, total: number): boolean {
    if (!this.isDue(total)) return false;
    if (!this.#isRunning) this.#written = 0;
    this.#isRunning = index.merge(!this.#isRunning);
    return this.#isRunning;
  }
}
