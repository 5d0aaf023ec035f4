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
  /** How often the holder's thread was started again. Absent while it was not. */
  readonly threadRestarts?: number;
  /** By destination: records that earlier processes left for it, and that this one sends. Absent while there are none. */
  readonly claimed?: Readonly<Record<string, number>>;
  /** By destination: records that another process has taken over. Absent while there are none. */
  readonly left?: Readonly<Record<string, number>>;
  /** By destination and reason: records that it does not get. Absent while there are none. */
  readonly lost?: Readonly<Record<string, Counts>>;
  /** By destination: recorded + claimed - delivered - unsent - lost - left. Absent without destinations. */
  readonly pending?: Readonly<Record<string, number>>;
  /** What the store was given: accepted + duplicates + rejected + passed. Absent while there is nothing. */
  readonly received?: number;
  /** By reason: what the store did not take. Absent while there is nothing. */
  readonly rejected?: Counts;
  /** By kind: what is not for files, such as heartbeats. Absent while there is nothing. */
  readonly passed?: Counts;
  /** By receiver of notifications. Absent without receivers. */
  readonly notifications?: Readonly<Record<string, NotificationCounts>>;
}

type Counts = Readonly<Record<string, number>>;

/** Of all processes in the log directory so far: due = delivered + pending + dropped. */
export interface NotificationCounts {
  readonly due: number;
  readonly delivered: number;
  readonly pending: number;
  /** By reason. */
  readonly dropped: Counts;
}

/** What became of the records of a batch at a destination. */
export interface Tally {
  delivered: number;
  unsent: number;
  readonly dropped: Map<string, number>;
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
 * The counters, reasons and notices of one process. For each destination, recorded + claimed = delivered + unsent + lost +
 * left + pending; for the store, received = accepted + duplicates + rejected + passed. Passed to where it is needed; there
 * is no global instance. A thread has books of its own, whose state the main thread includes in its own.
 */
export class Books {
  #recorded = 0;
  #accepted = 0;
  #duplicates = 0;
  #skippedLines = 0;
  #failedSyncs = 0;
  #threadRestarts = 0;
  readonly #delivered = new Map<string, number>();
  readonly #dropped = new Map<string, number>();
  readonly #unattributed = new Map<string, number>();
  readonly #unsent = new Map<string, number>();
  readonly #claimed = new Map<string, number>();
  readonly #left = new Map<string, number>();
  readonly #lost = new Map<string, Map<string, number>>();
  readonly #rejected = new Map<string, number>();
  readonly #passed = new Map<string, number>();
  #received = 0;
  #destinations: readonly string[] = [];
  readonly #refusals = new Map<string, string>();
  readonly #reasons = new Map<string, string>();
  readonly #notices = new Map<string, string>();
  readonly #notifications = new Map<string, NotificationCounts>();
  readonly #onChange: () => void;
  #included: BooksState | undefined;

