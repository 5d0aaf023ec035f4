import type { Books } from '../../books.ts';
import { messageOf } from '../../errors.ts';
import type { Refusals } from './refusals.ts';

/** Concurrency of recovery: keeps a disk busy within a small amount of memory. */
const RECOVERY_WIDTH = 8;

/** Milliseconds for the retries of one call: many units may wait, and senders too. */
const RETRY_MS_MAX = 500;

/** Units that are remembered; the next start finds more. */
const UNFINISHED_MAX = 10_000;

/** Tasks, or workflows. */
export interface RecoverableUnits {
  readonly kind: 'task' | 'workflow';
  /** Opens a unit, which brings its files up to date. False when its files cannot be written while others can. */
  open(id: string): Promise<boolean>;
}

export interface UnitRecoveryOptions {
  readonly books: Books;
  readonly refusals: Refusals;
  isStopped(): boolean;
}

/** Opens what an earlier process left unfinished, and tries again what cannot be opened yet. */
export class UnitRecovery {
  readonly #options: UnitRecoveryOptions;
  /** Retries of tasks and workflows that recovery could not open. */
  readonly #unrecovered = new Map<string, () => Promise<unknown>>();
  /** Units whose files cannot be read or written while others can, with the retry. */
  readonly #setAside = new Map<string, () => Promise<unknown>>();

  /** Units of which a write has failed: their documents may be older than their lines, and their sender may not come again. */
  readonly #unfinished = new Map<string, () => Promise<boolean>>();

  constructor(options: UnitRecoveryOptions) {
    this.#options = options;
  }

  async recoverAll(units: RecoverableUnits, ids: AsyncGenerator<string>): Promise<void> {
    const work = async (): Promise<void> => {
      for await (const id of ids) {
        if (this.#options.isStopped()) return;
        await this.#recover(units, id);
      }
    };
    await Promise.all(Array.from({ length: RECOVERY_WIDTH }, work));
  }

  /** A write has failed: the unit is opened once the disk is well. */
  noteFailed(units: RecoverableUnits, id: string): void {
    const [oldest] = this.#unfinished.keys();
    if (this.#unfinished.size >= UNFINISHED_MAX && oldest !== undefined) this.#unfinished.delete(oldest);
    this.#unfinished.set(`${units.kind} ${id}`, () => units.open(id));
  }

  /** A write has succeeded, which began with opening the unit. */
  noteWritten(what: string): void {
    this.#unfinished.delete(what);
  }

  /** One retry of each kind: while the disk fails, the others would fail too. */
  async retry(): Promise<void> {
    await this.#finish();
    for (const retries of [this.#unrecovered, this.#setAside]) {
      const [retry] = retries.values();
      await retry?.();
    }
  }

  async #finish(): Promise<void> {
    const startedMs = performance.now();
    for (const [what, open] of this.#unfinished) {
      if (this.#options.isStopped() || performance.now() - startedMs > RETRY_MS_MAX) return;
      // Last in the order now: another one is first if this one fails again.
      this.#unfinished.delete(what);
      this.#unfinished.set(what, open);
      // It is in the books.
      const isWritten = await open().catch(() => false);
      if (!isWritten) return;
      this.#unfinished.delete(what);
    }
  }

  async #recover(units: RecoverableUnits, id: string): Promise<void> {
    const { books, refusals } = this.#options;
    const what = `${units.kind} ${id}`;
    const retry = (): Promise<void> => this.#recover(units, id);
    try {
      const isWritten = await units.open(id);
      this.#unrecovered.delete(what);
      // Tried again in turn, so that a unit whose files can be read again is no longer reported.
      this.#setAside.delete(what);
      if (isWritten) refusals.clear(what);
      else this.#setAside.set(what, retry);
      if (this.#unrecovered.size === 0) books.setReason('recovery', undefined);
    } catch (error) {
      this.#unrecovered.set(what, retry);
      books.setReason(
        'recovery',
        `${what} could not be read after the start and is tried again: ${messageOf(error)}`,
      );
    }
  }
}
