import { access, constants } from 'node:fs/promises';
import type { Books } from '../../books.ts';
import { errnoOf, messageOf, TasktrailError } from '../../errors.ts';
import { adviceOn } from '../../system/disk-advice.ts';
import type { Entry } from './batch/sorted-batch.ts';
import { probeDisk } from './disk-probe.ts';
import type { OnRefused } from './open-units.ts';

/** Errors of a single file (a directory in its place, permissions, a limit): other files may still be writable. */
const FILE_ERRORS = new Set(
  'EACCES EEXIST EFBIG EINVAL EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR ENXIO EPERM'.split(' '),
);

/** Files that are remembered, and those that a notice names. */
const REFUSED_MAX = 100;
const SHOWN_MAX = 3;

/** A disk without room for a new file refuses that too, so a new file shows that it is over. */
const ROOM_ERRORS = new Set('EDQUOT EMFILE ENFILE ENOSPC EROFS'.split(' '));

/** Other errors may concern one part of the disk. Senders retry within 5 seconds; after this time, this one does not come again. */
const RETRY_WINDOW_MS = 6_000;

export interface RefusalsOptions {
  /** The directories in which is written. */
  readonly directories: readonly [logDir: string, ...others: string[]];
  readonly books: Books;
  readonly now: () => number;
  /** Default: writes a file and removes it. */
  readonly probe?: (dir: string) => Promise<void>;
}

interface Blocked {
  readonly atMs: number;
  readonly isRoom: boolean;
}

/** Classifies write errors: an error of one file must not stop writing to all others, an error of the disk does. */
export class Refusals {
  readonly #directories: RefusalsOptions['directories'];
  readonly #books: Books;
  readonly #now: () => number;
  readonly #probe: (dir: string) => Promise<void>;
  /** Files that cannot be written while others can, with the reasons. */
  readonly #refused = new Map<string, string>();
  /** Files whose last write failed with an error of the disk. */
  readonly #blocked = new Map<string, Blocked>();

  constructor({ directories, books, now, probe = probeDisk }: RefusalsOptions) {
    this.#directories = directories;
    this.#books = books;
    this.#now = now;
    this.#probe = probe;
  }

  /**
   * Returns the reason when only `what` is affected; throws a retryable `ERR_STORE_UNAVAILABLE` for an error of the
   * disk.
   */
  async refuse(what: string, error: unknown): Promise<string> {
    // Its reason is known: the directory is not held, or a sync has failed.
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE') throw error;
    const reason = `cannot write ${what}: ${messageOf(error)}`;
    if (!isOneFile(error) || !(await isWritable(this.#directories[0]))) {
      this.#blocked.set(what, { atMs: this.#now(), isRoom: ROOM_ERRORS.has(errnoOf(error) ?? '') });
      this.#books.setReason('store', `${reason}. ${adviceOn(error)}`);
      throw unavailable(reason, error);
    }
    this.#refused.delete(what);
    this.#refused.set(what, reason);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest);
    this.#showRefused();
    return reason;
  }

  /**
   * Records a successful write. It clears only its own file: a full disk still accepts small writes into allocated
   * blocks.
   */
  clear(what: string): void {
    if (this.#blocked.delete(what) && this.#blocked.size === 0) this.#books.setReason('store', undefined);
    if (this.#refused.delete(what)) this.#showRefused();
  }

  /**
   * Forgets the refusals of a disk that takes new files again: their senders may never come again. Whether the disk is well as far
   * as is known. To be called again and again.
   */
  async look(): Promise<boolean> {
    if (this.#blocked.size === 0) return true;
    const before = [...this.#blocked];
    try {
      for (const directory of this.#directories) await this.#probe(directory);
    } catch (error) {
      if (this.#blocked.size > 0)
        this.#books.setReason('store', `the disk takes no new file: ${messageOf(error)}. ${adviceOn(error)}`);
      return false;
    }
    for (const [what, blocked] of before) {
      const isOver = blocked.isRoom || this.#now() - blocked.atMs > RETRY_WINDOW_MS;
      // Refused again meanwhile: another entry.
      if (isOver && this.#blocked.get(what) === blocked) this.#blocked.delete(what);
    }
    if (this.#blocked.size === 0) this.#books.setReason('store', undefined);
    return true;
  }

  /** The newest reasons. */
  #showRefused(): void {
    const reasons = [...this.#refused.values()].reverse();
    const more = reasons.length > SHOWN_MAX ? `; and ${reasons.length - SHOWN_MAX} more` : '';
    const text = reasons.slice(0, SHOWN_MAX).join('; ') + more;
    this.#books.setNotice('store', reasons.length === 0 ? undefined : text);
  }
}

/** Collects the records that a unit refuses, and counts each once. */
export class Refusal {
  readonly records: Set<number> = new Set();
  readonly #entries: readonly Entry<unknown>[];
  readonly #refused: Map<number, string>;
  readonly #books: Books;

  constructor(entries: readonly Entry<unknown>[], refused: Map<number, string>, books: Books) {
    this.#entries = entries;
    this.#refused = refused;
    this.#books = books;
  }

  /** `index`: place of the record among the entries. */
  readonly add: OnRefused = (index, reason, drop) => {
    const record = this.#entries[index]?.record ?? -1;
    if (!this.records.has(record)) this.#books.countDropped(drop, 1);
    this.records.add(record);
    this.#refused.set(record, reason);
  };
}

export function unavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
}

/** Whether an error concerns a single file; all others concern the disk or the process. */
function isOneFile(error: unknown): boolean {
  const errno = errnoOf(error);
  // UNKNOWN: a number that Node has no name for. Without an errno it is a defect in handling this task's data, which a retry would repeat.
  return errno === undefined || !/^(?:E[A-Z0-9]+|UNKNOWN)$/.test(errno) || FILE_ERRORS.has(errno);
}

async function isWritable(dir: string): Promise<boolean> {
  try {
    await access(`${dir}/.`, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // Not a directory, no permission, or read-only.
    return false;
  }
}
