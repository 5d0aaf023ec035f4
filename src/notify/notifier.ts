import { setTimeout as delay } from 'node:timers/promises';
import type { NotificationCounts } from '../books.ts';
import { messageOf } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import type { Candidate, Mark, NotifySource } from './candidate.ts';
import { Intake, type Target } from './event-intake.ts';
import type { Receiver } from './notify-receiver.ts';
import { countsOf, troubleOf } from './outbox/notification-counts.ts';
import { Outbox } from './outbox/receiver-outbox.ts';
import type { NotifyStorage } from './outbox/storage.ts';
import { Sending, urlHash } from './send/sending.ts';

/** Interval of looks at the work that is left, at shutdown. */
const CLOSE_LOOK_MS = 10;

/** Interval of syncs and marks. */
const TICK_MS = 10_000;

/**
 * Age of a mark before it counts: a document has the time at which its writing began, and the store reports it when it is on the
 * disk, which a disk in trouble makes long.
 */
const SETTLED_MS = 60_000;

/** Candidates in memory. More are found in the files. */
const CANDIDATES_MAX = 10_000;

/** Tries of a candidate whose files cannot be read, and the pause between them. */
const TRIES_MAX = 6;
const RETRY_MS = 10_000;

/** A mark is written at least so often; else with what was noted since. */
const MARK_MS = 600_000;

/** Files of receivers that the configuration no longer names are removed after this time. */
const LEFT_MS = 4 * 86_400_000;

/** For a damaged mark: what was written in this time is looked at again. */
const LOST_MARK_MS = 3_600_000;

export interface NotifierOptions {
  readonly storage: NotifyStorage;
  /** Id of the log directory, or of what stands for it. */
  readonly directory: string;
  readonly receivers: readonly Receiver[];
  readonly source: NotifySource;
  readonly traceUrls: readonly string[];
  readonly now?: () => number;
  /** The counts of a receiver, whenever they change. */
  onCounts(receiver: string, counts: NotificationCounts): void;
  /** Why notifications of a receiver do not arrive; undefined: they do. */
  onTrouble(receiver: string, trouble: string | undefined): void;
  log(line: string): void;
}

