import { randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RowKind } from '../logsql.ts';

/** Units of which this process counts the lines. */
const UNITS_MAX = 50_000;

/** Names of runs: six digits to the base 36. Within a unit few are in use at a time. */
const NAMES = 36 ** 6;

/** The number of a line among those that one process has stored of one unit. */
export interface LineNumber {
  readonly run: string;
  readonly seq: string;
}

/** What is followed as one: a task, or the events of all workflows. Marks and deliveries are not followed by their lines. */
const FOLLOWED: Readonly<Partial<Record<RowKind, (unit: string) => string>>> = {
  stage: (unit) => unit,
  output: (unit) => unit,
  fact: (unit) => unit,
  span: (unit) => unit,
  event: () => '',
};

/**
 * Numbers lines, so that a reader can say which ones it has got in a few characters, whatever the order in which they become
 * visible. Within a run a line with a higher number came later.
 */
export class LineRuns {
  readonly #runs = new LRUCache<string, { readonly name: string; next: number }>({ max: UNITS_MAX });

  /** Undefined for a line that is not followed. */
  numberOf({ kind, unit }: { readonly kind: RowKind; readonly unit: string }): LineNumber | undefined {
    const followed = FOLLOWED[kind]?.(unit);
    if (followed === undefined) return undefined;
    let run = this.#runs.get(followed);
    if (run === undefined) {
      run = { name: randomInt(NAMES).toString(36).padStart(6, '0'), next: 0 };
      this.#runs.set(followed, run);
    }
    const seq = String(run.next);
    run.next += 1;
    return { run: run.name, seq };
  }

  /** A request has failed: which of its lines are stored is not known, and no number may be given twice. */
  restart(): void {
    this.#runs.clear();
  }
}
