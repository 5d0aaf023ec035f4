import { type FileHandle, lstat } from 'node:fs/promises';
import { errnoOf } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import { type Line, readLines } from '../../system/lines.ts';
import { gzipPath } from '../compress.ts';
import { type TaskFile, taskFile } from '../layout.ts';
import { openStored } from '../stored-file.ts';
import { openTaskLines, storedText } from '../task-file.ts';

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
    for await (const batch of readLines(handle, { from: this.#position })) {
      const whole = batch.filter(({ isTerminated }) => isTerminated);
      this.#position = whole.at(-1)?.end ?? this.#position;
      const lines = this.#fresh(whole);
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
      for await (const batch of readLines(handle, { to: this.#position })) {
        for (const line of batch) {
          const text = storedText(line);
          if (text !== undefined) given.add(idOf(text));
        }
      }
      this.#given = given;
    }
    await this.close();
  }

  #fresh(lines: readonly Line[]): readonly string[] {
    const given = this.#given;
    return lines.flatMap((line) => {
      const text = storedText(line);
      if (text === undefined) return [];
      return given === undefined || given.size !== given.add(idOf(text)).size ? [text] : [];
    });
  }
}

/** A line that names none is known by itself. */
function idOf(line: string): string {
  const id = parseObject(line)?.event_id;
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
