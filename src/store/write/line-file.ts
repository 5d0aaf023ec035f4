import { fstat, ftruncate } from 'node:fs';
import { type FileHandle, open, stat, truncate } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errnoOf } from '../../errors.ts';
import { parseJson } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { withFile, writeWhole } from '../../system/descriptor.ts';
import { replaceFile } from '../../system/durable.ts';
import { type Line, NEWLINE, readLines } from '../../system/lines.ts';

/** What the store must know of a line: its id for the dedupe, its place in the order. */
export interface LineKey {
  readonly id: string;
  readonly timestamp: string;
}

export interface NewLine extends LineKey {
  /** JSON on one line, without the newline. */
  readonly text: string;
}

export type ReadKey = (line: unknown) => LineKey | undefined;

/** A line and the bytes of the file that hold it. */
interface PlacedLine {
  readonly key: LineKey;
  readonly start: number;
  readonly end: number;
}

/** A settled file is copied in pieces: its size must not be felt in memory. */
const COPY_BYTES = 1024 * 1024;

const statFile = promisify(fstat);
const truncateFile = promisify(ftruncate);

/** The time of what came without one. */
const EPOCH = isoFromMs(0);

/**
 * A JSONL file that one writer appends to and that is its own dedupe state: the ids are read when it is opened. A torn
 * tail is cut then; a bad line stays and is counted.
 */
export class LineFile {
  readonly path: string;
  readonly #readKey: ReadKey;
  readonly #ids = new Set<string>();
  #last: LineKey | undefined;
  #first: string | undefined;
  #ordered = true;
  /** Bytes that we know of: more in the file were written by somebody else. */
  #size = 0;
  /** Whether a line stands there twice: two processes have held the directory at the same moment. */
  #repeated = false;
  #badLines = 0;

  private constructor(path: string, readKey: ReadKey) {
    this.path = path;
    this.#readKey = readKey;
  }

  /** A file that is known not to be there; it comes into being with the first line. */
  static begin(path: string, readKey: ReadKey): LineFile {
    return new LineFile(path, readKey);
  }