  /** `onChange` is called after each change; it must return at once. */
  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /** The destinations of every record of this process: the snapshot has what is pending for each. */
  setDestinations(destinations: readonly string[]): void {
    this.#destinations = destinations;
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

  /** Records that earlier processes left for a destination. */
  countClaimed(destination: string, count: number): void {
    add(this.#claimed, destination, count);
    this.#onChange();
  }

  /** Records whose segment another process has taken over. */
  countLeft(destination: string, count: number): void {
    add(this.#left, destination, count);
    this.#onChange();
  }

  /** Records that a destination does not get. `reason` as in `countDropped`, which it includes. */
  countLost(destination: string, reason: string, count: number): void {
    this.#addLost(destination, reason, count);
    this.countDropped(reason, count);
  }

  /** Records that no destination gets. */
  countUnwritten(destinations: readonly string[], reason: string, count: number): void {
    for (const destination of destinations) this.#addLost(destination, reason, count);
    this.countDropped(reason, count);
  }

  /** The outcome of a batch, at once: no snapshot has a part of it. */
  countTally(destination: string, { delivered, unsent, dropped }: Tally): void {
    if (delivered > 0) this.countDelivered(destination, delivered);
    if (unsent > 0) this.countUnsent(destination, unsent);
    for (const [reason, count] of dropped) this.countLost(destination, reason, count);
  }

  #addLost(destination: string, reason: string, count: number): void {
    const reasons = this.#lost.get(destination) ?? new Map<string, number>();
    this.#lost.set(destination, reasons);
    add(reasons, reason, count);
  }

  /** What the store was given, and what of it was already there or written: the rest is in `countRejected`. */
  countReceived(received: number, fresh = 0, duplicates = 0): void {
    this.#received += received;
    this.#accepted += fresh;
    this.#duplicates += duplicates;
    this.#onChange();
  }

  /** What the store did not take. `reason` as in `countDropped`. */
  countRejected(reason: string, count: number): void {
    add(this.#rejected, reason, count);
    this.#onChange();
  }

  /** What the store takes and keeps in no file. */
  countPassed(kind: string, count: number): void {
    this.#received += count;
    add(this.#passed, kind, count);
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

  /** Instead of those before. */
  setNotifications(receiver: string, counts: NotificationCounts | undefined): void {
    if (counts === undefined) this.#notifications.delete(receiver);
    else this.#notifications.set(receiver, counts);
    this.#onChange();
  }

  countSkippedLines(count: number): void {
    this.#skippedLines += count;
    this.#onChange();
  }

  countFailedSyncs(): void {
    this.#failedSyncs += 1;
    this.#onChange();
  }

  countThreadRestart(): void {
    this.#threadRestarts += 1;
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
      ...(this.#threadRestarts > 0 && { threadRestarts: this.#threadRestarts }),
      ...this.#balance(),
    };
  }

  #balance(): Partial<BooksSnapshot> {
    const other = this.#included?.snapshot;
    const claimed = sums(this.#claimed, other?.claimed);
    const left = sums(this.#left, other?.left);
    const received = this.#received + (other?.received ?? 0);
    const rejected = sums(this.#rejected, other?.rejected);
    const passed = sums(this.#passed, other?.passed);
    const lost: Record<string, Counts> = {};
    for (const name of new Set([...this.#lost.keys(), ...Object.keys(other?.lost ?? {})]))
      lost[name] = sums(this.#lost.get(name) ?? new Map(), other?.lost?.[name]);
    const recorded = this.#recorded + (other?.recorded ?? 0);
    const delivered = sums(this.#delivered, other?.delivered);
    const unsent = sums(this.#unsent, other?.unsent);
    const pending = this.#destinations.map((name): [string, number] => {
      const settled = [delivered[name], unsent[name], left[name], ...Object.values(lost[name] ?? {})];
      const all = recorded + (claimed[name] ?? 0);
      return [name, settled.reduce<number>((rest, count = 0) => rest - count, all)];
    });
    const notifications = { ...Object.fromEntries(this.#notifications), ...other?.notifications };
    const counts = {
      ...{ claimed, left, lost, pending: Object.fromEntries(pending), rejected, passed },
      notifications,
    };
    const present = Object.entries(counts).filter(([, value]) => Object.keys(value).length > 0);
    return { ...Object.fromEntries(present), ...(received > 0 && { received }) };
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
    const { claimed, left, lost = {}, received = 0, rejected, passed } = state.snapshot;
    addAll(this.#claimed, claimed);
    addAll(this.#left, left);
    for (const [destination, reasons] of Object.entries(lost))
      for (const [reason, count] of Object.entries(reasons)) this.#addLost(destination, reason, count);
    this.#received += received;
    addAll(this.#rejected, rejected);
    addAll(this.#passed, passed);
    for (const [receiver, counts] of Object.entries(state.snapshot.notifications ?? {}))
      this.#notifications.set(receiver, counts);
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

function addAll(counts: Map<string, number>, more: Counts = {}): void {
  for (const [name, count] of Object.entries(more)) add(counts, name, count);
}

function sums(counts: ReadonlyMap<string, number>, more: Counts = {}): Record<string, number> {
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
