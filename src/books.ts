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

/** What a thread of this process tells about itself. Plain data. */
export interface BooksState {
  readonly snapshot: BooksSnapshot;
  readonly reasons: Reasons;
  readonly notices: Reasons;
}

/** Names per map; more are counted as `other`. Senders choose names, so a map without a bound could fill the memory. */
const NAMES_MAX = 200;

/**
 * The counters, reasons and notices of one process. "Delivered" and "dropped" also count records that this process sends
 * for processes that have ended; "recorded" counts its own. A process that sends no journal but its own has, per
 * destination, recorded = delivered + dropped + unsent + pending in the journal. Passed to where it is needed; there is no global instance.
 * A thread has books of its own, whose state the main thread includes in its own.
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
  readonly #onChange: () => void;
  #included: BooksState | undefined;

  /** `onChange` is called after each change; it must return at once. */
  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Records and spans that were appended to this process's journal. */
  countRecorded(count = 1): void {
    this.#recorded += count;
    this.#onChange();
  }

  /** Records that a destination accepted. */
  countDelivered(destination: string, count: number): void {
    add(this.#delivered, destination, count);
    this.#onChange();
  }

  /** Records that were not sent, because the destination does not take their signal, or the settings name another. */
  countUnsent(destination: string, count: number): void {
    add(this.#unsent, destination, count);
    this.#onChange();
  }

  /** Records that the store wrote. */
  countAccepted(count: number): void {
    this.#accepted += count;
    this.#onChange();
  }

  /** Records that the store already had. */
  countDuplicates(count: number): void {
    this.#duplicates += count;
    this.#onChange();
  }

  /** Records that were lost. `reason` is one of a few fixed words, never data: it becomes the label of a metric. */
  countDropped(reason: string, count = 1): void {
    add(this.#dropped, reason, count);
    this.#onChange();
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
    this.#onChange();
  }

  countFailedSyncs(): void {
    this.#failedSyncs += 1;
    this.#onChange();
  }

  /** A record that names no task, workflow or delivery. Returns true for the first one of a service. */
  countUnattributed(service: string): boolean {
    const first = !this.#unattributed.has(service) && this.#unattributed.size < NAMES_MAX;
    add(this.#unattributed, service, 1);
    this.#onChange();
    return first;
  }

  /** Marks a part as not ready; `undefined` marks it as ready again. */
  setReason(part: string, reason: string | undefined): void {
    this.#set(this.#reasons, part, reason);
  }

  /** Reports a condition that does not affect readiness, such as a destination without logs; `undefined` clears it. */
  setNotice(part: string, notice: string | undefined): void {
    this.#set(this.#notices, part, notice);
  }

  /** Why the process is not ready; empty when it is. */
  get reasons(): Reasons {
    return together(this.#reasons, this.#included?.reasons);
  }

  get notices(): Reasons {
    return together(this.#notices, this.#included?.notices);
  }

  snapshot(): BooksSnapshot {
    const other = this.#included?.snapshot;
    const unsent = sums(this.#unsent, other?.unsent);
    const failedSyncs = this.#failedSyncs + (other?.failedSyncs ?? 0);
    return {
      recorded: this.#recorded + (other?.recorded ?? 0),
      delivered: sums(this.#delivered, other?.delivered),
      accepted: this.#accepted + (other?.accepted ?? 0),
      duplicates: this.#duplicates + (other?.duplicates ?? 0),
      dropped: sums(this.#dropped, other?.dropped),
      skippedLines: this.#skippedLines + (other?.skippedLines ?? 0),
      unattributed: sums(this.#unattributed, other?.unattributed),
      ...(Object.keys(unsent).length > 0 && { unsent }),
      ...(failedSyncs > 0 && { failedSyncs }),
    };
  }

  state(): BooksState {
    return { snapshot: this.snapshot(), reasons: this.reasons, notices: this.notices };
  }

  /** Adds the counts, reasons and notices of a thread, instead of those that it gave before. */
  include(state: BooksState): void {
    this.#included = state;
  }

  /** The thread has ended: its counts stay, so that no counter decreases; its reasons and notices go. */
  keepIncluded(): void {
    const state = this.#included;
    if (state === undefined) return;
    const { recorded, accepted, duplicates, skippedLines, failedSyncs = 0 } = state.snapshot;
    const { delivered, dropped, unattributed, unsent } = state.snapshot;
    this.#included = undefined;
    this.#recorded += recorded;
    this.#accepted += accepted;
    this.#duplicates += duplicates;
    this.#skippedLines += skippedLines;
    this.#failedSyncs += failedSyncs;
    addAll(this.#delivered, delivered);
    addAll(this.#dropped, dropped);
    addAll(this.#unattributed, unattributed);
    addAll(this.#unsent, unsent);
  }

  #set(texts: Map<string, string>, part: string, text: string | undefined): void {
    if (texts.get(part) === text) return;
    if (text === undefined) texts.delete(part);
    else texts.set(part, text);
    this.#onChange();
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  const key = counts.has(name) || counts.size < NAMES_MAX ? name : 'other';
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function addAll(counts: Map<string, number>, more: Readonly<Record<string, number>> = {}): void {
  for (const [name, count] of Object.entries(more)) add(counts, name, count);
}

function sums(
  counts: ReadonlyMap<string, number>,
  more: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const all = new Map(counts);
  addAll(all, more);
  return Object.fromEntries(all);
}

/** A part that both have gets both texts. */
function together(own: Reasons, other: Reasons | undefined): Reasons {
  if (other === undefined || other.size === 0) return own;
  const all = new Map(own);
  for (const [part, text] of other) {
    const before = own.get(part);
    all.set(part, before === undefined || before === text ? text : `${before}; ${text}`);
  }
  return all;
}
