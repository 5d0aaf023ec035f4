/** Why the program as a whole is not in order, by the part that says so: `journal`, `store`, `endpoint`, ... */
export type Reasons = ReadonlyMap<string, string>;

/** A snapshot of the counts, as `/readyz` and the line at shutdown show it. All values are numbers of records. */
export interface BooksSnapshot {
  readonly recorded: number;
  readonly delivered: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly duplicates: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly skippedLines: number;
  readonly unattributed: Readonly<Record<string, number>>;
}

/** A sender may be anybody, so a name that it chooses must not grow the process without a bound. */
const NAMES_MAX = 200;

/**
 * The counts of one process. Every record ends in one of them: delivered, dropped with a reason, or (recorded
 * less both) pending in the journal. Handed in where needed; there is no global.
 */
export class Books {
  #recorded = 0;
  #accepted = 0;
  #duplicates = 0;
  #skippedLines = 0;
  readonly #delivered = new Map<string, number>();
  readonly #dropped = new Map<string, number>();
  readonly #unattributed = new Map<string, number>();
  readonly #reasons = new Map<string, string>();
  readonly #notices = new Map<string, string>();

  /** A record or span that entered this process's journal. */
  countRecorded(count = 1): void {
    this.#recorded += count;
  }

  /** Records that a destination has taken over. */
  countDelivered(destination: string, count: number): void {
    add(this.#delivered, destination, count);
  }

  /** Records that the store has written. */
  countAccepted(count: number): void {
    this.#accepted += count;
  }

  /** Records that the store had already. */
  countDuplicates(count: number): void {
    this.#duplicates += count;
  }

  /** Records that could not be kept; `reason` is one of a few fixed words, never data. */
  countDropped(reason: string, count = 1): void {
    add(this.#dropped, reason, count);
  }

  countSkippedLines(count: number): void {
    this.#skippedLines += count;
  }

  /** A record that names no task, workflow or delivery. True the first time for this service. */
  countUnattributed(service: string): boolean {
    const first = !this.#unattributed.has(service) && this.#unattributed.size < NAMES_MAX;
    add(this.#unattributed, service, 1);
    return first;
  }

  /** Says that a part is broken (or, without a reason, in order again). */
  setReason(part: string, reason: string | undefined): void {
    if (reason === undefined) this.#reasons.delete(part);
    else this.#reasons.set(part, reason);
  }

  /** Something worth knowing that breaks nothing: a destination that takes no logs. */
  setNotice(part: string, notice: string | undefined): void {
    if (notice === undefined) this.#notices.delete(part);
    else this.#notices.set(part, notice);
  }

  /** Empty when everything is in order. */
  get reasons(): Reasons {
    return this.#reasons;
  }

  get notices(): Reasons {
    return this.#notices;
  }

  snapshot(): BooksSnapshot {
    return {
      recorded: this.#recorded,
      delivered: Object.fromEntries(this.#delivered),
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      dropped: Object.fromEntries(this.#dropped),
      skippedLines: this.#skippedLines,
      unattributed: Object.fromEntries(this.#unattributed),
    };
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  const key = counts.has(name) || counts.size < NAMES_MAX ? name : 'other';
  counts.set(key, (counts.get(key) ?? 0) + count);
}
