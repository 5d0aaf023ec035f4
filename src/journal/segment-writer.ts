import { closeSync, fstatSync, futimesSync, lstatSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { errnoOf, messageOf } from '../errors.ts';
import { DEFAULT_FSYNC, type FsyncMode } from '../model/fsync-mode.ts';
import { adviceOn } from '../system/disk-advice.ts';
import { makeDirectorySync } from '../system/files/make-directory.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../system/files/modes.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { openSafeSync } from '../system/files/safe-open.ts';
import { holdsLease } from '../system/lease-guard.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { type JournalEntry, type SegmentHeader, sourceLine, type TelemetrySource } from './line.ts';
import { completeEntries } from './segment-counts.ts';
import { formatSegmentName } from './segment-name.ts';
import { type FailedSync, SegmentSync, type SyncableSegment } from './segment-sync.ts';

/** Segment size: small enough to be deleted soon after delivery, large enough that a busy process makes few files. */
export const SEGMENT_BYTES_MAX: number = 16 * 1024 * 1024;

/** Memory for records while writes fail. Beyond it the newest records are dropped and counted. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024;

/** A tick that records more than this writes in between, so that a busy loop does not reach the memory limit. */
const TICK_BYTES_MAX = 4 * 1024 * 1024;

/** A full disk: what was written to the open segment stands, and the rest follows. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** Memory that the chunks of some ticks share: an allocation for each would take longer than its bytes. */
const SHARED_BYTES = 128 * 1024;

/** Delay before a failed write is retried. */
const RETRY_MS = 500;

export interface WriterOptions {
  readonly directory: string;
  readonly destinations: readonly string[];
  readonly fsync?: FsyncMode | undefined;
  /** A segment of this size is complete. Default 16 MiB. */
  readonly segmentBytesMax?: number | undefined;
  /** Whether the directory has no room for another segment: then records are dropped and counted. */
  isFull?(): boolean;
  /** Called after each write, with `always` after each sync: the segment is readable up to its size. */
  onAppend(segment: OpenSegment): void;
  /** The segment is complete. Called again with a smaller size when it was cut. */
  onFull(segment: OpenSegment): void;
  onDropped(reason: 'journal_full' | 'journal_closed', count: number): void;
  /** The reason while writes fail; undefined after a successful write. */
  onState(reason: string | undefined): void;
  /** The reason while syncs fail; undefined after a successful one. */
  onSyncState?(reason: string | undefined): void;
  /** Offset up to which every destination has received a segment: that part is not appended again. */
  deliveredTo?(id: string): number;
}

export interface OpenSegment {
  readonly id: string;
  readonly path: string;
  readonly size: number;
  /** Number of entries in it. */
  readonly entries: number;
}

interface File extends OpenSegment, SyncableSegment {
  readonly inode: number;
  size: number;
  entries: number;
}

/** Lines for one write(2). */
interface Chunk {
  readonly bytes: Buffer;
  readonly entries: number;
  /** The source in force before the chunk. */
  readonly before: TelemetrySource | undefined;
  /** The source in force after the chunk. */
  readonly source: TelemetrySource | undefined;
  /** Bytes of the chunk that are in `file`. */
  written: number;
  file: File | undefined;
}

/**
 * Appends entries to this process's own segment: collects them during a tick and writes them at its end. `append`
 * never throws.
 */
export class SegmentWriter {
  readonly #options: WriterOptions;
  #file: File | undefined;
  #source: TelemetrySource | undefined;
  /** Source of the last written entry. A new segment starts with it, so that it is readable alone. */
  #writtenSource: TelemetrySource | undefined;
  #pendingText = '';
  /** Bytes of the waiting lines and the chunk. */
  #pendingBytes = 0;
  /** Entries among the waiting lines, without the chunk. */
  #pendingEntries = 0;
  #chunk: Chunk | undefined;
  /** Chunks of segments whose sync has failed. */
  #again: Chunk[] = [];
  /** Source of the last entry that was taken into a chunk. */
  #takenSource: TelemetrySource | undefined;
  readonly #sync: SegmentSync<Chunk>;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** When the open file was last seen in its place. */
  #seenMs = 0;
  #shared = Buffer.alloc(0);
  #sharedUsed = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    const mode = options.fsync ?? DEFAULT_FSYNC;
    this.#sync = new SegmentSync({
      mode,
      onSynced: ({ id, path }, size) => {
        if (mode === 'always') options.onAppend({ id, path, size, entries: 0 });
      },
      onFailed: (segment, failed) => this.#appendAgain(segment, failed),
      onState: (reason) => options.onSyncState?.(reason),
    });
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    // A service that has lost its directory ends here, before it records what its successor has taken.
    if (!this.#scheduled) holdsLease();
    if (this.#closed || this.#pendingBytes > PENDING_BYTES_MAX) {
      this.#options.onDropped(this.#closed ? 'journal_closed' : 'journal_full', 1);
      return;
    }
    if (source !== this.#source) {
      this.#source = source;
      this.#push(sourceLine(source));
    }
    this.#push(`${entry.kind}${entry.json}\n`);
    this.#pendingEntries += 1;
    const bytesMax = Math.min(TICK_BYTES_MAX, this.#options.segmentBytesMax ?? TICK_BYTES_MAX);
    if (this.#pendingBytes > bytesMax && this.#retry === undefined) this.#write();
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#endTick());
  }

  /** Writes the waiting entries. Reports a failure to `onState`. */
  flush(): void {
    this.#seenMs = 0;
    if (!this.#closed) this.#write();
  }

  /** Entries that are not completely on disk. */
  get pendingCount(): number {
    const again = this.#again.reduce((sum, { entries }) => sum + entries, 0);
    return this.#pendingEntries + (this.#chunk?.entries ?? 0) + again;
  }

  /** Whether written entries wait for a sync. */
  get isBehind(): boolean {
    return this.#sync.isBehind;
  }

  /** Resolves when all entries so far are synced, or that has failed twice. With `never` at once. */
  async synced(): Promise<void> {
    this.flush();
    await this.#sync.synced();
    if (this.pendingCount === 0) return;
    this.flush();
    await this.#sync.synced();
  }

  /** `synced` for the end of a process: without waiting for other work of this thread. */
  syncNow(): void {
    this.#sync.syncNow();
  }

  /**
   * Touches the open file, which shows other hosts that the owner is alive. A deleted or claimed file is replaced by
   * a new one.
   */
  checkFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    if (!isInPlace(file)) {
      this.#finish();
      return;
    }
    try {
      const now = new Date();
      futimesSync(file.fd, now, now);
    } catch {
      // The file system has become read-only: the next write reports it.
    }
  }

  /** Flushes and closes. Entries that cannot be written are lost and counted. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    clearTimeout(this.#retry);
    this.#closed = true;
    // Whole lines of a chunk that was partly written stay in the file.
    const kept = this.#chunk ? completeEntries(this.#chunk.bytes.subarray(0, this.#chunk.written)) : 0;
    const lost = this.pendingCount - kept;
    if (lost > 0) this.#options.onDropped('journal_full', lost);
    if (this.#file !== undefined && this.#chunk?.file === this.#file) this.#file.entries += kept;
    this.#finish();
  }

  #endTick(): void {
    this.#scheduled = false;
    // While writes fail, the timer retries, not every tick.
    if (this.#retry === undefined && !this.#closed) this.#write();
  }

  #push(line: string): void {
    this.#pendingText += line;
    this.#pendingBytes += line.length;
  }

  #write(): void {
    // It may have been stopped since the first record of the tick.
    holdsLease();
    try {
      while (this.#chunk !== undefined || this.#again.length > 0 || this.#pendingText !== '') {
        this.#chunk ??= this.#withSource(this.#again.shift() ?? this.#nextChunk());
        if (this.#file === undefined && this.#options.isFull?.() === true) {
          this.#dropChunk(this.#chunk);
          continue;
        }
        const file = this.#openFile();
        this.#writeChunk(file, this.#chunk);
        if (this.#options.fsync !== 'always') this.#options.onAppend(file);
        if (file.size >= (this.#options.segmentBytesMax ?? SEGMENT_BYTES_MAX)) this.#finish();
      }
      clearTimeout(this.#retry);
      this.#retry = undefined;
      this.#options.onState(undefined);
    } catch (error) {
      // Kept in memory and retried: a write error must not reach the recording program.
      const { directory, onState } = this.#options;
      onState(`cannot write to the journal in ${directory}: ${messageOf(error)}. ${adviceOn(error)}`);
      // A broken disk may be mounted again meanwhile, which an open file hinders: the next try makes another segment.
      if (!FULL.has(errnoOf(error) ?? '')) this.#finish();
      this.#seenMs = 0;
      this.#retryLater();
    }
  }

  /** The next chunk brings the source in force with it. */
  #dropChunk({ bytes, entries }: Chunk): void {
    this.#chunk = undefined;
    this.#pendingBytes = this.#pendingText === '' ? 0 : this.#pendingBytes - bytes.length;
    this.#options.onDropped('journal_full', entries);
  }

  #nextChunk(): Chunk {
    const bytes = this.#encoded(this.#pendingText);
    const before = this.#takenSource;
    this.#takenSource = this.#source;
    const entries = this.#pendingEntries;
    const chunk = { bytes, entries, before, source: this.#source, written: 0, file: undefined };
    this.#pendingText = '';
    this.#pendingEntries = 0;
    this.#pendingBytes = bytes.length;
    return chunk;
  }

  #encoded(text: string): Buffer {
    // A UTF-16 unit is at most three bytes of UTF-8.
    const bytesMax = text.length * 3;
    if (bytesMax > SHARED_BYTES / 2) return Buffer.from(text);
    if (this.#sharedUsed + bytesMax > this.#shared.length) {
      // The chunks keep the one before for as long as they need it.
      this.#shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
      this.#sharedUsed = 0;
    }
    const start = this.#sharedUsed;
    this.#sharedUsed += this.#shared.write(text, start);
    return this.#shared.subarray(start, this.#sharedUsed);
  }

  /** Chunks of a segment whose sync has failed come late: another source may be in force. */
  #withSource(chunk: Chunk): Chunk {
    const { before } = chunk;
    if (before === undefined || before === this.#writtenSource) return chunk;
    const bytes = Buffer.concat([Buffer.from(sourceLine(before)), chunk.bytes]);
    this.#pendingBytes += bytes.length - chunk.bytes.length;
    return { ...chunk, bytes };
  }

  #writeChunk(file: File, chunk: Chunk): void {
    // A chunk that was partly written to a file that is gone is written whole into the next one: half a line is
    // unreadable.
    if (chunk.file !== file) chunk.written = 0;
    chunk.file = file;
    while (chunk.written < chunk.bytes.length) {
      const written = writeSync(file.fd, chunk.bytes, chunk.written);
      chunk.written += written;
      file.size += written;
    }
    this.#writtenSource = chunk.source;
    this.#chunk = undefined;
    file.entries += chunk.entries;
    this.#sync.appended(file, chunk, chunk.bytes.length);
    this.#pendingBytes = this.#pendingText === '' ? 0 : this.#pendingBytes - chunk.bytes.length;
  }

  /** The part of a segment whose sync has failed that a destination has not received goes to another segment. */
  #appendAgain(segment: SyncableSegment, { size, kept }: FailedSync<Chunk>): void {
    const { id, path } = segment;
    const delivered = this.#options.deliveredTo?.(id) ?? 0;
    let entries = isFile(segment) ? segment.entries : 0;
    for (const { chunk, end } of kept) {
      if (end <= delivered) continue;
      entries -= chunk.entries;
      this.#again.push({ ...chunk, written: 0, file: undefined });
      this.#pendingBytes += chunk.bytes.length;
    }
    if (this.#file?.id === id) this.#file = undefined;
    if (isFile(segment)) segment.entries = entries;
    this.#options.onFull({ id, path, size, entries });
    // Not at once: each try makes a segment.
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, RETRY_MS).unref();
  }

  /**
   * The open file, or a new one when it was deleted or claimed: no reader would see a write to it. Ticks look once a millisecond, by
   * the clock that goes on while a process or a machine is stopped: a segment is claimed after seconds without a sign of life.
   */
  #openFile(): File {
    const now = Date.now();
    if (this.#file !== undefined && now !== this.#seenMs && !isInPlace(this.#file)) this.#finish();
    this.#seenMs = now;
    this.#file ??= this.#createFile();
    return this.#file;
  }

  #createFile(): File {
    const { directory, destinations } = this.#options;
    checkFolders(directory, 1);
    const made = makeDirectorySync(directory, PRIVATE_FOLDER);
    const directories = [...new Set([...made.map((level) => dirname(level)), directory])];
    const id = ulid();
    const path = join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'open' }));
    const fd = openSafeSync(path, 'ax', PRIVATE_FILE);
    const header: SegmentHeader = { version: 1, destinations };
    const source = this.#writtenSource === undefined ? '' : sourceLine(this.#writtenSource);
    const first = Buffer.from(`H${JSON.stringify(header)}\n${source}`);
    try {
      const { ino } = fstatSync(fd);
      return { id, path, fd, inode: ino, size: writeAll(fd, first), entries: 0, directories };
    } catch (error) {
      // Each retry would leave another file and descriptor.
      closeSync(fd);
      unlinkSync(path);
      throw error;
    }
  }

  #finish(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#sync.finished(file);
    this.#options.onFull(file);
  }
}

function isFile(segment: SyncableSegment): segment is File {
  return 'entries' in segment;
}

function writeAll(fd: number, bytes: Buffer): number {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  return bytes.length;
}

function isInPlace(file: File): boolean {
  try {
    return lstatSync(file.path).ino === file.inode;
  } catch {
    // Deleted or renamed.
    return false;
  }
}
