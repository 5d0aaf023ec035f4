/** Changes that are kept. One who has missed more gets all that changed since a time. */
export const CHANGES_MAX = 5_000;

/** The last changes of tasks, numbered from 1. */
export class ChangeLog {
  readonly #changes: { readonly number: number; readonly id: string }[] = [];
  #number = 0;

  /** Number of the last change. */
  get number(): number {
    return this.#number;
  }

  /** Returns the number of the change. */
  add(id: string): number {
    this.#number += 1;
    this.#changes.push({ number: this.#number, id });
    if (this.#changes.length > 2 * CHANGES_MAX) this.#changes.splice(0, CHANGES_MAX);
    return this.#number;
  }

  /** Ids of the tasks that changed after a change, oldest first; undefined when those changes are no longer known. */
  after(number: number): readonly string[] | undefined {
    const first = this.#changes[0]?.number ?? this.#number + 1;
    if (number < first - 1) return undefined;
    const ids = this.#changes.filter((change) => change.number > number).map(({ id }) => id);
    return [...new Set(ids)];
  }

  /** The changes so far are no longer known. Numbers go on. */
  forget(): void {
    this.#changes.length = 0;
  }
}
