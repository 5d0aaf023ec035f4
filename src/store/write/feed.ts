import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { isoFromMs } from '../../model/time.ts';
import { makeDirectory } from '../../system/durable.ts';
import { readLines } from '../../system/lines.ts';
import { OWN_NAMES } from '../layout.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { appendWhole, type NewLine } from './line-file.ts';

const FEED_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/**
 * All workflow events in the order of storing, in files by the day of storing. Written before the workflow's own file,
 * so that whoever follows the feed never hears later than whoever reads the file.
 */
export class Feed {
  readonly #dir: string;
  readonly #now: () => number;
  readonly #queue = new KeyedQueue();
  /** The file whose end is known to be whole. */
  #path: string | undefined;

  constructor(workflowDir: string, now: () => number) {
    this.#dir = join(workflowDir, OWN_NAMES.feed);
    this.#now = now;
  }

  /** Appends lines that were never in the feed, in one write; see `missing` for those of which nobody knows. */
  async append(lines: readonly NewLine[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#queue.run('', async () => {
      const path = await this.#today();
      try {
        await appendWhole(path, Buffer.from(lines.map(({ text }) => `${text}\n`).join('')));
      } catch (error) {
        this.#path = undefined;
        throw error;
      }
    });
  }

  /** Of these ids those that are in no file of the feed. Reads all of it: for what a crash has left unclear. */
  async missing(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const left = new Set(ids);
    for (const name of (await this.#names()).reverse()) {
      if (left.size === 0) break;
      const file = await open(join(this.#dir, name), 'r');
      try {
        // A torn line is cut before the next append, so its event is missing.
        for await (const lines of readLines(file))
          for (const { bytes, isTerminated } of lines)
            for (const id of left) if (isTerminated && bytes?.includes(id)) left.delete(id);
      } finally {
        await file.close();
      }
    }
    return left;
  }

  /** Never an older file than the newest: readers that have left a file behind do not come back to it. */
  async #today(): Promise<string> {
    const names = await this.#names();
    const today = `${isoFromMs(this.#now()).slice(0, 10)}.jsonl`;
    const newest = names.at(-1);
    const path = join(this.#dir, newest !== undefined && newest > today ? newest : today);
    if (this.#path !== path) {
      await makeDirectory(this.#dir);
      await cutTornTail(path);
      this.#path = path;
    }
    return path;
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#dir)).filter((name) => FEED_FILE.test(name)).sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

/** A crash may have left a part of a line, which no reader was given: the next line must not be glued to it. */
async function cutTornTail(path: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'r+');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    for await (const lines of readLines(file)) {
      const last = lines.at(-1);
      if (last?.isTerminated === false) await file.truncate(last.start);
    }
  } finally {
    await file.close();
  }
}