/** Sends notifications of what the store writes. Its failures are reported, and affect nothing else. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #now: () => number;
  readonly #candidates = new Map<string, Candidate>();
  readonly #tries = new Map<string, number>();
  readonly #targets: (Target & { readonly sending: Sending })[] = [];
  readonly #unopened = new Set<Receiver>();
  /** Marks that are not old enough yet, oldest first. */
  readonly #marks: Mark[] = [];
  #written: Mark | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;
  /** The files are to be searched from the last mark on: after the start, and when candidates were too many. */
  #isScanDue = true;
  #isScanAllowed = false;
  #isClosed = false;
  #notedMs = 0;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** To be awaited before the store writes: what is written from now on is found after a crash. Never rejects. */
  async open(): Promise<void> {
    await this.#openFiles();
    this.#timer = setInterval(() => void this.#tick(), TICK_MS).unref();
  }

  /** The files of an earlier process are recovered: what it has not told yet is looked for. */
  scan(): void {
    this.#isScanAllowed = true;
    this.#work();
  }

  /** Returns at once. */
  note(candidate: Candidate): void {
    if (this.#isClosed) return;
    this.#notedMs = this.#now();
    if (this.#candidates.size >= CANDIDATES_MAX) this.#isScanDue = true;
    else this.#candidates.set(keyOf(candidate), candidate);
    this.#work();
  }

  /** Resolves when the tick that runs has ended. */
  async settled(): Promise<void> {
    await this.#ticking;
  }

  /** Sends what is due within the deadline. The rest is sent after the next start. */
  async close(deadlineMs: number): Promise<void> {
    const until = performance.now() + deadlineMs;
    while (performance.now() < until && this.#isBusy()) await delay(CLOSE_LOOK_MS);
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#working;
    await this.#ticking;
    await Promise.all(this.#targets.map(({ sending }) => sending.close()));
    for (const { outbox } of this.#targets) await outbox.sync();
  }

  #isBusy(): boolean {
    return this.#working !== undefined || this.#targets.some(({ sending }) => sending.isBusy);
  }

  async #openFiles(): Promise<void> {
    await this.#openMark();
    for (const receiver of this.#options.receivers) await this.#openReceiver(receiver);
  }

  /** While the mark cannot be read or written, no other one takes its place, and it is tried again. */
  async #openMark(): Promise<void> {
    const { storage, log } = this.#options;
    try {
      await storage.prepare();
      const read = await storage.readMark();
      const mark = read ?? (await this.#firstMark());
      if (read === undefined) await storage.writeMark(mark);
      this.#written = mark;
    } catch (error) {
      log(`notifications: ${messageOf(error)}`);
    }
  }

  /** Nothing that was written before the first start is sent. */
  async #firstMark(): Promise<Mark> {
    const { storage, source } = this.#options;
    const isLost = (await storage.names()).length > 0;
    return isLost ? { at: isoFromMs(this.#now() - LOST_MARK_MS), feed: undefined } : source.mark();
  }

  async #openReceiver(receiver: Receiver): Promise<void> {
    const { storage, log } = this.#options;
    try {
      const outbox = await Outbox.open({ lines: storage.open(receiver.name), now: this.#now });
      const { goneUrl } = outbox.totals;
      if (goneUrl !== null && goneUrl !== urlHash(receiver.url)) await outbox.setGone(undefined);
      const sending = new Sending({
        ...{ receiver, outbox, log, now: this.#now, holds: () => storage.holds(true) },
        onChange: () => this.#report({ receiver, outbox }),
      });
      this.#targets.push({ receiver, outbox, sending });
      this.#unopened.delete(receiver);
      this.#report({ receiver, outbox });
      sending.start();
    } catch (error) {
      this.#unopened.add(receiver);
      this.#trouble(receiver.name, messageOf(error));
    }
  }

  #work(): void {
    this.#working ??= this.#drain()
      .catch((error: unknown) => this.#options.log(`notifications: ${messageOf(error)}`))
      .finally(() => {
        this.#working = undefined;
        // A candidate may have come while the last one ended.
        if (!this.#isClosed && this.#hasWork()) this.#work();
      });
  }

  #hasWork(): boolean {
    return this.#candidates.size > 0 || this.#mayScan();
  }

  #mayScan(): boolean {
    return this.#isScanDue && this.#isScanAllowed && this.#written !== undefined;
  }

  async #drain(): Promise<void> {
    const { directory, source, traceUrls } = this.#options;
    const intake = new Intake({ directory, source, targets: this.#targets, traceUrls, now: this.#now });
    while (!this.#isClosed && this.#hasWork()) {
      for (const [key, candidate] of this.#candidates) {
        if (this.#isClosed) return;
        this.#candidates.delete(key);
        await this.#take(intake, candidate, false);
      }
      if (!this.#mayScan() || this.#written === undefined) continue;
      this.#isScanDue = false;
      try {
        for await (const candidate of source.since(this.#written)) {
          if (this.#isClosed) return;
          await this.#take(intake, candidate, true);
        }
      } catch (error) {
        this.#options.log(`notifications: the files cannot be searched now: ${messageOf(error)}`);
        this.#later(() => {
          this.#isScanDue = true;
        });
      }
    }
  }

  async #take(intake: Intake, candidate: Candidate, isFound: boolean): Promise<void> {
    const key = keyOf(candidate);
    try {
      const reached = new Set(await intake.take(candidate, isFound));
      this.#tries.delete(key);
      for (const target of this.#targets) {
        if (!reached.has(target.receiver)) continue;
        this.#report(target);
        target.sending.wake();
      }
    } catch (error) {
      const tries = (this.#tries.get(key) ?? 0) + 1;
      this.#tries.set(key, tries);
      if (tries < TRIES_MAX) return this.#later(() => this.#candidates.set(key, candidate));
      this.#tries.delete(key);
      this.#options.log(`no notification of ${candidate.kind} ${candidate.id}: ${messageOf(error)}`);
    }
  }

  #later(work: () => void): void {
    this.#retries += 1;
    setTimeout(() => {
      this.#retries -= 1;
      if (this.#isClosed) return;
      work();
      this.#work();
    }, RETRY_MS).unref();
  }

  /** What waits for another try: no mark may pass it. */
  #retries = 0;

  #tick(): Promise<void> {
    this.#ticking ??= this.#settle()
      .catch((error: unknown) => this.#options.log(`notifications: ${messageOf(error)}`))
      .finally(() => {
        this.#ticking = undefined;
      });
    return this.#ticking;
  }

  async #settle(): Promise<void> {
    if (!(await this.#options.storage.holds(false))) return;
    if (this.#written === undefined) {
      await this.#openMark();
      this.#work();
    }
    if (this.#unopened.size > 0) {
      for (const receiver of [...this.#unopened]) await this.#openReceiver(receiver);
      // What it has missed.
      if (this.#unopened.size === 0) this.#isScanDue = true;
      this.#work();
    }
    // Before the look at what waits: an event after it is behind this mark.
    const mark = await this.#options.source.mark().catch((error: unknown) => {
      // Without a mark more is looked at after a restart.
      this.#options.log(`notifications: ${messageOf(error)}`);
      return undefined;
    });
    let isDurable = this.#unopened.size === 0;
    for (const target of this.#targets) {
      isDurable = (await target.outbox.sync()) && isDurable;
      this.#report(target);
    }
    if (mark !== undefined) this.#marks.push(mark);
    // Also before the first search, which waits for the recovery: it begins at the mark of the process before.
    const isIdle =
      this.#working === undefined && this.#candidates.size === 0 && !this.#isScanDue && this.#retries === 0;
    if (isIdle && isDurable && this.#written !== undefined) await this.#advance(this.#written);
    // Many ticks without an idle moment: the older marks are not needed.
    while (this.#marks.length > 1_000) this.#marks.splice(1, 1);
    await this.#removeLeft();
  }

  /** Writes the newest mark that is old enough. */
  async #advance(written: Mark): Promise<void> {
    const settled = isoFromMs(this.#now() - SETTLED_MS);
    let next: Mark | undefined;
    while (this.#marks[0] !== undefined && this.#marks[0].at <= settled) next = this.#marks.shift();
    // The clock was set back: marks of the future would hide what is written now.
    const at = isoFromMs(this.#now() + SETTLED_MS);
    if (this.#marks.some((mark) => mark.at > at)) this.#marks.length = 0;
    if (next === undefined) return;
    const writtenMs = Date.parse(written.at);
    // Nothing was noted since: the mark that is there is as good, and a quiet service leaves the disk alone.
    if (this.#notedMs < writtenMs && this.#now() - writtenMs < MARK_MS) return;
    await this.#options.storage.writeMark(next);
    this.#written = next;
  }

  async #removeLeft(): Promise<void> {
    const { storage, receivers } = this.#options;
    const known = new Set(receivers.map(({ name }) => name));
    for (const name of await storage.names())
      if (!known.has(name)) await storage.removeUnchanged(name, LEFT_MS);
  }

  #report({ receiver, outbox }: Target): void {
    this.#options.onCounts(receiver.name, countsOf(outbox));
    this.#trouble(receiver.name, outbox.behind ?? troubleOf(outbox));
  }

  #trouble(name: string, trouble: string | undefined): void {
    this.#options.onTrouble(name, trouble);
  }
}

function keyOf(candidate: Candidate): string {
  if (candidate.kind === 'workflow') return `workflow ${candidate.eventId}`;
  const { status = '', attempt = '' } = candidate.ended ?? {};
  return `task ${candidate.id} ${String(status)} ${String(attempt)}`;
}