  /** Reads a file back; one that is missing is begun. */
  static async open(path: string, readKey: ReadKey, onLine?: (line: unknown) => void): Promise<LineFile> {
    const file = new LineFile(path, readKey);
    await file.#load(onLine);
    return file;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  get isOrdered(): boolean {
    return this.#ordered;
  }

  get badLines(): number {
    return this.#badLines;
  }

  /** The earliest time that a line gives; undefined while there is none. */
  get firstTimestamp(): string | undefined {
    return this.#first;
  }

  get lastTimestamp(): string | undefined {
    return this.#last?.timestamp;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /**
   * Appends, in one write, the lines whose ids are new, and returns how many. When it throws, some of them may be there
   * and the file must be opened anew.
   */
  async append(lines: readonly NewLine[]): Promise<number> {
    const fresh: NewLine[] = [];
    for (const line of lines) {
      const before = this.#ids.size;
      if (this.#ids.add(line.id).size > before) fresh.push(line);
    }
    if (fresh.length === 0) return 0;
    const bytes = Buffer.from(`${fresh.map(({ text }) => text).join('\n')}\n`);
    await appendWhole(this.path, bytes);
    this.#size += bytes.length;
    for (const line of fresh) this.#place(line);
    return fresh.length;
  }

  /**
   * Puts the lines in order of (time, id) when one is out of place, and takes out what stands there twice. A bad line
   * stays behind the one before it. True when it had to write.
   */
  async settle(): Promise<boolean> {
    const isNeeded = !this.#ordered || (await this.#isForeign());
    if (isNeeded) await this.#rewrite();
    return isNeeded;
  }

  /** As `settle`, for a file whose order means nothing. */
  async heal(): Promise<void> {
    if (await this.#isForeign()) await this.#rewrite();
  }

  async #isForeign(): Promise<boolean> {
    if (this.#repeated) return true;
    try {
      return (await stat(this.path)).size !== this.#size;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async #rewrite(): Promise<void> {
    const file = await open(this.path, 'r');
    try {
      const lines: PlacedLine[] = [];
      const seen = new Set<string>();
      let key: LineKey = { timestamp: '', id: '' };
      for await (const batch of readLines(file)) {
        for (const line of batch) {
          // A blank line, and a torn one behind the last newline, are left out.
          if (!line.isTerminated || isBlank(line)) continue;
          const own = this.#keyOf(line);
          if (own !== undefined && seen.size === seen.add(own.id).size) continue;
          key = own ?? key;
          lines.push({ key, start: line.start, end: line.end });
        }
      }
      lines.sort((a, b) => compareKeys(a.key, b.key));
      await replaceFile(this.path, copyLines(file, lines));
      for (const id of seen) this.#ids.add(id);
      this.#last = lines.at(-1)?.key;
      this.#size = lines.reduce((sum, { start, end }) => sum + end - start, 0);
      this.#ordered = true;
      this.#repeated = false;
    } finally {
      await file.close();
    }
  }

  async #load(onLine?: (line: unknown) => void): Promise<void> {
    let file: FileHandle;
    try {
      file = await open(this.path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    try {
      for await (const batch of readLines(file)) {
        for (const line of batch) {
          if (!line.isTerminated) await this.#repairTail(line, onLine);
          else {
            this.#size = line.end;
            if (!isBlank(line)) this.#loadLine(line, onLine);
          }
        }
      }
    } finally {
      await file.close();
    }
  }

  /** Cuts a torn tail, which is never a whole object. A whole line gets the newline that an editor left out. */
  async #repairTail(tail: Line, onLine?: (value: unknown) => void): Promise<void> {
    if (this.#keyOf(tail) === undefined) {
      this.#badLines += 1;
      await truncate(this.path, tail.start);
      return;
    }
    await appendWhole(this.path, Buffer.from('\n'));
    this.#size = tail.end + 1;
    this.#loadLine(tail, onLine);
  }

  #loadLine(line: Line, onLine?: (value: unknown) => void): void {
    const value = parsedOf(line);
    const key = this.#readKey(value);
    if (key === undefined) this.#badLines += 1;
    else if (this.#ids.has(key.id)) this.#repeated = true;
    else {
      this.#ids.add(key.id);
      this.#place(key);
      onLine?.(value);
    }
  }

  #keyOf(line: Line): LineKey | undefined {
    return this.#readKey(parsedOf(line));
  }

  #place({ id, timestamp }: LineKey): void {
    if (timestamp > EPOCH && (this.#first === undefined || timestamp < this.#first)) this.#first = timestamp;
    const key = { id, timestamp };
    if (this.#last === undefined || compareKeys(key, this.#last) >= 0) this.#last = key;
    else this.#ordered = false;
  }
}

export function compareKeys(a: LineKey, b: LineKey): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}

/**
 * A write that fails half-way must not leave half a line for the next one to be glued to. Whole lines stay: somebody
 * who follows the file may have read them.
 */
export async function appendWhole(path: string, bytes: Buffer): Promise<void> {
  await withFile(path, 'a', async (fd) => {
    let done = 0;
    try {
      await writeWhole(fd, bytes, (count) => {
        done = count;
      });
    } catch (error) {
      const torn = done - 1 - bytes.subarray(0, done).lastIndexOf(NEWLINE);
      if (torn > 0) await truncateFile(fd, (await statFile(fd)).size - torn);
      throw error;
    }
  });
}

/** The bytes of the lines in their new order; neighbours that stay neighbours are copied together. */
async function* copyLines(file: FileHandle, lines: readonly PlacedLine[]): AsyncGenerator<Buffer> {
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
    // Shorter than when it was scanned: somebody else writes here, and what is left must stay as it is.
    if (bytesRead === 0) throw new RangeError('a line file became shorter while it was put in order');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function isBlank({ start, end, isTerminated }: Line): boolean {
  return isTerminated && end - start === 1;
}

/** Undefined for a line that is not JSON, or too long. */
function parsedOf({ bytes }: Line): unknown {
  return bytes && parseJson(bytes.toString('utf8'));
}
