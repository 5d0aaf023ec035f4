import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tally } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import { namesIn } from '../system/files/optional-files.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { isSameProcess, ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';
import { Appender } from './appender.ts';
import { LeftCursors } from './cursor-files.ts';
import { JournalBooks, type JournalOptions } from './journal-books.ts';
import { type FoundSegment, JournalBound } from './journal-limit.ts';
import type { JournalEntry, TelemetrySource } from './line.ts';
import { Segment } from './segment.ts';
import type {
  CountedPlace,
  LeftSegment,
  SegmentFile,
  SegmentOrigin,
  WrittenSegment,
} from './segment-counts.ts';
import { SegmentList } from './segment-list.ts';
import {
  formatSegmentName,
  isOrphan,
  liveClaimsIn,
  parseSegmentName,
  type SegmentName,
} from './segment-name.ts';
import { SegmentProblems } from './segment-problems.ts';
import { BATCH_RECORDS_MAX, type Batch } from './segment-reader.ts';
import { Wakeups } from './watch.ts';

/** A batch and its segment. */
export interface QueuedBatch extends Batch {
  readonly segment: Segment;
}

/**
 * The queue of records: this process's own segment and those claimed from dead processes, in order, with a cursor for
 * each destination. The constructor does no I/O; write errors show in the books.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #appender: Appender;
  readonly #segments: SegmentList;
  readonly #wakeups = new Wakeups();
  /** Ids of segments of an earlier thread, which the recording thread names once more when it has the address of this one. */
  readonly #adopted = new Set<string>();
  /** Ids of segments that only wait for destinations unknown to this process. */
  readonly #unknownOnly = new Set<string>();
  #superseded: ProcessIdentity | undefined;
  readonly #problems: SegmentProblems;
  readonly #counts: JournalBooks;
  readonly #bound: JournalBound;
  readonly #leftCursors: LeftCursors;
  #isCounting = false;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#segments = new SegmentList(options.destinations);
    this.#problems = new SegmentProblems(options.books);
    this.#counts = new JournalBooks(options);
    this.#leftCursors = new LeftCursors(options.directory, this.#segments);
    this.#bound = new JournalBound(options, {
      remove: (found) => this.#drop(found),
      isAside: (id) => this.#problems.has(id),
    });
    this.#appender = new Appender({
      ...options,
      deliveredTo: (id) => this.#segments.find(id)?.deliveredTo(options.destinations) ?? 0,
    });
    this.#appender.listen({
      opened: (segment) => this.follow(segment),
      readable: (id, bytes) => this.readable(id, bytes),
      appended: () => this.wake(),
      completed: (id, size, entries) => this.complete(id, size, entries),
    });
  }

  get destinations(): readonly string[] {
    return this.#options.destinations;
  }

  /** A segment to which this thread or another one appends. `complete` tells that it appends no more. */
  follow(file: WrittenSegment): void {
    // It was adopted, and has been sent meanwhile: the message about it was on its way.
    if (this.#adopted.has(file.id) && this.#segments.find(file.id) === undefined) return;
    const segment = this.#known(file);
    segment.readableTo = file.readableTo;
    if (file.size !== undefined) this.complete(file.id, file.size, file.entries);
    this.wake();
  }

  /** With `always`: the bytes that are synced. */
  readable(id: string, bytes: number): void {
    const segment = this.#segments.find(id);
    if (segment !== undefined) segment.readableTo = bytes;
    this.wake();
  }

  /** Nothing is appended to the segment any more, which has this many bytes and records. */
  complete(id: string, size: number, entries?: number): void {
    const segment = this.#segments.find(id);
    segment?.complete(size);
    if (segment !== undefined) this.#segments.add(segment);
    if (entries !== undefined) this.#counts.complete(id, entries, segment);
    this.wake();
    void this.#bound.keep();
  }

  /** Goes on with a segment that a process or thread, which has ended, was sending. */
  adopt(file: LeftSegment): void {
    const { id, path, size, readableTo, entries, isClaimed, counted } = file;
    if (this.#segments.find(id) !== undefined) return;
    this.#adopted.add(id);
    const segment = this.#segmentOf({ id, path }, { growing: size === undefined, isClaimed, counted });
    segment.readableTo = readableTo;
    if (size !== undefined) segment.complete(size);
    segment.loadCursors();
    this.#segments.add(segment);
    for (const [destination, index] of Object.entries(counted ?? {}))
      segment.counts.begin(destination, index);
    if (entries !== undefined) this.#counts.complete(id, entries, segment);
    this.wake();
    if (isClaimed === true) void this.#countClaimed();
  }

  /** Counts what became of the records of a batch; of a batch that is counted already, nothing. */
  settle(destination: string, batch: QueuedBatch, tally: Tally): void {
    this.#counts.settle(batch.segment, destination, batch, tally);
  }

  /** What has changed of how far segments are in the books. */
  takePlaces(): readonly CountedPlace[] {
    return this.#counts.takePlaces();
  }

  /** The senders look again: records were written by another thread. */
  wake(): void {
    this.#wakeups.wake();
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    this.#appender.append(source, entry);
  }

  /** As that of the appender. */
  flush(): void {
    this.#appender.flush();
  }

  /** As that of the appender. */
  synced(): Promise<void> {
    return this.#appender.synced();
  }

  /** As that of the appender. */
  get unwritten(): number {
    return this.#appender.unwritten;
  }

  /** The next records for a destination, oldest first; undefined when none are available. */
  async next(destination: string, recordsMax: number = BATCH_RECORDS_MAX): Promise<QueuedBatch | undefined> {
    for (const segment of this.#segments.ahead(destination)) {
      if (this.#problems.isAside(segment.id)) continue;
      try {
        const batch = await this.#read(segment, destination, recordsMax);
        this.#problems.clear(segment.id);
        if (batch !== undefined) return batch;
      } catch (error) {
        // Of another user, or on a broken part of the disk: those behind it do not wait.
        this.#problems.setAside(segment.id, error);
      }
    }
    return undefined;
  }

  async #read(segment: Segment, destination: string, recordsMax: number): Promise<QueuedBatch | undefined> {
    const reader = await segment.reader(destination);
    if (reader !== undefined) {
      // Checked before the read: a record appended in between belongs to the next batch.
      const { isComplete, readableTo } = segment;
      const batch = await reader.read(recordsMax, readableTo);
      if (batch.entries.length > 0) return { ...batch, segment };
      if (!isComplete) return undefined;
      if (reader.tornAt !== undefined) this.#problems.noteTorn(segment.id);
      await this.#counts.settleRest(segment, destination, reader.index);
      await segment.finish(destination);
    } else if (segment.isComplete) await this.#counts.settleRest(segment, destination, undefined);
    if (segment.isComplete && segment.isFinishedFor([destination])) this.#segments.pass(destination, segment);
    await this.#forgetIfFinished(segment);
    return undefined;
  }

  async done(destination: string, batch: QueuedBatch): Promise<void> {
    this.#options.beforeAdvance?.();
    await batch.segment.advance(destination, batch.next);
  }

  /** Increases with each append and claim; `changed` compares it. */
  get version(): number {
    return this.#wakeups.version;
  }

  /** Resolves after an append, a claim or the close that is newer than `version`, or when the signal aborts. */
  async changed(version: number, signal: AbortSignal): Promise<void> {
    if (!this.#closed) await this.#wakeups.changed(version, signal);
  }

  /** Claims the segments of dead processes. Returns how many were claimed. */
  async claimOrphans(): Promise<number> {
    return this.#claimAll((name) => this.#claim(name));
  }

  /** This process may be alive: its segments are claimed all the same. What it appends later goes into a new one. */
  supersede(owner: ProcessIdentity): void {
    if (!isSameProcess(owner, ownIdentity())) this.#superseded = owner;
  }

  /** Claims these segments of a living process, which leaves them to this one. */
  async takeOver(ids: ReadonlySet<string>): Promise<number> {
    return this.#claimAll(async (name) => {
      const parsed = parseSegmentName(name);
      if (parsed === undefined || parsed.state === 'claimed' || !ids.has(parsed.id)) return false;
      return this.#take(name, parsed);
    });
  }

  async #claimAll(claim: (name: string) => Promise<boolean>): Promise<number> {
    const { directory, books } = this.#options;
    if (this.#closed) return 0;
    this.#appender.checkFile();
    if (this.#problems.isRetryDue) this.wake();
    for (const segment of this.#segments.all()) await segment.touch();
    let names: string[];
    try {
      checkFolders(directory, 1);
      names = await readdir(directory);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') books.setReason('journal claims', messageOf(error));
      return 0;
    }
    books.setReason('journal claims', undefined);
    this.#problems.look(names);
    await this.#leftCursors.look(names);
    let claimed = 0;
    for (const name of names.sort()) {
      // A name begins with the id. A backlog has thousands, and a look comes each second.
      const isKnown = this.#segments.find(name.split('~', 1)[0] ?? '') !== undefined;
      if (!isKnown && (await claim(name))) claimed += 1;
    }
    if (claimed > 0) this.wake();
    await this.#bound.keep();
    return claimed;
  }

  /** Whether living processes of this host are sending segments of dead ones. */
  async hasClaimsOfOthers(): Promise<boolean> {
    const claims = liveClaimsIn(await namesIn(this.#options.directory), this.#superseded);
    return claims.some((id) => this.#segments.find(id) === undefined);
  }

  /** Number of records that are not delivered to a destination yet, without those of unreadable segments. */
  async countPending(destination: string): Promise<number> {
    let pending = this.#appender.pendingCount;
    for (const segment of this.#segments.all()) {
      try {
        pending += await segment.countPending(destination);
      } catch (error) {
        this.#problems.setAside(segment.id, error);
      }
    }
    return pending;
  }

  /** Writes waiting records and leaves undelivered segments to the next process. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#appender.synced();
    this.#appender.close();
    for (const segment of this.#segments.takeAll()) {
      try {
        const isDrained =
          !this.#problems.has(segment.id) && (await segment.finishIfDrained(this.destinations));
        if (isDrained) await segment.forget(this.destinations);
        else await segment.release();
        this.#options.onSegment?.(segment.id, undefined);
      } catch (error) {
        // The segment keeps this process's name and is claimed once the process is dead: no record is lost.
        this.#options.books.setReason('journal', messageOf(error));
      }
    }
    await this.#leftCursors.clean();
    this.wake();
  }

  /** A segment that is appended to: the one with this id, or a new one. */
  #known({ id, path }: SegmentFile): Segment {
    const found = this.#segments.find(id);
    if (found !== undefined) return found;
    this.#options.onSegment?.(id, path);
    const segment = this.#segmentOf({ id, path }, { growing: true });
    this.#segments.add(segment);
    return segment;
  }

  #segmentOf({ id, path }: SegmentFile, { growing, isClaimed, counted }: SegmentOrigin): Segment {
    const { directory, books, destinations } = this.#options;
    const segment: Segment = new Segment({
      ...{ directory, id, path, growing, known: destinations },
      onBadLine: () => books.countSkippedLines(1),
      ...(isClaimed === true && {
        onCounted: (records, before) => this.#counts.claimed(segment, { records, before }, counted),
      }),
    });
    return segment;
  }

  /** One segment at a time: a backlog has many, and its first records are sent meanwhile. */
  async #countClaimed(): Promise<void> {
    if (this.#isCounting) return;
    this.#isCounting = true;
    try {
      // Also those that are claimed meanwhile.
      for (const segment of this.#segments.each()) await segment.count().catch(() => {});
    } finally {
      this.#isCounting = false;
    }
  }

  /** Removes a segment that is this process's, or no process's: its owner does it otherwise. Returns how many records are lost. */
  async #drop({ name, id, state }: FoundSegment): Promise<number> {
    if (this.#closed) return 0;
    const parsed = parseSegmentName(name);
    const path = join(this.#options.directory, name);
    if (this.#segments.find(id) === undefined && state === 'closed' && parsed !== undefined) {
      if (await this.#problems.canRead(path, id)) await this.#take(name, parsed);
    }
    const segment = this.#segments.find(id);
    if (segment === undefined || !segment.isComplete) return 0;
    // Counted first: what is lost has a number.
    await segment.count();
    // Delivered meanwhile.
    if (!this.#segments.remove(segment)) return 0;
    const lost = this.#counts.drop(segment);
    this.#options.beforeAdvance?.();
    await segment.drop();
    this.#problems.clear(id);
    this.#options.onSegment?.(id, undefined);
    return lost;
  }

  async #claim(name: string): Promise<boolean> {
    const parsed = parseSegmentName(name);
    if (parsed === undefined || this.#unknownOnly.has(parsed.id)) return false;
    if (this.#segments.find(parsed.id)) return false;
    const from = join(this.#options.directory, name);
    const isLeft = parsed.state === 'closed' || isSameProcess(parsed.owner, this.#superseded);
    if (!isLeft && !(await isOrphan(from, parsed))) return false;
    return (await this.#problems.canRead(from, parsed.id)) && this.#take(name, parsed);
  }

  async #take(name: string, parsed: SegmentName): Promise<boolean> {
    const { directory } = this.#options;
    const from = join(directory, name);
    const to = join(directory, formatSegmentName({ ...parsed, owner: ownIdentity(), state: 'claimed' }));
    this.#options.onSegment?.(parsed.id, to);
    try {
      await rename(from, to);
    } catch (error) {
      this.#options.onSegment?.(parsed.id, undefined);
      if (errnoOf(error) === 'ENOENT') return false;
      this.#options.books.setReason(
        'journal claims',
        `records that another process left cannot be taken over (${name}): ${messageOf(error)}`,
      );
      return false;
    }
    const file = { id: parsed.id, path: to, readableTo: undefined, size: 0, entries: undefined };
    this.adopt({ ...file, isClaimed: true });
    // No other thread names it.
    this.#adopted.delete(parsed.id);
    return true;
  }

  async #forgetIfFinished(segment: Segment): Promise<void> {
    if (!segment.isComplete || !segment.isFinishedFor(this.destinations)) return;
    if (!this.#segments.remove(segment)) return;
    this.#problems.clear(segment.id);
    this.#counts.forget(segment);
    this.#options.beforeAdvance?.();
    if ((await segment.forget(this.destinations)) === 'left') this.#unknownOnly.add(segment.id);
    this.#options.onSegment?.(segment.id, undefined);
  }
}
