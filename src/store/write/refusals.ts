import { access, constants } from 'node:fs/promises';
import type { Books } from '../../books.ts';
import { errnoOf, messageOf, TasktrailError } from '../../errors.ts';
import type { OnRefused } from './open-units.ts';
import type { Entry } from './sorted-batch.ts';

/** Errors of a single file (a directory in its place, permissions, a limit): other files may still be writable. */
const FILE_ERRORS = new Set(
  'EACCES EEXIST EFBIG EINVAL EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR ENXIO EPERM'.split(' '),
);

/** Files that are remembered, and those that a notice names. */
const REFUSED_MAX = 100;
const SHOWN_MAX = 3;

/** Senders retry within about a second. After this much time without a retry, the sender has given up. */
const RETRY_WINDOW_MS = 30_000;

/** Classifies write errors: an error of one file must not stop writing to all others, an error of the disk does. */
export class Refusals {
  readonly #logDir: string;
  readonly #books: Books;
  readonly #now: () => number;
  /** Files that cannot be written while others can, with the reasons. */
  readonly #refused = new Map<string, string>();
  /** Files whose last write failed with an error of the disk. */
  readonly #blocked = new Set<string>();
  #refusedAtMs = 0;

  constructor(logDir: string, books: Books, now: () => number) {
    this.#logDir = logDir;
    this.#books = books;
    this.#now = now;
  }

  /**
   * Returns the reason when only `what` is affected; throws a retryable `ERR_STORE_UNAVAILABLE` for an error of the
   * disk.
   */
  async refuse(what: string, error: unknown): Promise<string> {
    // Its reason is known: the directory is not held, or a sync has failed.
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE') throw error;
    const reason = `cannot write ${what}: ${messageOf(error)}`;
    if (!isOneFile(error) || !(await isWritable(this.#logDir))) {
      this.#blocked.add(what);
      this.#refusedAtMs = this.#now();
      this.#books.setReason('store', reason);
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
    this.#blocked.delete(what);
    if (this.#now() - this.#refusedAtMs > RETRY_WINDOW_MS) this.#blocked.clear();
    if (this.#blocked.size === 0) this.#books.setReason('store', undefined);
    if (this.#refused.delete(what)) this.#showRefused();
  }

  /** The newest reasons. */
  #showRefused(): void {
    const reasons = [...this.#refused.values()].reverse();
    const more = reasons.length > SHOWN_MAX ? `; and ${reasons.length - SHOWN_MAX} more` : '';
    const text = reasons.slice(0, SHOWN_MAX).join('; ') + more;
    this.#books.setNotice('store', reasons.length === 0 ? undefined : text);
  }
}

/** Collects the records that a unit refuses, each once. */
export class Refusal {
  readonly records: Set<number> = new Set();
  /** How many of them, by drop reason. */
  readonly counts: Map<string, number> = new Map();
  readonly #entries: readonly Entry<unknown>[];
  readonly #refused: Map<number, string>;

  constructor(entries: readonly Entry<unknown>[], refused: Map<number, string>) {
    this.#entries = entries;
    this.#refused = refused;
  }

  /** `index`: place of the record among the entries. */
  readonly add: OnRefused = (index, reason, drop) => {
    const record = this.#entries[index]?.record ?? -1;
    if (!this.records.has(record)) this.counts.set(drop, (this.counts.get(drop) ?? 0) + 1);
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
  // Without an errno it is a defect in handling this task's data, which a retry would repeat.
  return errno === undefined || !/^E[A-Z0-9]+$/.test(errno) || FILE_ERRORS.has(errno);
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
