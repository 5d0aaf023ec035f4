import type { Books } from '../books.ts';

/** Poll interval in milliseconds: a person who reads a terminal does not notice one second. */
const POLL_MS = 1_000;

/** Milliseconds that a part must be not ready before it is logged: the restart of a server takes a second or two. */
const SETTLE_MS = 3_000;

/** Milliseconds between two lines about one part, for a part that keeps changing. */
const QUIET_MS = 60_000;

/** The queue logs a lost connection to Redis itself. */
const LOGGED_BY_QUEUE = 'queue';

export interface ReasonLinesOptions {
  readonly books: Pick<Books, 'reasons'>;
  log(line: string): void;
  /** Milliseconds. */
  readonly now?: () => number;
}

interface Outage {
  readonly sinceMs: number;
  isLogged: boolean;
}

/** Logs the reasons of `/readyz`: a line when a part has been not ready for some seconds, and one when it recovers. */
export class ReasonLines {
  readonly #options: ReasonLinesOptions;
  readonly #now: () => number;
  readonly #outages = new Map<string, Outage>();
  readonly #loggedAtMs = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ReasonLinesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#timer = setInterval(() => this.poll(), POLL_MS).unref();
  }

  poll(): void {
    const { reasons } = this.#options.books;
    for (const [part, reason] of reasons) if (part !== LOGGED_BY_QUEUE) this.#noteOutage(part, reason);
    for (const [part, { isLogged }] of this.#outages) {
      if (reasons.has(part)) continue;
      this.#outages.delete(part);
      if (isLogged) this.#options.log(`${part}: ready again`);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #noteOutage(part: string, reason: string): void {
    const nowMs = this.#now();
    const outage = this.#outages.get(part) ?? { sinceMs: nowMs, isLogged: false };
    this.#outages.set(part, outage);
    const quietUntilMs = (this.#loggedAtMs.get(part) ?? Number.NEGATIVE_INFINITY) + QUIET_MS;
    if (outage.isLogged || nowMs - outage.sinceMs < SETTLE_MS || nowMs < quietUntilMs) return;
    outage.isLogged = true;
    this.#loggedAtMs.set(part, nowMs);
    this.#options.log(`${part}: ${reason}`);
  }
}
