import { type FileHandle, open } from 'node:fs/promises';
import type { EntryKind, SegmentHeader } from './line.ts';

/** A batch is one request: at most that many records, and that many bytes of them. */
export const BATCH_RECORDS_MAX = 512;
export const BATCH_BYTES_MAX: number = 4 * 1024 * 1024;

/** Several batches of ordinary size in one read; a longer line makes the buffer grow to hold it. */
const READ_BYTES = 1024 * 1024;

/** Of a request, for each change of the source: the names and brackets around it. */
const GROUP_BYTES = 100;

const NEWLINE = 0x0a;

export interface BatchEntry {
  readonly kind: EntryKind;
  /** The resource and scope, as JSON text without its braces. */
  readonly source: string;
  readonly json: string;
}

export interface Batch {
  readonly entries: readonly BatchEntry[];
  /** Where the next batch starts. */
  readonly next: number;
}

const NO_SOURCE = '"resource":{"attributes":[]},"scope":{"name":""}';

/**
 * Reads one segment forward for one destination. What is after the last newline is a line being written (or torn by a
 * crash) and is not read. A line that is not ours is passed over and counted.
 */
export class SegmentReader {
  readonly #handle: FileHandle;
  readonly #onBadLine: (offset: number) => void;
  #source = NO_SOURCE;
  #position = 0;
  #header: SegmentHeader | undefined;
  #last: { readonly next: number; readonly source: string } | undefined;

  private constructor(handle: FileHandle, onBadLine: (offset: number) => void) {
    this.#handle = handle;
    this.#onBadLine = onBadLine;
  }

  /** Opens a segment and goes to `offset`, reading what stands before it for the source that is in force there. */
  static async open(
    path: string,
    offset: number,
    onBadLine: (offset: number) => void,
  ): Promise<SegmentReader> {
    const handle = await open(path, 'r');
    const reader = new SegmentReader(handle, onBadLine);
    try {
      await reader.#seek(offset);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return reader;
  }

  get header(): SegmentHeader | undefined {
    return this.#header;
  }

  get position(): number {
    return this.#position;
  }

  /** The next records, or none when there is nothing complete to read. Does not move: `advance` does. */
  async read(recordsMax: number = BATCH_RECORDS_MAX): Promise<Batch> {
    const entries: BatchEntry[] = [];
    let next = this.#position;
    let bytes = 0;
    let source = this.#source;
    while (entries.length < recordsMax) {
      const chunk = await this.#readLines(next);
      if (chunk.length === 0) break;
      let start = 0;
      while (start < chunk.length && entries.length < recordsMax) {
        const end = chunk.indexOf(NEWLINE, start);
        const length = end + 1 - start;
        const kind = chunk[start];
        if (isRecord(chunk, start, end)) {
          // In a request the source stands before the records that it is common to.
          const more = length + (entries.at(-1)?.source === source ? 0 : source.length + GROUP_BYTES);
          if (entries.length > 0 && bytes + more > BATCH_BYTES_MAX) return this.#batch(entries, next, source);
          const json = chunk.toString('utf8', start + 1, end);
          entries.push({ kind: kind === LOG ? 'L' : 'S', source, json });
          bytes += more;
        } else {
          const mark = this.#readMark(kind, chunk.toString('utf8', start + 1, end));
          if (mark === undefined) this.#onBadLine(next);
          source = mark?.source ?? source;
        }
        start += length;
        next += length;
      }
    }
    return this.#batch(entries, next, source);
  }

  /** Moves past what `read` gave. */
  async advance(next: number): Promise<void> {
    if (this.#last?.next === next) {
      this.#source = this.#last.source;
      this.#position = next;
    } else await this.#seek(next);
  }

  /** How many records stand between here and the end. Does not move. */
  async countFrom(): Promise<number> {
    let count = 0;
    let offset = this.#position;
    for (;;) {
      const chunk = await this.#readLines(offset);
      if (chunk.length === 0) return count;
      for (let start = 0; start < chunk.length; start = chunk.indexOf(NEWLINE, start) + 1) {
        if (isRecord(chunk, start, chunk.indexOf(NEWLINE, start))) count += 1;
      }
      offset += chunk.length;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #batch(entries: BatchEntry[], next: number, source: string): Batch {
    this.#last = { next, source };
    return { entries, next };
  }

  /** From the last position on, so that advancing reads each byte once more and no further. */
  async #seek(offset: number): Promise<void> {
    while (this.#position < offset) {
      const chunk = await this.#readLines(this.#position);
      if (chunk.length === 0) {
        // A cursor past the end: the segment was cut. What is appended later still counts.
        this.#position = offset;
        return;
      }
      let start = 0;
      while (start < chunk.length && this.#position < offset) {
        const end = chunk.indexOf(NEWLINE, start);
        const kind = chunk[start];
        if (kind === SOURCE || kind === HEADER) {
          // A bad one was counted when it was first read.
          const mark = this.#readMark(kind, chunk.toString('utf8', start + 1, end));
          this.#source = mark?.source ?? this.#source;
        }
        this.#position += end + 1 - start;
        start = end + 1;
      }
    }
  }

  /** Undefined for a line that is neither a source nor the header. */
  #readMark(kind: number | undefined, text: string): { readonly source?: string } | undefined {
    // `{"resource":...,"scope":...}`: the braces go, the rest becomes part of a request.
    if (kind === SOURCE && text.startsWith('{"resource"') && text.endsWith('}')) {
      return { source: text.slice(1, -1) };
    }
    if (kind !== HEADER) return undefined;
    this.#header ??= readHeader(text);
    return this.#header === undefined ? undefined : {};
  }

  /** Whole lines from `offset`; empty when there is no complete one. */
  async #readLines(offset: number): Promise<Buffer> {
    let size = READ_BYTES;
    for (;;) {
      const buffer = Buffer.allocUnsafe(size);
      const { bytesRead } = await this.#handle.read(buffer, 0, size, offset);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
      if (end >= 0) return buffer.subarray(0, end + 1);
      if (bytesRead < size) return buffer.subarray(0, 0);
      size *= 2;
    }
  }
}

const LOG = 'L'.charCodeAt(0);
const SPAN = 'S'.charCodeAt(0);
const SOURCE = 'C'.charCodeAt(0);
const HEADER = 'H'.charCodeAt(0);
const OPEN = '{'.charCodeAt(0);
const CLOSE = '}'.charCodeAt(0);

/** Half a record would spoil the request of all the others; whether the whole one is JSON, the sender asks when refused. */
function isRecord(chunk: Buffer, start: number, end: number): boolean {
  const kind = chunk[start];
  return (kind === LOG || kind === SPAN) && chunk[start + 1] === OPEN && chunk[end - 1] === CLOSE;
}

function readHeader(text: string): SegmentHeader | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('destinations' in value)) return undefined;
    const { destinations } = value;
    if (!Array.isArray(destinations)) return undefined;
    return { version: 1, destinations: destinations.filter((item) => typeof item === 'string') };
  } catch {
    // Not JSON: a bad line like any other.
    return undefined;
  }
}
