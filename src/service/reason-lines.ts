import type { Books } from '../books.ts';

/** How often is looked: a person who reads a terminal notices no second. */
const LOOK_MS = 1_000;

/** What goes away and comes back within so long nobody needs to hear of: a restart takes a second or two. */
const SETTLE_MS = 3_000;

/** Of a part that comes and goes one line a minute says enough. */
const QUIET_MS = 60_000;

export interface ReasonLinesOptions {
  readonly books: Pick<Books, 'reasons'>;
  log(line: string): void;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** Says itself when its Redis is away. */
const REPORTED_BY_QUEUE = 'queue';

interface Seen {
  readonly sinceMs: number;
  isSaid: boolean;
}

/** Says in the log what `/readyz` says: a part that is broken for some seconds, and that it is in order again. */
export class ReasonLines {
  readonly #options: ReasonLinesOptions;
  readonly #now: () => number;
  readonly #seen = new Map<string, Seen>();
  readonly #saidAtMs = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ReasonLinesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  look(): void {
    const { reasons } = this.#options.books;
    for (const [part, reason] of reasons) if (part !== REPORTED_BY_QUEUE) this.#noteBroken(part, reason);
    for (const [part, { isSaid }] of this.#seen) {
      if (reasons.has(part)) continue;
      this.#seen.delete(part);
      if (isSaid) this.#options.log(`${part}: in order again`);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #noteBroken(part: string, reason: string): void {
    const nowMs = this.#now();
    const seen = this.#seen.get(part) ?? { sinceMs: nowMs, isSaid: false };
    this.#seen.set(part, seen);
    const quietUntilMs = (this.#saidAtMs.get(part) ?? Number.NEGATIVE_INFINITY) + QUIET_MS;
    if (seen.isSaid || nowMs - seen.sinceMs < SETTLE_MS || nowMs < quietUntilMs) return;
    seen.isSaid = true;
    this.#saidAtMs.set(part, nowMs);
    this.#options.log(`${part}: ${reason}`);
  }
}
