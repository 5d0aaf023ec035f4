/** Texts by the part of the process that they are about: `journal`, `store`, `endpoint`, ... */
export type Reasons = ReadonlyMap<string, string>;

/** The counts that `/readyz` and the summary at shutdown show. All values are numbers of records. */
export interface BooksSnapshot {
  readonly recorded: number;
  readonly delivered: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly duplicates: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly skippedLines: number;
  readonly unattributed: Readonly<Record<string, number>>;
  /** By destination: records of a signal that it does not take. Absent while there are none. */
  readonly unsent?: Readonly<Record<string, number>>;
  /** Files whose fsync has failed; they were written again. Absent while there are none. */
  readonly failedSyncs?: number;
}

/** Names per map; more are counted as `other`. Senders choose names, so a map without a bound could fill the memory. */
const NAMES_MAX = 200;

/**
 * The counters, reasons and notices of one process. "Delivered" and "dropped" also count records that this process sends
 * for processes that have ended; "recorded" counts its own. A process that sends no journal but its own has, per
 * destination, recorded = delivered + dropped + unsent + pending in the journal. Passed to where it is needed; there is no global instance.
 */
export class Books {
  #recorded = 0;
  #accepted = 0;
  #duplicates = 0;
  #skippedLines = 0;
  #failedSyncs = 0;
  readonly #delivered = new Map<string, number>();
  readonly #dropped = new Map<string, number>();
  readonly #unattributed = new Map<string, number>();
  readonly #unsent = new Map<string, number>();
  readonly #refusals = new Map<string, string>();
  readonly #reasons = new Map<string, string>();
  readonly #notices = new Map<string, string>();

  /** Records and spans that were appended to this process's journal. */
  countRecorded(count = 1): void {
    this.#recorded += count;
  }

  /** Records that a destination accepted. */
  countDelivered(destination: string, count: number): void {
    add(this.#delivered, destination, count);
  }

  /** Records that were not sent, because the destination does not take their signal, or the settings name another. */
  countUnsent(destination: string, count: number): void {
    add(this.#unsent, destination, count);
  }

  /** Records that the store wrote. */
  countAccepted(count: number): void {
    this.#accepted += count;
  }

  /** Records that the store already had. */
  countDuplicates(count: number): void {
    this.#duplicates += count;
  }

  /** Records that were lost. `reason` is one of a few fixed words, never data: it becomes the label of a metric. */
  countDropped(reason: string, count = 1): void {
    add(this.#dropped, reason, count);
  }

  /** Why a destination refused records: the last reason of each. */
  noteRefusal(destination: string, reason: string): void {
    this.#refusals.set(destination, reason);
  }

  get refusals(): Reasons {
    return this.#refusals;
  }

  countSkippedLines(count: number): void {
    this.#skippedLines += count;
  }

  countFailedSyncs(): void {
    this.#failedSyncs += 1;
  }

  /** A record that names no task, workflow or delivery. Returns true for the first one of a service. */
  countUnattributed(service: string): boolean {
    const first = !this.#unattributed.has(service) && this.#unattributed.size < NAMES_MAX;
    add(this.#unattributed, service, 1);
    return first;
  }

  /** Marks a part as not ready; `undefined` marks it as ready again. */
  setReason(part: string, reason: string | undefined): void {
    if (reason === undefined) this.#reasons.delete(part);
    else this.#reasons.set(part, reason);
  }

  /** Reports a condition that does not affect readiness, such as a destination without logs; `undefined` clears it. */
  setNotice(part: string, notice: string | undefined): void {
    if (notice === undefined) this.#notices.delete(part);
    else this.#notices.set(part, notice);
  }

  /** Why the process is not ready; empty when it is. */
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
      ...(this.#unsent.size > 0 && { unsent: Object.fromEntries(this.#unsent) }),
      ...(this.#failedSyncs > 0 && { failedSyncs: this.#failedSyncs }),
    };
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  const key = counts.has(name) || counts.size < NAMES_MAX ? name : 'other';
  counts.set(key, (counts.get(key) ?? 0) + count);
}
