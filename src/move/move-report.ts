import { nameOf, type Unit } from './unit.ts';

/** What a move has done, and what it could not do. */
export class MoveReport {
  /** Lines that were stored, and those that the target had. */
  stored = 0;
  there = 0;
  /** Lines that are the same on both sides. */
  same = 0;
  /** Units that were looked at. */
  readonly units: Record<Unit['kind'], number> = { task: 0, workflow: 0, day: 0 };
  readonly #problems = new Map<string, Set<string>>();

  /** Something of a unit was not moved, or differs. Told once. */
  add(unit: Unit, what: string): void {
    const name = nameOf(unit);
    const known = this.#problems.get(name) ?? new Set();
    this.#problems.set(name, known.add(what));
  }

  get problems(): readonly { readonly unit: string; readonly what: string }[] {
    return [...this.#problems].flatMap(([unit, whats]) => [...whats].map((what) => ({ unit, what })));
  }
}
