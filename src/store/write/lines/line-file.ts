import { ftruncate } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isJsonObject, parseJson } from '../../../model/json.ts';
import { isoFromMs } from '../../../model/time.ts';
import { withFile } from '../../../system/descriptor.ts';
import { replaceFile } from '../../../system/durable.ts';
import { withoutLeadingNuls } from '../../../system/files/nul-block.ts';
import { lstatIfPresent, openIfPresent } from '../../../system/files/optional-files.ts';
import { openSafeHandle } from '../../../system/files/safe-open.ts';
import { checkLease } from '../../../system/lease-guard.ts';
import { type Line, readLines } from '../../../system/lines.ts';
import { addHash, lineHash, NO_LINES } from '../../places/line-hash.ts';
import { MoveRecorder } from '../../places/moves.ts';
import { INDEXED_BYTES, nextRefresh, refreshOffsets } from '../../places/offsets-file.ts';
import { type LineWriter, UNSYNCED } from './line-writer.ts';

/** Key of a line: its id for deduplication, its timestamp for the order. */
export interface LineKey {
  readonly id: string;
  readonly timestamp: string;
}

export interface NewLine extends LineKey {
  /** JSON on one line, without the newline. */
  readonly text: string;
}

export type ReadKey = (line: unknown) => LineKey | undefined;

interface LineFileOptions {
  readonly readKey: ReadKey;
  /** Default: one that syncs nothing. */
  readonly writer?: LineWriter | undefined;
  /** Whether readers follow the file and ask for parts of it: its index and its history are kept. Default: false. */
  readonly isFollowed?: boolean | undefined;
}

/** A line's key and its byte range in the file. */
interface LineRange {
  readonly key: LineKey;
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** Piece size when a file is rewritten, so that memory does not grow with the file. */
const COPY_BYTES = 1024 * 1024;

const truncateFile = promisify(ftruncate);

/** The operating system writes everything within half a minute; twice that where it is busy, and clocks may differ. */
const UNSYNCED_MS = 120_000;

/** Timestamp of records that came without one. */
const EPOCH = isoFromMs(0);

/**
 * A JSONL file with one writer. It is its own deduplication state: the ids are read when it is opened. Opening cuts a
 * torn last line; invalid lines stay and are counted.
 */
export class LineFile {
  readonly path: string;
  readonly #readKey: ReadKey;
  readonly #writer: LineWriter;
  readonly #ids = new Set<string>();
  #last: LineKey | undefined;
  #first: string | undefined;
  #isOrdered = true;
  /** Expected size in bytes. Another size means that another program wrote to the file. */
  #size = 0;
  /** Whether a line is repeated (two processes held the directory at the same time), or stands behind NUL. */
  #hasRemnants = false;
  #badLines = 0;
  /** Ids of lines that `settle` removes. */
  readonly #superseded = new Set<string>();
  readonly #isFollowed: boolean;
  /** Size from which on the index is written again. */
  #indexAt = INDEXED_BYTES;

  private constructor(path: string, { readKey, writer = UNSYNCED, isFollowed = false }: LineFileOptions) {
    this.path = path;
    this.#readKey = readKey;
    this.#writer = writer;
    this.#isFollowed = isFollowed;
  }

  /** For a file that is known not to exist. The first append creates it. */
  static create(path: string, options: LineFileOptions): LineFile {
    return new LineFile(path, options);
  }

