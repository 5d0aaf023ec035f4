import type { IndexedTask } from './task-index.ts';

/** Tasks of one transaction, with the characters of their texts. */
const TASKS_MAX = 1_024;
const CHARACTERS_MAX = 16_000_000;

/** What is written to the index in one transaction. */
export class IndexBatch {
  readonly tasks: IndexedTask[] = [];
  readonly removed: string[] = [];
  /** Of all that are read for it, also those that could not be read. */
  readonly ids: string[] = [];
  #characters = 0;

  get isFull(): boolean {
    return this.ids.length >= TASKS_MAX || this.#characters >= CHARACTERS_MAX;
  }

  /** Reads tasks at the same time. `read`: undefined for one that is not listed. */
  async add(group: readonly string[], read: (id: string) => Promise<IndexedTask | undefined>): Promise<void> {
    this.ids.push(...group);
    await Promise.all(
      group.map(async (id) => {
        const task = await read(id);
        if (task === undefined) this.removed.push(id);
        else this.tasks.push(task);
        this.#characters += task?.text?.words.length ?? 0;
      }),
    );
  }
}
