import type { FileHandle } from 'node:fs/promises';
import { parseObject } from '../../model/json.ts';
import { isMark } from '../../model/sender.ts';
import { type Line, readLines } from '../../system/lines.ts';
import { lstatIfPresent } from '../../system/optional-files.ts';
import { gzipPath } from '../compress.ts';
import { type TaskFile, taskFile } from '../layout.ts';
import { openStored } from '../stored-file.ts';
import { hasTaskDir, openTaskLines, storedText } from '../task-file.ts';

/**
 * Follows a line file of a task that is being written. The store appends to it until it reorders and replaces the
 * file, or gzips it: then the whole file is read again and only new lines are returned.
 */
export class GrowingLines {
  readonly #logDir: string;
  readonly #taskId: string;
  readonly #file: TaskFile;
  readonly #path: string;
  #handle: FileHandle | undefined;
  /** Offset of the first incomplete line: a torn line may still be cut and written again. */
  #position = 0;
  /** Ids of returned lines, once the file was replaced. Before that the offset separates old and new lines. */
  #returnedIds: Set<string> | undefined;
  #isGzipRead = false;

  constructor(logDir: string, taskId: string, file: TaskFile) {
    this.#logDir = logDir;
    this.#taskId = taskId;
    this.#file = file;
    this.#path = taskFile(logDir, taskId, file);
  }

  /** Valid lines added since the last call, in batches. */
  async *news(): AsyncGenerator<readonly string[]> {
    for (;;) {
      if (this.#handle === undefined && !(await this.#openPlain())) {
        yield* this.#readGzipped();
        return;
      }
      yield* this.#readPlain();
      if (!(await this.#isReplaced())) return;
      await this.#leaveFile();
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #openPlain(): Promise<boolean> {
    if (!(await hasTaskDir(this.#logDir, this.#taskId))) return false;
    const opened = await openStored({ path: this.#path, what: `a line file of task ${this.#taskId}` });
    this.#handle = opened?.handle;
    this.#position = 0;
    return opened !== undefined;
  }

  async *#readPlain(): AsyncGenerator<readonly string[]> {
    const handle = this.#handle;
    if (handle === undefined) return;
    for await (const batch of readLines(handle, { from: this.#position })) {
      const whole = batch.filter(({ isTerminated }) => isTerminated);
      this.#position = whole.at(-1)?.end ?? this.#position;
      const lines = this.#newLines(whole);
      if (lines.length > 0) yield lines;
    }
  }

  /** A gzipped file is complete: it is read once. */
  async *#readGzipped(): AsyncGenerator<readonly string[]> {
    if (this.#isGzipRead) return;
    const opened = await openTaskLines(this.#logDir, this.#taskId, this.#file);
    if (opened === undefined) return;
    this.#isGzipRead = true;
    this.#returnedIds ??= new Set();
    try {
      for await (const batch of opened.lines()) {
        const lines = this.#newLines(batch);
        if (lines.length > 0) yield lines;
      }
    } finally {
      await opened.close();
    }
  }

  /** Whether the path is another file now, or this file was truncated (recovery cuts a torn line). */
  async #isReplaced(): Promise<boolean> {
    const own = await this.#handle?.stat();
    if (own === undefined) return false;
    if (own.size < this.#position) return true;
    const current = await lstatIfPresent(this.#path);
    if (current !== undefined) return current.ino !== own.ino || current.dev !== own.dev;
    return (await lstatIfPresent(gzipPath(this.#path)))?.isFile() === true;
  }

  /** Closes the file. From now on its returned lines are recognised by their ids. */
  async #leaveFile(): Promise<void> {
    const handle = this.#handle;
    if (handle !== undefined && this.#returnedIds === undefined) {
      const returnedIds = new Set<string>();
      for await (const batch of readLines(handle, { to: this.#position })) {
        for (const line of batch) {
          const text = storedText(line);
          if (text !== undefined) returnedIds.add(idOf(text));
        }
      }
      this.#returnedIds = returnedIds;
    }
    await this.close();
  }

  #newLines(lines: readonly Line[]): readonly string[] {
    const returnedIds = this.#returnedIds;
    return lines.flatMap((line) => {
      const text = storedText(line);
      if (text === undefined) return [];
      return returnedIds === undefined || returnedIds.size !== returnedIds.add(idOf(text)).size ? [text] : [];
    });
  }
}

/**
 * The whole line stands for the id when it has none. A record of the trail is another line than a copy that another sender has
 * sent before: the copy may say something else.
 */
function idOf(line: string): string {
  const { event_id: id, sender } = parseObject(line) ?? {};
  if (typeof id !== 'string') return line;
  return isMark(sender) ? `${id} ${sender}` : id;
}