  /** Reads a file; a missing one counts as empty. */
  static async open(
    path: string,
    readKey: ReadKey,
    { onLine, ...options }: Omit<LineFileOptions, 'readKey'> & { onLine?: (line: unknown) => void } = {},
  ): Promise<LineFile> {
    const file = new LineFile(path, { readKey, ...options });
    await file.#load(onLine);
    return file;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Whether `settle` has nothing to sort or remove. */
  get isOrdered(): boolean {
    return this.#isOrdered && this.#superseded.size === 0;
  }

  get badLines(): number {
    return this.#badLines;
  }

  /** Earliest timestamp of a line; undefined without one. */
  get firstTimestamp(): string | undefined {
    return this.#first;
  }

  get lastTimestamp(): string | undefined {
    return this.#last?.timestamp;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Marks a line whose content another line has. It stays until `settle`, because readers follow the file. */
  supersede(id: string): void {
    this.#superseded.add(id);
  }

  /**
   * Appends the lines with new ids in one write and returns how many they were. When it throws, some lines may have
   * been written, and the file must be opened again.
   */
  async append(lines: readonly NewLine[]): Promise<number> {
    const fresh: NewLine[] = [];
    for (const line of lines) {
      const before = this.#ids.size;
      if (this.#ids.add(line.id).size > before) fresh.push(line);
    }
    if (fresh.length === 0) return 0;
    const bytes = Buffer.from(`${fresh.map(({ text }) => text).join('\n')}\n`);
    await this.#writer.append(this.path, bytes);
    this.#size += bytes.length;
    for (const line of fresh) this.#track(line);
    if (this.#size >= this.#indexAt) await this.#refreshIndex();
    return fresh.length;
  }

  /**
   * Sorts the lines by (timestamp, id) when one is out of order, and removes repeated lines. An invalid line stays
   * after the line before it. True when the file was rewritten.
   */
  async settle(): Promise<boolean> {
    const isNeeded = !this.isOrdered || (await this.#needsRewrite());
    if (isNeeded) await this.#rewrite();
    if (this.#size >= INDEXED_BYTES) await this.#refreshIndex();
    return isNeeded;
  }

  async #refreshIndex(): Promise<void> {
    if (this.#isFollowed) await refreshOffsets(this.path);
    this.#indexAt = nextRefresh(this.#size);
  }

  async #needsRewrite(): Promise<boolean> {
    if (this.#hasRemnants) return true;
    const stats = await lstatIfPresent(this.path);
    return stats !== undefined && stats.size !== this.#size;
  }

  async #rewrite(): Promise<void> {
    await this.#writer.trust(this.path);
    const file = await openSafeHandle(this.path, 'r');
    try {
      const lines: LineRange[] = [];
      const seen = new Set<string>();
      const move = this.#isFollowed ? await MoveRecorder.open(this.path) : undefined;
      let sum = NO_LINES;
      let key: LineKey = { timestamp: '', id: '' };
      for await (const batch of readLines(file)) {
        for (const stored of batch) {
          const line = withoutLeadingNuls(stored);
          // Blank lines and a torn last line are left out.
          if (!line.isTerminated) continue;
          const number = move?.add(lineHash(stored.bytes)) ?? 0;
          if (isBlank(line)) continue;
          const own = this.#keyOf(line);
          if (own !== undefined && seen.size === seen.add(own.id).size) continue;
          if (own !== undefined && this.#superseded.has(own.id)) continue;
          key = own ?? key;
          if (move !== undefined) sum = addHash(sum, lineHash(line.bytes));
          lines.push({ key, number, start: line.start, end: line.end });
        }
      }
      lines.sort((a, b) => compareKeys(a.key, b.key));
      await move?.record(
        lines.map(({ number }) => number),
        sum,
      );
      await replaceFile(this.path, copyLines(file, lines));
      for (const id of seen) this.#ids.add(id);
      this.#last = lines.at(-1)?.key;
      this.#size = lines.reduce((sum, { start, end }) => sum + end - start, 0);
      this.#isOrdered = true;
      this.#hasRemnants = false;
      this.#superseded.clear();
    } finally {
      await file.close();
    }
  }

  async #load(onLine?: (line: unknown) => void): Promise<void> {
    await this.#writer.trust(this.path);
    const file = await openIfPresent(this.path, 'r');
    if (file === undefined) return;
    try {
      if (isRecent((await file.stat()).mtimeMs)) await this.#writer.adopt(this.path);
      for await (const batch of readLines(file)) {
        for (const stored of batch) {
          const line = withoutLeadingNuls(stored);
          if (!line.isTerminated) await this.#repairTail(line, onLine);
          else {
            this.#hasRemnants ||= line !== stored;
            this.#size = line.end;
            if (!isBlank(line)) this.#loadLine(line, onLine);
          }
        }
      }
    } finally {
      await file.close();
    }
  }

  /**
   * Cuts a torn last line. A complete line only lacks its newline (editors leave it out) and gets one, also when another
   * version wrote it in a form that this one does not know.
   */
  async #repairTail(tail: Line, onLine?: (value: unknown) => void): Promise<void> {
    if (!isJsonObject(parsedOf(tail))) {
      this.#badLines += 1;
      // Another process may have appended meanwhile.
      checkLease();
      await withFile(this.path, 'r+', (fd) => truncateFile(fd, tail.start));
      return;
    }
    await this.#writer.append(this.path, Buffer.from('\n'));
    this.#size = tail.end + 1;
    this.#loadLine(tail, onLine);
  }

  #loadLine(line: Line, onLine?: (value: unknown) => void): void {
    const value = parsedOf(line);
    const key = this.#readKey(value);
    if (key === undefined) this.#badLines += 1;
    else if (this.#ids.has(key.id)) this.#hasRemnants = true;
    else {
      this.#ids.add(key.id);
      this.#track(key);
      onLine?.(value);
    }
  }

  #keyOf(line: Line): LineKey | undefined {
    return this.#readKey(parsedOf(line));
  }

  #track({ id, timestamp }: LineKey): void {
    if (timestamp > EPOCH && (this.#first === undefined || timestamp < this.#first)) this.#first = timestamp;
    const key = { id, timestamp };
    if (this.#last === undefined || compareKeys(key, this.#last) >= 0) this.#last = key;
    else this.#isOrdered = false;
  }
}

function compareKeys(a: LineKey, b: LineKey): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}

/** Bytes of the lines in their new order; adjacent lines are copied together. */
async function* copyLines(file: FileHandle, lines: readonly LineRange[]): AsyncGenerator<Buffer> {
  for (let index = 0; index < lines.length; ) {
    const start = lines[index]?.start ?? 0;
    let end = lines[index]?.end ?? 0;
    for (index += 1; lines[index]?.start === end; index += 1) end = lines[index]?.end ?? end;
    yield* copyBytes(file, start, end);
  }
}

async function* copyBytes(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    // Truncated since it was scanned: another program writes here, so the rewrite is given up.
    if (bytesRead === 0) throw new RangeError('a line file was truncated while it was sorted');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Whether a process that was killed may have left unsynced lines. */
function isRecent(mtimeMs: number): boolean {
  return Date.now() - mtimeMs < UNSYNCED_MS;
}

function isBlank({ start, end, isTerminated }: Line): boolean {
  return isTerminated && end - start === 1;
}

/** Undefined for a line that is not JSON or too long. */
function parsedOf({ bytes }: Line): unknown {
  return bytes && parseJson(bytes.toString('utf8'));
}
