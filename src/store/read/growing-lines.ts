import { type FileHandle, lstat } from 'node:fs/promises';
import { errnoOf } from '../../errors.ts';
import { isJsonObject } from '../../model/json.ts';
import { isGoodLine, readLines } from '../../system/lines.ts';
import { gzipPath } from '../compress.ts';
import { type TaskFile, taskFile } from '../layout.ts';
import { openStored } from '../stored-file.ts';
import { openTaskLines } from '../task-file.ts';

const CHUNK_BYTES = 262_144;

/** As readers of whole files have it: a longer line is none of ours. */
const LINE_BYTES_MAX = 16 * 1_048_576;

const NEWLINE = 0x0a;

/**
 * A line file of a task that is being written. Its writer only appends, until it puts the file in order and replaces
 * it, or gzips it: then the whole is read again, and only what is new in it is given.
 */
export class GrowingLines {
  readonly #logDir: string;
  readonly #taskId: string;
  readonly #file: TaskFile;
  readonly #path: string;
  #handle: FileHandle | undefined;
  /** Where the first line begins that was not whole yet: what stands there may still be cut away and written anew. */
  #position = 0;
  /** Ids that were given, once the file has been replaced. Before that its own order tells what is new. */
  #given: Set<string> | undefined;
  #gzipRead = false;

  constructor(logDir: string, taskId: string, file: TaskFile) {
    this.#logDir = logDir;
    this.#taskId = taskId;
    this.#file = file;
    this.#path = taskFile(logDir, taskId, file);
  }

  /** The good lines that have come since the last call, in batches. */
  async *news(): AsyncGenerator<readonly string[]> {
    for (;;) {
      if (this.#handle === undefined && !(await this.#tryOpen())) {
        yield* this.#gzipped();
        return;
      }
      yield* this.#rest();
      if (!(await this.#isReplaced())) return;
      await this.#leave();
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #tryOpen(): Promise<boolean> {
    const opened = await openStored({ path: this.#path, what: `a line file of task ${this.#taskId}` });
    this.#handle = opened?.handle;
    this.#position = 0;
    return opened !== undefined;
  }

  async *#rest(): AsyncGenerator<readonly string[]> {
    const handle = this.#handle;
    if (handle === undefined) return;
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const open = new OpenLine();
    for (let position = this.#position; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const lines = this.#fresh(open.push(buffer.subarray(0, bytesRead)));
      this.#position = position - open.bytes;
      if (lines.length > 0) yield lines;
    }
  }

  /** A file that was gzipped has come to its end: once is enough. */
  async *#gzipped(): AsyncGenerator<readonly string[]> {
    if (this.#gzipRead) return;
    const opened = await openTaskLines(this.#logDir, this.#taskId, this.#file);
    if (opened === undefined) return;
    this.#gzipRead = true;
    this.#given ??= new Set();
    try {
      for await (const batch of opened.lines()) {
        const lines = this.#fresh(batch);
        if (lines.length > 0) yield lines;
      }
    } finally {
      await opened.close();
    }
  }

  /** Another file stands under the name, or this one was cut (a torn line is, after a crash). */
  async #isReplaced(): Promise<boolean> {
    const own = await this.#handle?.stat();
    if (own === undefined) return false;
    if (own.size < this.#position) return true;
    try {
      const { ino, dev } = await lstat(this.#path);
      return ino !== own.ino || dev !== own.dev;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return isThere(gzipPath(this.#path));
    }
  }

  /** What was given from the file that is left is known by its ids from now on. */
  async #leave(): Promise<void> {
    const handle = this.#handle;
    if (handle !== undefined && this.#given === undefined) {
      const given = new Set<string>();
      for await (const batch of readLines(handle, this.#position))
        for (const line of batch) if (isGoodLine(line)) given.add(idOf(line));
      this.#given = given;
    }
    await this.close();
  }

  #fresh(lines: readonly (string | undefined)[]): readonly string[] {
    const given = this.#given;
    return lines.filter(isGoodLine).filter((line) => {
      if (given === undefined) return true;
      const id = idOf(line);
      return given.size !== given.add(id).size;
    });
  }
}

/** Bytes in, lines out; the last one is held until its newline comes. */
class OpenLine {
  #pieces: Buffer[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): (string | undefined)[] {
    const lines: (string | undefined)[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#hold(chunk.subarray(start, end));
      lines.push(this.#bytes > LINE_BYTES_MAX ? undefined : Buffer.concat(this.#pieces).toString('utf8'));
      this.#pieces = [];
      this.#bytes = 0;
      start = end + 1;
    }
    this.#hold(chunk.subarray(start));
    return lines;
  }

  #hold(piece: Buffer): void {
    this.#bytes += piece.length;
    // Copied, because the chunk is read into again.
    if (this.#bytes <= LINE_BYTES_MAX) this.#pieces.push(Buffer.from(piece));
    else this.#pieces = [];
  }
}

/** A line that names none is known by itself. */
function idOf(line: string): string {
  const value: unknown = JSON.parse(line);
  const id = isJsonObject(value) ? value.event_id : undefined;
  return typeof id === 'string' ? id : line;
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
