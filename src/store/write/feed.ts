import { dirname, join } from 'node:path';
import { isoFromMs } from '../../model/time.ts';
import { makeDirectory } from '../../system/durable.ts';
import { namesIn, openIfPresent } from '../../system/files/optional-files.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { openSafeHandle } from '../../system/files/safe-open.ts';
import { checkLease } from '../../system/lease-guard.ts';
import { readLines } from '../../system/lines.ts';
import { DAY_FILE, OWN_NAMES } from '../layout.ts';
import { levelsOf } from '../workflow-place.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NewLine } from './lines/line-file.ts';
import { type LineWriter, UNSYNCED } from './lines/line-writer.ts';

/**
 * All workflow events in the order of storing, in files by the day of storing. An event is written to the feed before
 * the workflow's own file, so that a follower of the feed never sees it later than a reader of the file.
 */
export class Feed {
  readonly #dir: string;
  readonly #now: () => number;
  readonly #writer: LineWriter;
  readonly #queue = new KeyedQueue();
  /** File that is known to end with a complete line. */
  #path: string | undefined;

  constructor(workflowDir: string, now: () => number, writer: LineWriter = UNSYNCED) {
    this.#writer = writer;
    this.#dir = join(workflowDir, OWN_NAMES.feed);
    this.#now = now;
  }

  /** Appends lines in one write. They must not be in the feed yet: see `missing`. */
  async append(lines: readonly NewLine[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#queue.run('', async () => {
      const path = await this.#today();
      try {
        await this.#writer.append(path, Buffer.from(lines.map(({ text }) => `${text}\n`).join('')));
      } catch (error) {
        this.#path = undefined;
        throw error;
      }
    });
  }

  /**
   * Returns the ids that are not in the feed. Reads all of its files: only for events of which a crash left the state
   * unknown.
   */
  async missing(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const remaining = new Set(ids);
    for (const name of (await this.#names()).reverse()) {
      if (remaining.size === 0) break;
      const file = await openSafeHandle(join(this.#dir, name), 'r');
      try {
        // A torn line is cut before the next append, so its event counts as missing.
        for await (const lines of readLines(file))
          for (const { bytes, isTerminated } of lines)
            for (const id of remaining) if (isTerminated && bytes?.includes(id)) remaining.delete(id);
      } finally {
        await file.close();
      }
    }
    return remaining;
  }

  /**
   * Never older than the newest existing file (the clock may go back): readers do not return to a file they have
   * left.
   */
  async #today(): Promise<string> {
    checkFolders(this.#dir, levelsOf(dirname(this.#dir)) + 1);
    const names = await this.#names();
    const today = `${isoFromMs(this.#now()).slice(0, 10)}.jsonl`;
    const newest = names.at(-1);
    const path = join(this.#dir, newest !== undefined && newest > today ? newest : today);
    if (this.#path !== path) {
      await makeDirectory(this.#dir);
      await this.#writer.trust(path);
      if (await cutTornTail(path)) await this.#writer.adopt(path);
      this.#path = path;
    }
    return path;
  }

  async #names(): Promise<string[]> {
    return (await namesIn(this.#dir)).filter((name) => DAY_FILE.test(name)).sort();
  }
}

/** A crash may leave a torn line, which readers skip: the next line must not continue it. False without a file. */
async function cutTornTail(path: string): Promise<boolean> {
  const file = await openIfPresent(path, 'r+');
  if (file === undefined) return false;
  try {
    for await (const lines of readLines(file)) {
      const last = lines.at(-1);
      if (last?.isTerminated !== false) continue;
      checkLease();
      await file.truncate(last.start);
    }
    return true;
  } finally {
    await file.close();
  }
}
