import { errnoOf } from '../../errors.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import type { Standing } from './batch/admission.ts';
import type { KeyedQueue } from './keyed-queue.ts';

/** Receives the index of a refused change, the reason, and a fixed word for it that is counted. */
export type OnRefused = (index: number, reason: string, drop: string) => void;

/** An open task or workflow. */
export interface Unit<Change> {
  readonly badLines: number;
  /** Who has opened it, and whether it is over. */
  readonly standing: Standing;
  /** Stores new changes and returns their number. When it throws, the unit must be opened again. */
  apply(changes: readonly Change[], nowMs: number, onRefused?: OnRefused): Promise<number>;
  /** Runs time-dependent work. Returns spans that no other process will send. */
  tick(nowMs: number): Promise<readonly OtlpSpan[]>;
  /** Whether `tick` has work left. */
  readonly isDue: boolean;
  /** Whether `tick` has nothing to do before the next change. Absent: that is not known. */
  readonly isAtRest?: boolean;
  /** Whether the unit may be closed. */
  isIdle(nowMs: number): boolean;
}

export interface OpenUnitsOptions<Change> {
  /** Kind of all units; part of their queue keys. */
  readonly kind: 'task' | 'workflow';
  /** Units kept open. The least recently used one beyond it is closed, and its next record reads it back. */
  readonly max: number;
  readonly queue: KeyedQueue;
  readonly now: () => number;
  open(id: string, nowMs: number): Promise<Unit<Change>>;
  /** Whether it has files, so that opening it makes none. */
  exists(id: string): Promise<boolean>;
  onBadLines(count: number): void;
  /** The files of a unit may have changed. */
  onChanged?(id: string): void;
}

/** Open units, each with one writer at a time. */
export class OpenUnits<Change> {
  readonly #options: OpenUnitsOptions<Change>;
  /** Least recently used first. */
  readonly #units = new Map<string, Unit<Change>>();

  constructor(options: OpenUnitsOptions<Change>) {
    this.#options = options;
  }

  get kind(): 'task' | 'workflow' {
    return this.#options.kind;
  }

  has(id: string): boolean {
    return this.#units.has(id);
  }

  /** Whether it is open or has files. */
  async exists(id: string): Promise<boolean> {
    return this.has(id) || (await this.#options.exists(id));
  }

  /** Runs `fn` while no other function runs for this unit. */
  async alone<T>(id: string, fn: () => Promise<T>): Promise<T> {
    return this.#options.queue.run(`${this.#options.kind} ${id}`, fn);
  }

  /** Stores changes and returns how many were new. Call it inside `alone`. Opens the unit if needed. */
  async apply(id: string, changes: readonly Change[], onRefused?: OnRefused): Promise<number> {
    try {
      return await this.#apply(id, changes, onRefused);
    } catch (error) {
      // The unit's files or their folder were removed while it was open: it is opened again, once.
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
      const fresh = await unit.apply(changes, this.#options.now(), onRefused);
      this.#options.onChanged?.(id);
      return fresh;
    } catch (error) {
      // The state on disk is unknown after an error: the next record reads it again.
      this.#units.delete(id);
      throw error;
    }
  }

  /** What is known of a unit; undefined when there is none. Opens it if needed. Call it inside `alone`. */
  async standingOf(id: string): Promise<Standing | undefined> {
    const unit = this.#units.get(id);
    if (unit !== undefined) return unit.standing;
    return (await this.#options.exists(id)) ? (await this.#open(id)).standing : undefined;
  }

  /** Drops a unit whose files are about to be changed by another component. Call it inside `alone`. */
  forget(id: string): void {
    this.#units.delete(id);
  }

  /** Runs `fn`, which may change or remove the files of a unit. Call it inside `alone`. */
  async released<T>(id: string, fn: () => Promise<T>): Promise<T> {
    this.forget(id);
    try {
      return await fn();
    } finally {
      this.#options.onChanged?.(id);
    }
  }

  /** Ticks every open unit. */
  async tick(handle: {
    isClosed(): boolean;
    onSpan(span: OtlpSpan): void;
    onError(id: string, error: unknown): Promise<unknown>;
  }): Promise<void> {
    const nowMs = this.#options.now();
    for (const [id, unit] of this.#units) {
      // Most of some thousand tasks wait in a queue or for their agents.
      if (unit.isAtRest === true && !unit.isIdle(nowMs)) continue;
      await this.alone(id, async () => {
        if (handle.isClosed() || this.#units.get(id) !== unit) return;
        const { isDue } = unit;
        try {
          for (const span of await unit.tick(this.#options.now())) handle.onSpan(span);
          if (isDue) this.#options.onChanged?.(id);
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
    this.#closeOldest();
    return unit;
  }

  #closeOldest(): void {
    const { max } = this.#options;
    if (this.#units.size <= max) return;
    for (const [id, unit] of this.#units) {
      if (!unit.isDue && this.#units.size > max) this.#units.delete(id);
      if (this.#units.size <= max) return;
    }
  }
}
