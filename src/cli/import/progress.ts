import type { UnitKind } from '../../move/unit.ts';
import { say } from '../terminal/say.ts';

/** Milliseconds between two lines. */
const EVERY_MS = 5_000;

const NAMES: Readonly<Record<UnitKind, string>> = {
  task: 'tasks',
  workflow: 'workflows',
  day: 'days of deliveries',
};

/** Says now and then on standard error how far it is. */
export class Progress {
  readonly #verb: string;
  readonly #lines: () => number;
  readonly #startedAt = performance.now();
  #saidAt = this.#startedAt;

  constructor(verb: string, lines: () => number) {
    this.#verb = verb;
    this.#lines = lines;
  }

  show(kind: UnitKind, done: number, of: number): void {
    const now = performance.now();
    if (now - this.#saidAt < EVERY_MS) return;
    this.#saidAt = now;
    const perSecond = Math.round((this.#lines() * 1_000) / (now - this.#startedAt));
    say(`${this.#verb} ${done} of ${of} ${NAMES[kind]}, ${this.#lines()} lines, ${perSecond} a second`);
  }
}
