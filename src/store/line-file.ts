import { appendFile, open, readFile, truncate } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';
import { replaceFile } from './durable.ts';

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

/** Large enough that loading is bound by parsing, small enough not to be felt. */
const READ_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * A JSONL file that one writer appends to and that is its own dedupe state: the ids are read when it is opened. A torn
 * tail is cut then; a bad line stays and is counted.
 */
export class LineFile {
  readonly path: string;
  readonly #readKey: ReadKey;
  readonly #ids = new Set<string>();
  #size = 0;
  #last: LineKey | undefined;
  #first: string | undefined;
  #ordered = true;
  #badLines = 0;

  private constructor(path: string, readKey: ReadKey) {
    this.path = path;
    this.#readKey = readKey;
  }

  /** A file that is missing is an empty one; it comes into being with the first line. */
  static async open(path: string, readKey: ReadKey, onLine?: (line: unknown) => void): Promise<LineFile> {
    const file = new LineFile(path, readKey);
    await file.#load(onLine);
    return file;
  }

  get isOrdered(): boolean {
    return this.#ordered;
  }

  get badLines(): number {
    return this.#badLines;
  }

  /** The earliest and the latest time of a line; undefined while there is none. */
  get firstTimestamp(): string | undefined {
    return this.#first;
  }

  get lastTimestamp(): string | undefined {
    return this.#last?.timestamp;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Appends, in one write, the lines whose ids are new. Returns how many; when it throws, none of them is there. */
  async append(lines: readonly NewLine[]): Promise<number> {
    const fresh: NewLine[] = [];
    const seen = new Set<string>();
    for (const line of lines) {
      if (this.#ids.has(line.id) || seen.has(line.id)) continue;
      seen.add(line.id);
      fresh.push(line);
    }
    if (fresh.length === 0) return 0;
    const bytes = Buffer.from(`${fresh.map(({ text }) => text).join('\n')}\n`);
    try {
      await appendFile(this.path, bytes);
    } catch (error) {
      await this.#undo();
      throw error;
    }
    this.#size += bytes.length;
    for (const line of fresh) this.#remember(line);
    return fresh.length;
  }

  /** Puts the lines in order of (time, id) when one is out of place. A bad line stays behind the one before it. */
  async settle(): Promise<void> {
    if (this.#ordered) return;
    const texts = (await readFile(this.path, 'utf8')).split('\n').filter((text) => text !== '');
    let before: LineKey = { timestamp: '', id: '' };
    const lines = texts.map((text) => {
      before = this.#keyOf(text) ?? before;
      return { text, key: before };
    });
    lines.sort((a, b) => compareKeys(a.key, b.key));
    await replaceFile(this.path, `${lines.map(({ text }) => text).join('\n')}\n`);
    this.#last = lines.at(-1)?.key;
    this.#ordered = true;
  }

  async #load(onLine?: (line: unknown) => void): Promise<void> {
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(this.path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    let rest = Buffer.alloc(0);
    try {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
        if (bytesRead === 0) break;
        rest = this.#loadLines(Buffer.concat([rest, buffer.subarray(0, bytesRead)]), onLine);
      }
    } finally {
      await handle.close();
    }
    if (rest.length > 0) {
      this.#badLines += 1;
      await truncate(this.path, this.#size);
    }
  }

  /** Returns what is after the last newline. */
  #loadLines(bytes: Buffer, onLine?: (line: unknown) => void): Buffer<ArrayBuffer> {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (end > start) this.#loadLine(bytes.toString('utf8', start, end), onLine);
      start = end + 1;
    }
    this.#size += start;
    return Buffer.from(bytes.subarray(start));
  }

  #loadLine(text: string, onLine?: (line: unknown) => void): void {
    try {
      const line: unknown = JSON.parse(text);
      const key = this.#readKey(line);
      if (key === undefined) this.#badLines += 1;
      else {
        this.#remember(key);
        onLine?.(line);
      }
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#badLines += 1;
    }
  }

  #keyOf(text: string): LineKey | undefined {
    try {
      return this.#readKey(JSON.parse(text));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return undefined;
    }
  }

  #remember({ id, timestamp }: LineKey): void {
    this.#ids.add(id);
    if (this.#first === undefined || timestamp < this.#first) this.#first = timestamp;
    const key = { id, timestamp };
    if (this.#last === undefined || compareKeys(key, this.#last) >= 0) this.#last = key;
    else this.#ordered = false;
  }

  /** A write that failed half-way must not leave half a line for the next one to be glued to. */
  async #undo(): Promise<void> {
    try {
      await truncate(this.path, this.#size);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

export function compareKeys(a: LineKey, b: LineKey): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
