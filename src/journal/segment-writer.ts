import { closeSync, fstatSync, futimesSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { messageOf } from '../errors.ts';
import { redactJson } from '../redact/redact.ts';
import { makeDirectorySync } from '../system/make-directory.ts';
import { ownIdentity } from '../system/process-identity.ts';
import type { JournalEntry, SegmentHeader, TelemetrySource } from './line.ts';
import { formatSegmentName } from './segment-name.ts';

/** Small enough to be forgotten soon after it was sent, large enough that a busy process makes few files. */
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;

/** What waits in memory while the disk refuses to take it; beyond that the newest is dropped and counted. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** A tick that records more than that writes in between, so that a busy loop is not taken for a full disk. */
const TICK_BYTES_MAX = 4 * 1024 * 1024;

/** How soon a write is tried again after the disk refused one. */
const RETRY_MS = 500;

export interface WriterOptions {
  readonly directory: string;
  readonly destinations: readonly string[];
  /** After each append: bytes of the segment so far are readable. */
  onAppend(segment: OpenSegment): void;
  /** A segment will not grow any more. */
  onFull(segment: OpenSegment): void;
  onDropped(reason: 'journal_full' | 'journal_closed', count: number): void;
  /** The reason while the disk refuses, undefined when it takes again. */
  onState(reason: string | undefined): void;
}

export interface OpenSegment {
  readonly id: string;
  readonly path: string;
  /** Bytes that were written. */
  readonly size: number;
}

interface File extends OpenSegment {
  readonly fd: number;
  readonly inode: number;
  size: number;
}

/** Lines that are written in one piece, if the disk takes them so. */
interface Chunk {
  readonly bytes: Buffer;
  readonly entries: number;
  /** In force after it. */
  readonly source: TelemetrySource | undefined;
  /** How much of it is in `file`. */
  written: number;
  file: File | undefined;
}

/**
 * Appends entries to this process's own segment: collected during a tick, written in one piece when it ends. Nothing
 * here throws to the one who records.
 */
export class SegmentWriter {
  readonly #options: WriterOptions;
  #file: File | undefined;
  #source: TelemetrySource | undefined;
  /** Of the last entry that was written; a new segment starts with it, to be readable without the one before. */
  #writtenSource: TelemetrySource | undefined;
  #waiting: string[] = [];
  /** Of the waiting lines and the chunk together. */
  #waitingBytes = 0;
  /** Of the waiting lines alone. */
  #waitingEntries = 0;
  #chunk: Chunk | undefined;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    if (this.#closed || this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#options.onDropped(this.#closed ? 'journal_closed' : 'journal_full', 1);
      return;
    }
    if (source !== this.#source) {
      this.#source = source;
      this.#push(sourceLine(source));
    }
    this.#push(`${entry.kind}${entry.json}\n`);
    this.#waitingEntries += 1;
    if (this.#waitingBytes > TICK_BYTES_MAX && this.#retry === undefined) this.#write();
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#endTick());
  }

  /** Writes what waits; afterwards it is with the operating system, or `onState` has said why not. */
  flush(): void {
    if (!this.#closed) this.#write();
  }

  /** Entries that are in memory only, or only partly on disk. */
  get waiting(): number {
    return this.#waitingEntries + (this.#chunk?.entries ?? 0);
  }

  /** Touches our file, which tells other hosts that we live; a deleted or claimed one is replaced by a new one. */
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
      // A disk that has become read-only: the next write says so.
    }
  }

  /** The last flush. What could not be written by now is lost and counted. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    clearTimeout(this.#retry);
    this.#closed = true;
    const lost = this.waiting - completeEntries(this.#chunk);
    if (lost > 0) this.#options.onDropped('journal_full', lost);
    this.#finish();
  }

  #endTick(): void {
    this.#scheduled = false;
    // While the disk refuses, the timer tries, not every tick.
    if (this.#retry === undefined && !this.#closed) this.#write();
  }

  #push(line: string): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  #write(): void {
    try {
      while (this.#chunk !== undefined || this.#waiting.length > 0) {
        this.#chunk ??= this.#takeWaiting();
        const file = this.#openFile();
        this.#writeChunk(file, this.#chunk);
        this.#options.onAppend(file);
        if (file.size >= SEGMENT_BYTES_MAX) this.#finish();
      }
      clearTimeout(this.#retry);
      this.#retry = undefined;
      this.#options.onState(undefined);
    } catch (error) {
      // Kept in memory and tried again: the recording program is not the one to hear of it.
      this.#options.onState(`cannot write to the journal in ${this.#options.directory}: ${messageOf(error)}`);
      this.#retryLater();
    }
  }

  #takeWaiting(): Chunk {
    const bytes = Buffer.from(this.#waiting.join(''));
    const chunk = { bytes, entries: this.#waitingEntries, source: this.#source, written: 0, file: undefined };
    this.#waiting = [];
    this.#waitingEntries = 0;
    this.#waitingBytes = bytes.length;
    return chunk;
  }

  #writeChunk(file: File, chunk: Chunk): void {
    // What went into a file that is gone by now goes whole into the next: half a line would be nobody's.
    if (chunk.file !== file) chunk.written = 0;
    chunk.file = file;
    while (chunk.written < chunk.bytes.length) {
      const written = writeSync(file.fd, chunk.bytes, chunk.written);
      chunk.written += written;
      file.size += written;
    }
    this.#writtenSource = chunk.source;
    this.#chunk = undefined;
    this.#waitingBytes = this.#waiting.length === 0 ? 0 : this.#waitingBytes - chunk.bytes.length;
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, RETRY_MS).unref();
  }

  /** Ours, or a new one when somebody has deleted or claimed it: what a write puts there, nobody would read. */
  #openFile(): File {
    if (this.#file !== undefined && !isInPlace(this.#file)) this.#finish();
    this.#file ??= this.#createFile();
    return this.#file;
  }

  #createFile(): File {
    const { directory, destinations } = this.#options;
    makeDirectorySync(directory, 0o700);
    const id = ulid();
    const path = join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'open' }));
    const fd = openSync(path, 'ax', 0o600);
    const header: SegmentHeader = { version: 1, destinations };
    const source = this.#writtenSource === undefined ? '' : sourceLine(this.#writtenSource);
    const first = Buffer.from(`H${JSON.stringify(header)}\n${source}`);
    try {
      const { ino } = fstatSync(fd);
      for (let written = 0; written < first.length; ) written += writeSync(fd, first, written);
      return { id, path, fd, inode: ino, size: first.length };
    } catch (error) {
      // Each further try would leave another file and another descriptor.
      closeSync(fd);
      unlinkSync(path);
      throw error;
    }
  }

  #finish(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    closeSync(file.fd);
    this.#options.onFull(file);
  }
}

function isInPlace(file: File): boolean {
  try {
    return statSync(file.path).ino === file.inode;
  } catch {
    // Gone: that is the answer.
    return false;
  }
}

/** Of a chunk that was written in part: entries whose line is whole. */
function completeEntries(chunk: Chunk | undefined): number {
  if (chunk === undefined) return 0;
  const lines = chunk.bytes.subarray(0, chunk.written).toString('utf8').split('\n').slice(0, -1);
  return lines.filter((line) => !line.startsWith('C')).length;
}

function sourceLine({ resource, scope }: TelemetrySource): string {
  // Redacted like the records: a resource may hold the command line of its process.
  return `C${redactJson(JSON.stringify({ resource, scope }))}\n`;
}
