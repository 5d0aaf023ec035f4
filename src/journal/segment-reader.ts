import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { TasktrailError } from '../errors.ts';
import { parseObject } from '../model/json.ts';
import { withoutLeadingNuls } from '../system/files/nul-block.ts';
import { openSafeHandle } from '../system/files/safe-open.ts';
import { type Line, readLines } from '../system/lines.ts';
import type { JournalEntry, SegmentHeader } from './line.ts';

/** Limits of a batch, which becomes one request: records and bytes. */
export const BATCH_RECORDS_MAX = 512;
export const BATCH_BYTES_MAX: number = 4 * 1024 * 1024;

/** The receiver's limit for a request body. A longer line could not be delivered. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;

/** Far more than a segment with its last write can have: a larger file is another program's, and takes minutes to read. */
export const SEGMENT_FILE_BYTES_MAX: number = 256 * 1024 * 1024;

/** The header is the first line, and names some destinations. */
const HEADER_BYTES_MAX = 65_536;

const HEADER_START = 'H{"version":1,';

/** Bytes of field names and brackets that a request needs for each change of the source. */
const GROUP_BYTES = 100;

export interface BatchEntry {
  readonly kind: JournalEntry['kind'];
  /** Resource and scope as the members of a JSON object, without its braces. */
  readonly source: string;
  readonly json: string;
}

export interface Batch {
  readonly entries: readonly BatchEntry[];
  /** Number of records of the segment before the batch. */
  readonly index: number;
  /** Offset of the next batch. */
  readonly next: number;
}

export interface RecordCount {
  readonly records: number;
  readonly next: number;
  /** For each offset: the records before it. */
  readonly before: readonly number[];
}

const NO_SOURCE = '"resource":{"attributes":[]},"scope":{"name":""}';

/**
 * Reads one segment forward for one destination. Data after the last newline is being written or torn by a crash, and
 * is not read. Invalid lines are skipped and counted.
 */
export class SegmentReader {
  readonly #handle: FileHandle;
  readonly #onBadLine: (offset: number) => void;
  #source = NO_SOURCE;
  #position = 0;
  #index = 0;
  #tornAt: number | undefined;
  #header: SegmentHeader | undefined;
  #last: { readonly next: number; readonly source: string; readonly records: number } | undefined;

  private constructor(handle: FileHandle, onBadLine: (offset: number) => void) {
    this.#handle = handle;
    this.#onBadLine = onBadLine;
  }

