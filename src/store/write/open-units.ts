import { errnoOf } from '../../errors.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import type { KeyedQueue } from './keyed-queue.ts';

/** Hears which of the given changes is not taken, by its index, and why. */
export type OnRefused = (index: number, reason: string) => void;

/** A task or a workflow while somebody writes to it. */
export interface Unit<Change> {
  readonly badLines: number;
  /** Stores what is new and returns how many changes were. When it throws, the unit must be opened anew. */
  apply(changes: readonly Change[], nowMs: number, onRefused?: OnRefused): Promise<number>;
  /** What time brings. Returns spans that nobody else will send. */
  tick(nowMs: number): Promise<readonly OtlpSpan[]>;
  /** Whether time has yet to bring something. */
  readonly isDue: boolean;
  /** Whether it may leave memory. */
  isIdle(nowMs: number): boolean;
}

export interface OpenUnitsOptions<Change> {
  /** Units of one kind share the queue with those of others. */
  readonly kind: 'task' | 'workflow';
  /** Those beyond it leave memory, the one that was silent longest first, and are read back when they speak again. */
  readonly max: number;
  readonly queue: KeyedQueue;
  readonly now: () => number;
  open(id: string, nowMs: number): Promise<Unit<Change>>;
  onBadLines(count: number): void;
}

/** Units that are open, each with one writer at a time. */
export class OpenUnits<Change> {
  readonly #options: OpenUnitsOptions<Change>;
  /** In the order of who spoke last. */
  readonly #units = new Map<string, Unit<Change>>();

  constructor(options: OpenUnitsOptions<Change>) {
    this.#options = options;
  }

  get kind(): 'task' | 'workflow' {
    return this.#options.kind;
  }

  /** Runs alone among everything that concerns this unit. */
  async alone<T>(id: string, fn: () => Promise<T>): Promise<T> {
    return this.#options.queue.run(`${this.#options.kind} ${id}`, fn);
  }

  /** Stores changes and returns how many were new; to be called inside `alone`. Opens the unit when it is not. */
  async apply(id: string, changes: readonly Change[], onRefused?: OnRefused): Promise<number> {
    try {
      return await this.#apply(id, changes, onRefused);
    } catch (error) {
      // Somebody removed the files of a unit that was open, or the folder in which it was to be: it begins anew.
      if (errnoOf(error) === 'ENOENT') return this.#apply(id, changes, onRefused);
      throw error;
    }
  }

  async #apply(id: string, changes: readonly Change[], onRefused?: OnRefused): Promise<number> {
    const known = this.#units.get(id);
    try {
      const unit = known ?? (await this.#open(id));
      this.#units.delete(id);
      this.#units.set(id, unit);
      return await unit.apply(changes, this.#options.now(), onRefused);
    } catch (error) {
      // What is on the disk now is unknown: the next record reads it again.
      this.#units.delete(id);
      throw error;
    }
  }

  /** Its files are to be changed by others: it is read back when it speaks again. Inside `alone`. */
  forget(id: string): void {
    this.#units.delete(id);
  }

  /** What time brings to all of them. */
  async tick(handle: {
    isClosed(): boolean;
    onSpan(span: OtlpSpan): void;
    onError(id: string, error: unknown): Promise<unknown>;
  }): Promise<void> {
    for (const [id, unit] of this.#units) {
      await this.alone(id, async () => {
        if (handle.isClosed() || this.#units.get(id) !== unit) return;
        try {
          for (const span of await unit.tick(this.#options.now())) handle.onSpan(span);
          if (unit.isIdle(this.#options.now())) this.#units.delete(id);
        } catch (error) {
          this.#units.delete(id);
          await handle.onError(id, error).catch(() => undefined);
        }
      });
    }
  }

  async #open(id: string): Promise<Unit<Change>> {
    const { open, now, onBadLines } = this.#options;
    const unit = await open(id, now());
    onBadLines(unit.badLines);
    this.#units.set(id, unit);
    this.#makeRoom();
    return unit;
  }

  #makeRoom(): void {
    const { max } = this.#options;
    if (this.#units.size <= max) return;
    for (const [id, unit] of this.#units) {
      if (!unit.isDue && this.#units.size > max) this.#units.delete(id);
      if (this.#units.size <= max) return;
    }
  }
}
