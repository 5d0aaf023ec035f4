import { lstat, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import type { FsyncMode } from '../model/fsync-mode.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { namesIn } from '../system/optional-files.ts';
import {
  isProcessAlive,
  isSameProcess,
  ownIdentity,
  type ProcessIdentity,
} from '../system/process-identity.ts';
import { Appender } from './appender.ts';
import type { JournalEntry, TelemetrySource } from './line.ts';
import { Segment, type SegmentFile, type WrittenSegment } from './segment.ts';
import { formatSegmentName, parseSegmentName, type SegmentName } from './segment-name.ts';
import { SegmentProblems } from './segment-problems.ts';
import { BATCH_RECORDS_MAX, type Batch } from './segment-reader.ts';

/** A segment of another host that was not touched for this long belongs to a dead process. */
const FOREIGN_STALE_MS = 60_000;

export interface JournalOptions {
  /** `TASK_LOGS_DIR/_journal`. */
  readonly directory: string;
  /** Keys of the destinations of every record appended here. */
  readonly destinations: readonly string[];
  readonly books: Books;
  /** Default `interval`. */
  readonly fsync?: FsyncMode;
  /**
   * Called before this journal takes responsibility for a segment, and when it has none any more: whatever runs this journal
   * may end before its process does, and others would take the segments for owned.
   */
  onSegment?(id: string, path: string | undefined): void;
  /** Called before a cursor passes records: what was counted about them is not counted again. */
  beforeAdvance?(): void;
}

/** A batch and its segment. */
export interface QueuedBatch extends Batch {
  readonly segment: Segment;
}

/** Bytes of segments by their ids. */
export type JournalExtent = ReadonlyMap<string, number>;

/**
 * The queue of records: this process's own segment and those claimed from dead processes, in order, with a cursor for
 * each destination. The constructor does no I/O; write errors show in the books.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #appender: Appender;
  readonly #segments: Segment[] = [];
  readonly #waiters = new Set<() => void>();
  /** Ids of segments that only wait for destinations unknown to this process. */
  readonly #unknownOnly = new Set<string>();
  #superseded: ProcessIdentity | undefined;
  readonly #problems: SegmentProblems;
  #version = 0;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#problems = new SegmentProblems(options.books);
    this.#appender = new Appender({
      ...options,
      deliveredTo: (id) => this.#find(id)?.deliveredTo(options.destinations) ?? 0,
    });
    this.#appender.listen({
      opened: (segment) => this.follow(segment),
      readable: (id, bytes) => this.readable(id, bytes),
      appended: () => this.wake(),
      completed: (id, size) => this.complete(id, size),
    });
  }

  get destinations(): readonly string[] {
    return this.#options.destinations;
  }

  /** A segment to which this thread or another one appends. `complete` tells that it appends no more. */
  follow(file: WrittenSegment): void {
    const segment = this.#known(file);
    segment.readableTo = file.readableTo;
    if (file.size !== undefined) segment.complete(file.size);
    this.wake();
  }

  /** With `always`: the bytes that are synced. */
  readable(id: string, bytes: number): void {
    const segment = this.#find(id);
    if (segment !== undefined) segment.readableTo = bytes;
    this.wake();
  }

  /** Nothing is appended to the segment any more, which has this many bytes. */
  complete(id: string, size: number): void {
    this.#find(id)?.complete(size);
    this.wake();
  }

  /** Goes on with a segment that a process or thread, which has ended, was sending. */
  adopt(file: WrittenSegment): void {
    const { id, path, size, readableTo } = file;
    if (this.#find(id) !== undefined) return;
    const segment = this.#segmentOf({ id, path }, size === undefined);
    segment.readableTo = readableTo;
    if (size !== undefined) segment.complete(size);
    segment.loadCursors();
    this.#segments.push(segment);
    this.wake();
  }

  /** The senders look again: records were written by another thread. */
  wake(): void {
    this.#version += 1;
    for (const wake of [...this.#waiters]) wake();
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
    for (const segment of [...this.#segments]) {
      if (this.#problems.isAside(segment)) continue;
      try {
        const batch = await this.#read(segment, destination, recordsMax);
        this.#problems.clear(segment);
        if (batch !== undefined) return batch;
      } catch (error) {
        // Made by another user, or on a broken part of the disk: the segments behind it are not to wait for it.
        this.#problems.setAside(segment, error);
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
      if (reader.tornAt !== undefined) this.#problems.noteTorn(segment);
      await segment.finish(destination);
    }
    await this.#forgetIfFinished(segment);
    return undefined;
  }

  async done(destination: string, batch: QueuedBatch): Promise<void> {
    this.#options.beforeAdvance?.();
    await batch.segment.advance(destination, batch.next);
  }

  /** Increases with each append and claim; `changed` compares it. */
  get version(): number {
    return this.#version;
  }

  /** Resolves after an append, a claim or the close that is newer than `version`, or when the signal aborts. */
  async changed(version: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed || version !== this.#version) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
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
    for (const segment of [...this.#segments]) await segment.touch();
    let names: string[];
    try {
      checkFolders(directory, 1);
      names = await readdir(directory);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') books.setReason('journal claims', messageOf(error));
      return 0;
    }
    books.setReason('journal claims', undefined);
    let claimed = 0;
    for (const name of names.sort()) {
      if (await claim(name)) claimed += 1;
    }
    if (claimed > 0) this.wake();
    return claimed;
  }

  /** Whether living processes of this host have claimed segments of dead ones, and have not forgotten them yet. */
  async hasClaimsOfOthers(): Promise<boolean> {
    return (await namesIn(this.#options.directory)).some((name) => {
      const parsed = parseSegmentName(name);
      if (parsed?.state !== 'claimed' || isSameProcess(parsed.owner, this.#superseded)) return false;
      if (this.#segments.some(({ id }) => id === parsed.id)) return false;
      return isProcessAlive(parsed.owner) === true;
    });
  }

  /** How long the segments are that this process sends. */
  async extent(): Promise<JournalExtent> {
    const sizes = new Map<string, number>();
    for (const segment of [...this.#segments]) sizes.set(segment.id, await segment.length());
    return sizes;
  }

  /** Whether a destination has received all that was there. Segments that cannot be read are set aside, and do not count. */
  hasReceived(destination: string, extent: JournalExtent): boolean {
    return this.#segments.every((segment) => {
      const size = extent.get(segment.id);
      return size === undefined || segment.isPast(destination, size) || this.#problems.isAside(segment);
    });
  }

  /** Number of records that are not delivered to a destination yet, without those of unreadable segments. */
  async countPending(destination: string): Promise<number> {
    let pending = this.#appender.pendingCount;
    for (const segment of [...this.#segments]) {
      try {
        pending += (await (await segment.reader(destination))?.countFrom()) ?? 0;
      } catch (error) {
        this.#problems.setAside(segment, error);
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
    for (const segment of this.#segments.splice(0)) {
      try {
        if (await segment.finishIfDrained(this.destinations)) await segment.forget(this.destinations);
        else await segment.release();
        this.#options.onSegment?.(segment.id, undefined);
      } catch (error) {
        // The segment keeps this process's name and is claimed once the process is dead: no record is lost.
        this.#options.books.setReason('journal', messageOf(error));
      }
    }
    this.wake();
  }

  #find(id: string): Segment | undefined {
    return this.#segments.find((segment) => segment.id === id);
  }

  /** A segment that is appended to: the one with this id, or a new one. */
  #known({ id, path }: SegmentFile): Segment {
    const found = this.#find(id);
    if (found !== undefined) return found;
    this.#options.onSegment?.(id, path);
    const segment = this.#segmentOf({ id, path }, true);
    this.#segments.push(segment);
    return segment;
  }

  #segmentOf({ id, path }: SegmentFile, growing: boolean): Segment {
    const { directory, books } = this.#options;
    const onBadLine = (): void => books.countSkippedLines(1);
    return new Segment({ directory, id, path, growing, onBadLine });
  }

  async #claim(name: string): Promise<boolean> {
    const parsed = parseSegmentName(name);
    if (parsed === undefined || this.#unknownOnly.has(parsed.id)) return false;
    if (this.#segments.some((segment) => segment.id === parsed.id)) return false;
    const from = join(this.#options.directory, name);
    const isLeft = parsed.state === 'closed' || isSameProcess(parsed.owner, this.#superseded);
    if (!isLeft && !(await isOrphan(from, isOwnerAlive(parsed)))) return false;
    return this.#take(name, parsed);
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
    this.adopt({ id: parsed.id, path: to, readableTo: undefined, size: 0 });
    return true;
  }

  async #forgetIfFinished(segment: Segment): Promise<void> {
    if (!segment.isComplete || !segment.isFinishedFor(this.destinations)) return;
    const index = this.#segments.indexOf(segment);
    if (index < 0) return;
    this.#segments.splice(index, 1);
    this.#problems.clear(segment);
    if ((await segment.forget(this.destinations)) === 'left') this.#unknownOnly.add(segment.id);
    this.#options.onSegment?.(segment.id, undefined);
  }
}

/**
 * Undefined when only the file's age tells: the owner is on another host, or a thread of this process, which touches
 * its segments.
 */
function isOwnerAlive({ owner }: SegmentName): boolean | undefined {
  const alive = isProcessAlive(owner);
  return alive === true && owner.pid === process.pid ? undefined : alive;
}

async function isOrphan(path: string, alive: boolean | undefined): Promise<boolean> {
  if (alive !== undefined) return !alive;
  try {
    return Date.now() - (await lstat(path)).mtimeMs > FOREIGN_STALE_MS;
  } catch {
    // Another process has claimed or removed it.
    return false;
  }
}