  /** Opens a segment at `offset`. Reads the lines before it to find the source in force there. */
  static async open(
    path: string,
    offset: number,
    onBadLine: (offset: number) => void,
  ): Promise<SegmentReader> {
    const handle = await openSafeHandle(path, 'r');
    const reader = new SegmentReader(handle, onBadLine);
    try {
      await checkBeginning(handle, path);
      await reader.#seek(offset);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return reader;
  }

  /** Rejects when the file at `path` is no segment that this version can read. Returns its header, if it has one. Changes nothing. */
  static async check(path: string): Promise<SegmentHeader | undefined> {
    const handle = await openSafeHandle(path, 'r');
    try {
      return await checkBeginning(handle, path);
    } finally {
      await handle.close();
    }
  }

  get header(): SegmentHeader | undefined {
    return this.#header;
  }

  /** Offset of data after the last newline, as the last read to the end has found it. */
  get tornAt(): number | undefined {
    return this.#tornAt;
  }

  get position(): number {
    return this.#position;
  }

  /** Number of records before the position. */
  get index(): number {
    return this.#index;
  }

  /** The next records, of those before `to`; empty when no complete line is available. `advance` moves the position. */
  async read(recordsMax: number = BATCH_RECORDS_MAX, to?: number): Promise<Batch> {
    const entries: BatchEntry[] = [];
    let next = this.#position;
    let bytes = 0;
    let source = this.#source;
    for await (const line of this.#linesFrom(next, to)) {
      if (isRecord(line)) {
        // In a request the source comes once before the records that share it.
        const shared = entries.at(-1)?.source === source ? 0 : source.length + GROUP_BYTES;
        const more = line.end - line.start + shared;
        if (entries.length > 0 && bytes + more > BATCH_BYTES_MAX) break;
        entries.push({ kind: kindOf(line) === LOG ? 'L' : 'S', source, json: jsonOf(line) });
        bytes += more;
      } else {
        const control = this.#readControlLine(line);
        if (control === undefined) this.#onBadLine(line.start);
        source = control?.source ?? source;
      }
      next = line.end;
      if (entries.length >= recordsMax) break;
    }
    return this.#batch(entries, next, source);
  }

  /** Moves the position to the end of a batch. */
  async advance(next: number): Promise<void> {
    if (this.#last?.next === next) {
      this.#source = this.#last.source;
      this.#index += this.#last.records;
      this.#position = next;
    } else await this.#seek(next);
  }

  /**
   * Counts the records from an offset on: all, those before each of some offsets. `next` is the offset behind the last
   * whole line. Does not move the position.
   */
  async count(from: number, offsets: readonly number[] = []): Promise<RecordCount> {
    let records = 0;
    let next = from;
    const before = offsets.map(() => 0);
    for await (const lines of readLines(this.#handle, { from, bytesMax: RECORD_BYTES_MAX }))
      for (const line of lines) {
        if (!line.isTerminated) continue;
        next = line.end;
        if (!isRecord(withoutLeadingNuls(line))) continue;
        records += 1;
        offsets.forEach((offset, index) => {
          if (line.end <= offset) before[index] = records;
        });
      }
    return { records, next, before };
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #batch(entries: BatchEntry[], next: number, source: string): Batch {
    this.#last = { next, source, records: entries.length };
    return { entries, index: this.#index, next };
  }

  /** Starts at the current position, so that no byte is read twice by advancing. */
  async #seek(offset: number): Promise<void> {
    if (this.#position >= offset) return;
    for await (const line of this.#linesFrom(this.#position)) {
      // Invalid lines are counted by `read`.
      if (isRecord(line)) this.#index += 1;
      else this.#source = this.#readControlLine(line)?.source ?? this.#source;
      this.#position = line.end;
      if (this.#position >= offset) return;
    }
    // The cursor is past the end: the segment was truncated. Records appended later are still read.
    this.#position = offset;
  }

  /** Undefined for a line that is neither a source nor a header. */
  #readControlLine(line: Line): { readonly source?: string } | undefined {
    const kind = kindOf(line);
    if (kind !== SOURCE && kind !== HEADER) return undefined;
    const text = jsonOf(line);
    // `{"resource":...,"scope":...}`: the members become part of a request body.
    if (kind === SOURCE && text.startsWith('{"resource"') && text.endsWith('}')) {
      return { source: text.slice(1, -1) };
    }
    if (kind !== HEADER) return undefined;
    this.#header ??= readHeader(text);
    return this.#header === undefined ? undefined : {};
  }

  async *#linesFrom(offset: number, to: number = Number.POSITIVE_INFINITY): AsyncGenerator<Line> {
    this.#tornAt = undefined;
    for await (const batch of readLines(this.#handle, { from: offset, to, bytesMax: RECORD_BYTES_MAX }))
      for (const line of batch) {
        if (line.isTerminated) yield withoutLeadingNuls(line);
        else this.#tornAt = line.start;
      }
  }
}

const LOG = 'L'.charCodeAt(0);
const SPAN = 'S'.charCodeAt(0);
const SOURCE = 'C'.charCodeAt(0);
const HEADER = 'H'.charCodeAt(0);
const OPEN = '{'.charCodeAt(0);
const CLOSE = '}'.charCodeAt(0);

function kindOf({ bytes }: Line): number | undefined {
  return bytes?.[0];
}

function jsonOf({ bytes }: Line): string {
  return bytes?.toString('utf8', 1) ?? '';
}

/**
 * Half a record would make the whole request invalid. Whether a record is valid JSON is checked only when the
 * receiver refuses it.
 */
function isRecord({ bytes }: Line): boolean {
  const kind = bytes?.[0];
  return (kind === LOG || kind === SPAN) && bytes?.[1] === OPEN && bytes.at(-1) === CLOSE;
}

/** What another version or another program has written is not taken for records, and not removed. */
async function checkBeginning(handle: FileHandle, path: string): Promise<SegmentHeader | undefined> {
  const { size } = await handle.stat();
  if (size > SEGMENT_FILE_BYTES_MAX) throw notASegment(path, `it has ${size} bytes, which no segment has`);
  const piece = Buffer.alloc(Math.min(size, HEADER_BYTES_MAX));
  const { bytesRead } = await handle.read(piece, 0, piece.length, 0);
  const bytes = piece.subarray(0, bytesRead);
  // A power cut leaves NUL where the header was; an early kill leaves a part of the header.
  if (bytes[0] === 0 || bytes.length === 0) return undefined;
  const end = bytes.indexOf('\n');
  const text = bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  const isTorn = end < 0 && size < HEADER_BYTES_MAX;
  if (isTorn && HEADER_START.startsWith(text.slice(0, HEADER_START.length))) return undefined;
  const header = end >= 0 && text.startsWith(HEADER_START) ? readHeader(text.slice(1)) : undefined;
  if (header !== undefined) return header;
  const version = /^H\{"version":(\d{1,9})[,}]/.exec(text)?.[1];
  const why = 'it does not begin as a segment';
  throw notASegment(path, version === undefined || version === '1' ? why : `it is of version ${version}`);
}

function notASegment(path: string, why: string): TasktrailError {
  return new TasktrailError('ERR_DIRECTORY_UNUSABLE', `${basename(path)}: ${why}`);
}

function readHeader(text: string): SegmentHeader | undefined {
  const destinations = parseObject(text)?.destinations;
  if (!Array.isArray(destinations)) return undefined;
  return { version: 1, destinations: destinations.filter((item) => typeof item === 'string') };
}
