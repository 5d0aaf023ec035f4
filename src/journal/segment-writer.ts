import { closeSync, fstatSync, futimesSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { messageOf } from '../errors.ts';
import type { JournalEntry, SegmentHeader, TelemetrySource } from './line.ts';
import { ownIdentity } from './process-identity.ts';
import { formatSegmentName } from './segment-name.ts';

/** Small enough to be forgotten soon after it was sent, large enough that a busy process makes few files. */
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;

/** What waits in memory while the disk refuses to take it; beyond that the newest is dropped and counted. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** How soon a write is tried again after the disk refused one. */
const RETRY_MS = 500;

export interface WriterOptions {
  readonly directory: string;
  readonly destinations: readonly string[];
  /** After each append: bytes of the segment so far are readable. */
  onAppend(segment: OpenSegment): void;
  /** A segment will not grow any more. */
  onFull(segment: OpenSegment): void;
  onDropped(count: number): void;
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
  size: number;
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
  #waitingBytes = 0;
  #waitingEntries = 0;
  #remainder: Buffer | undefined;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    if (this.#closed || this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#options.onDropped(1);
      return;
    }
    if (source !== this.#source) {
      this.#source = source;
      this.#push(sourceLine(source));
    }
    this.#push(`${entry.kind}${entry.json}\n`);
    this.#waitingEntries += 1;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.flush());
  }

  /** Writes what waits; afterwards it is with the operating system, or `onState` has said why not. */
  flush(): void {
    this.#scheduled = false;
    if (this.#retry !== undefined || (this.#waiting.length === 0 && this.#remainder === undefined)) return;
    this.#write();
  }

  /** Entries that are in memory only. */
  get waiting(): number {
    return this.#waitingEntries;
  }

  /** Touches our file, which tells other hosts that we live; a deleted or claimed one is replaced by a new one. */
  checkFile(): void {
    if (this.#file === undefined) return;
    if (this.#isInPlace(this.#file)) futimesSync(this.#file.fd, new Date(), new Date());
    else this.#finish();
  }

  /** The last flush. What could not be written by now is lost and counted. */
  close(): void {
    if (this.#closed) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.flush();
    clearTimeout(this.#retry);
    this.#closed = true;
    if (this.#waitingEntries > 0) this.#options.onDropped(this.#waitingEntries);
    this.#finish();
  }

  #push(line: string): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  #write(): void {
    try {
      this.#file ??= this.#open();
      const file = this.#file;
      const bytes = this.#remainder ?? Buffer.from(this.#waiting.join(''));
      if (this.#remainder === undefined) this.#waiting = [];
      this.#remainder = bytes;
      while (this.#remainder.length > 0) {
        const written = writeSync(file.fd, this.#remainder);
        file.size += written;
        this.#remainder = this.#remainder.subarray(written);
      }
      this.#remainder = undefined;
      this.#writtenSource = this.#source;
      this.#waitingBytes = 0;
      this.#waitingEntries = 0;
      this.#options.onState(undefined);
      this.#options.onAppend(file);
      if (this.#waiting.length > 0) this.#schedule();
      else if (file.size >= SEGMENT_BYTES_MAX) this.#finish();
    } catch (error) {
      // Kept in memory and tried again: the recording program is not the one to hear of it.
      this.#options.onState(`cannot write to the journal in ${this.#options.directory}: ${messageOf(error)}`);
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, RETRY_MS).unref();
  }

  #open(): File {
    const { directory, destinations } = this.#options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const id = ulid();
    const path = join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'open' }));
    const fd = openSync(path, 'ax', 0o600);
    const header: SegmentHeader = { version: 1, destinations };
    const source = this.#writtenSource === undefined ? '' : sourceLine(this.#writtenSource);
    const first = Buffer.from(`H${JSON.stringify(header)}\n${source}`);
    writeSync(fd, first);
    return { id, path, fd, size: first.length };
  }

  #finish(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    closeSync(file.fd);
    this.#options.onFull(file);
  }

  #isInPlace(file: File): boolean {
    try {
      return statSync(file.path).ino === fstatSync(file.fd).ino;
    } catch {
      // Gone: that is the answer.
      return false;
    }
  }
}

function sourceLine({ resource, scope }: TelemetrySource): string {
  return `C${JSON.stringify({ resource, scope })}\n`;
}
