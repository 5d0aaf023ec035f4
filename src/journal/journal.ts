import { lstat, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { isProcessAlive, ownIdentity } from '../system/process-identity.ts';
import type { JournalEntry, TelemetrySource } from './line.ts';
import { Segment } from './segment.ts';
import { formatSegmentName, parseSegmentName, type SegmentName } from './segment-name.ts';
import { BATCH_RECORDS_MAX, type Batch } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

/** A segment of another host that was not touched for this long belongs to a dead process. */
const FOREIGN_STALE_MS = 60_000;

export interface JournalOptions {
  /** `TASK_LOGS_DIR/_journal`. */
  readonly directory: string;
  /** Keys of the destinations of every record appended here. */
  readonly destinations: readonly string[];
  readonly books: Books;
  /**
   * Called before this journal takes responsibility for a segment, and when it has none any more: whatever runs this journal
   * may end before its process does, and others would take the segments for owned.
   */
  onSegment?(id: string, path: string | undefined): void;
}

/** An unreadable segment is tried again this often: a person may have mended its permissions. */
const ASIDE_MS = 2_000;

/** A segment by its id and its present path. */
export interface SegmentFile {
  readonly id: string;
  readonly path: string;
}

interface Aside {
  readonly reason: string;
  /** On the clock of `performance.now()`. */
  readonly untilMs: number;
}

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
  readonly #writer: SegmentWriter;
  readonly #segments: Segment[] = [];
  readonly #waiters = new Set<() => void>();
  /** Ids of segments that only wait for destinations unknown to this process. */
  readonly #unknownOnly = new Set<string>();
  /** Segments that could not be read, and when they are tried again. */
  readonly #aside = new Map<Segment, Aside>();
  #version = 0;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    const { books } = options;
    this.#writer = new SegmentWriter({
      directory: options.directory,
      destinations: options.destinations,
      onAppend: (open) => this.#onAppend(open),
      onFull: (open) => this.complete(open.id),
      onDropped: (reason, count) => books.countDropped(reason, count),
      onState: (reason) => books.setReason('journal', reason),
    });
  }

  get destinations(): readonly string[] {
    return this.#options.destinations;
  }

  /** A segment to which another thread of this process appends. `complete` tells that it appends no more. */
  follow({ id, path }: SegmentFile): void {
    this.#onAppend({ id, path });
  }

  complete(id: string): void {
    for (const segment of this.#segments) if (segment.id === id) segment.growing = false;
    this.wake();
  }

  /** Goes on with a segment that a thread of this process, which has ended, was sending. */
  adopt({ id, path }: SegmentFile, growing: boolean): void {
    if (this.#segments.some((segment) => segment.id === id)) return;
    const segment = this.#segmentOf({ id, path }, growing);
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
    this.#options.books.countRecorded();
    this.#writer.append(source, entry);
  }

  /** Writes appended records to the operating system before it returns. A failed write shows in `/readyz`. */
  flush(): void {
    this.#writer.flush();
  }

  /** Records held in memory because the last write failed. */
  get unwritten(): number {
    return this.#writer.pendingCount;
  }

  /** The next records for a destination, oldest first; undefined when none are available. */
  async next(destination: string, recordsMax: number = BATCH_RECORDS_MAX): Promise<QueuedBatch | undefined> {
    for (const segment of [...this.#segments]) {
      if ((this.#aside.get(segment)?.untilMs ?? 0) > performance.now()) continue;
      try {
        const batch = await this.#read(segment, destination, recordsMax);
        this.#setAside(segment, undefined);
        if (batch !== undefined) return batch;
      } catch (error) {
        // Made by another user, or on a broken part of the disk: the segments behind it are not to wait for it.
        this.#setAside(segment, error);
      }
    }
    return undefined;
  }

  async #read(segment: Segment, destination: string, recordsMax: number): Promise<QueuedBatch | undefined> {
    const reader = await segment.reader(destination);
    if (reader !== undefined) {
      // Checked before the read: a record appended in between belongs to the next batch.
      const growing = segment.growing;
      const batch = await reader.read(recordsMax);
      if (batch.entries.length > 0) return { ...batch, segment };
      if (growing) return undefined;
      await segment.finish(destination);
    }
    await this.#forgetIfFinished(segment);
    return undefined;
  }

  #setAside(segment: Segment, error: unknown): void {
    if (error === undefined) {
      if (!this.#aside.delete(segment)) return;
    } else {
      this.#aside.set(segment, { reason: messageOf(error), untilMs: performance.now() + ASIDE_MS });
    }
    for (const known of this.#aside.keys()) if (!this.#segments.includes(known)) this.#aside.delete(known);
    const [first] = this.#aside.values();
    this.#options.books.setNotice('journal segments', first && asideText(first.reason, this.#aside.size));
  }

  /** Wakes the senders when a segment that was set aside is to be tried again. */
  #retryAside(): void {
    const now = performance.now();
    if ([...this.#aside.values()].some(({ untilMs }) => untilMs <= now)) this.wake();
  }

  async done(destination: string, batch: QueuedBatch): Promise<void> {
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
    const { directory, books } = this.#options;
    if (this.#closed) return 0;
    this.#writer.checkFile();
    this.#retryAside();
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
      if (await this.#claim(name)) claimed += 1;
    }
    if (claimed > 0) this.wake();
    return claimed;
  }

  /** Number of records that are not delivered to a destination yet, without those of unreadable segments. */
  async countPending(destination: string): Promise<number> {
    let pending = this.#writer.pendingCount;
    for (const segment of [...this.#segments]) {
      try {
        pending += (await (await segment.reader(destination))?.countFrom()) ?? 0;
      } catch (error) {
        this.#setAside(segment, error);
      }
    }
    return pending;
  }

  /** Writes waiting records and leaves undelivered segments to the next process. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#writer.close();
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

  /** `close` for the `exit` handler of a process: synchronous. */
  closeSync(): void {
    this.#writer.close();
    // A thread may end before its process does: other processes would then take the segments for owned.
    for (const segment of this.#segments) segment.releaseSync();
  }

  #onAppend(open: SegmentFile): void {
    if (this.#segments.every((segment) => segment.id !== open.id)) {
      this.#options.onSegment?.(open.id, open.path);
      this.#segments.push(this.#segmentOf(open, true));
    }
    this.wake();
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
    const { directory } = this.#options;
    const from = join(directory, name);
    if (parsed.state !== 'closed' && !(await isOrphan(from, isOwnerAlive(parsed)))) return false;
    const to = join(directory, formatSegmentName({ ...parsed, owner: ownIdentity(), state: 'claimed' }));
    this.#options.onSegment?.(parsed.id, to);
    try {
      await rename(from, to);
    } catch (error) {
      this.#options.onSegment?.(parsed.id, undefined);
      if (errnoOf(error) === 'ENOENT') return false;
      this.#options.books.setReason('journal claims', `cannot claim ${name}: ${messageOf(error)}`);
      return false;
    }
    this.adopt({ id: parsed.id, path: to }, false);
    return true;
  }

  async #forgetIfFinished(segment: Segment): Promise<void> {
    if (segment.growing || !segment.isFinishedFor(this.destinations)) return;
    const index = this.#segments.indexOf(segment);
    if (index < 0) return;
    this.#segments.splice(index, 1);
    if ((await segment.forget(this.destinations)) === 'left') this.#unknownOnly.add(segment.id);
    this.#options.onSegment?.(segment.id, undefined);
  }
}

function asideText(reason: string, count: number): string {
  const what = count === 1 ? 'one segment cannot be read and is' : `${count} segments cannot be read and are`;
  return `${what} set aside; all others are sent: ${reason}. Give this user read access, and it is sent too`;
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
