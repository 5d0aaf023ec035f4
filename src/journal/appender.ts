import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf } from '../errors.ts';
import type { FsyncMode } from '../model/fsync-mode.ts';
import type { JournalLimit } from '../model/journal-full.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { boundOf } from './journal-limit.ts';
import type { JournalEntry, TelemetrySource } from './line.ts';
import type { SegmentFile, WrittenSegment } from './segment-counts.ts';
import { formatSegmentName } from './segment-name.ts';
import { type OpenSegment, SegmentWriter } from './segment-writer.ts';

/** Interval of touches of the open segment, which show that its owner is alive. */
const TOUCH_MS = 1_000;

/** Segments that may still be cut after a failed sync are among the last. With a small bound a process makes many in a day. */
const OPENED_MAX = 256;

export interface AppenderOptions {
  /** `TASK_LOGS_DIR/_journal`. */
  readonly directory: string;
  /** Keys of the destinations of every record appended here. */
  readonly destinations: readonly string[];
  readonly books: Books;
  /** Default `interval`. */
  readonly fsync?: FsyncMode;
  /** Bound of the journal's directory. Default: none. */
  readonly limit?: JournalLimit | undefined;
  /** Offset up to which every destination has received a segment. Default: unknown, so a part may be sent again. */
  deliveredTo?(id: string): number;
}

/** Learns which segments there are and when there is something new in them. */
export interface AppenderListener {
  /** Called once for each segment, before everything else about it. */
  opened(segment: WrittenSegment): void;
  /** With `always`: so many bytes of a segment are synced. */
  readable(id: string, bytes: number): void;
  /** Called when there is more to read. */
  appended(): void;
  /** Nothing more is appended to this segment. Called again with a smaller size when it was cut. */
  completed(id: string, size: number, entries: number): void;
}

/**
 * The part of the journal that appends, and sends nothing: all of it in the thread that records. What sends follows the
 * segments by their files.
 */
export class Appender {
  readonly #books: Books;
  readonly #writer: SegmentWriter;
  readonly #touches: NodeJS.Timeout;
  readonly #isSyncedFirst: boolean;
  /** Ids of the last segments that the listener knows. */
  readonly #opened = new Set<string>();
  #listener: AppenderListener | undefined;

  constructor({ directory, destinations, books, fsync, limit, deliveredTo }: AppenderOptions) {
    this.#books = books;
    this.#isSyncedFirst = fsync === 'always';
    this.#writer = new SegmentWriter({
      directory,
      destinations,
      fsync,
      ...boundOf(directory, limit),
      ...(deliveredTo !== undefined && { deliveredTo }),
      onAppend: (segment) => this.#onAppend(segment),
      onFull: (segment) => {
        this.#open(segment);
        this.#listener?.completed(segment.id, segment.size, segment.entries);
      },
      onSyncState: (reason) => {
        if (reason !== undefined) books.countFailedSyncs();
        books.setReason('journal sync', reason && syncText(reason));
      },
      onDropped: (reason, count) => books.countUnwritten(destinations, reason, count),
      onState: (reason) => books.setReason('journal', reason),
    });
    this.#touches = setInterval(() => this.checkFile(), TOUCH_MS).unref();
  }

  listen(listener: AppenderListener): void {
    this.#listener = listener;
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    this.#books.countRecorded();
    this.#writer.append(source, entry);
  }

  /** Writes appended records to the operating system before it returns. A failed write shows in `/readyz`. */
  flush(): void {
    this.#writer.flush();
  }

  /**
   * Resolves when everything that was appended so far is as durable as the mode promises: with `never` it is passed to the
   * operating system. Never rejects: a failure shows in `/readyz`.
   */
  synced(): Promise<void> {
    return this.#writer.synced();
  }

  /** Records held in memory because the last write failed, and those that must not be sent before they are synced. */
  get unwritten(): number {
    return this.#writer.pendingCount + (this.#isSyncedFirst && this.#writer.isBehind ? 1 : 0);
  }

  /** Entries that are not completely written. */
  get pendingCount(): number {
    return this.#writer.pendingCount;
  }

  /** Shows other hosts that this process is alive. A segment that was deleted or claimed is replaced by a new one. */
  checkFile(): void {
    this.#writer.checkFile();
  }

  /** Writes waiting records, completes the segment and syncs it. */
  close(): void {
    clearInterval(this.#touches);
    this.#writer.close();
    this.#writer.syncNow();
  }

  #onAppend(segment: OpenSegment): void {
    const isNew = this.#open(segment);
    if (this.#isSyncedFirst && !isNew) this.#listener?.readable(segment.id, segment.size);
    this.#listener?.appended();
  }

  /** Whether the listener has not known the segment. */
  #open({ id, path, size }: OpenSegment): boolean {
    if (this.#opened.has(id)) return false;
    this.#opened.add(id);
    const [oldest] = this.#opened;
    if (this.#opened.size > OPENED_MAX && oldest !== undefined) this.#opened.delete(oldest);
    const readableTo = this.#isSyncedFirst ? size : undefined;
    this.#listener?.opened({ id, path, readableTo, size: undefined, entries: undefined });
    return true;
  }
}

/**
 * Leaves segments to the next process that sends: as owned by a thread of a living process they would wait for its end.
 * Synchronous, for the `exit` handler of a process.
 */
export function releaseSegments(directory: string, segments: Iterable<SegmentFile>): void {
  for (const { id, path } of segments) {
    try {
      renameSync(path, join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'closed' })));
    } catch (error) {
      // Sent and removed meanwhile, or not in place: then it is claimed by its age.
      if (errnoOf(error) === undefined) throw error;
    }
  }
}

function syncText(reason: string): string {
  return `cannot sync the journal: ${reason}. The records are kept in memory and written to another segment`;
}
