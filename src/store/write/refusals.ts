import { access, constants } from 'node:fs/promises';
import type { Books } from '../../books.ts';
import { errnoOf, messageOf, TasktrailError } from '../../errors.ts';

/** A directory where a file should be, rights, a limit: the next task's files may be well. */
const FILE_ERRORS = new Set(
  'EACCES EEXIST EFBIG EINVAL EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR ENXIO EPERM'.split(' '),
);

/** Whoever is refused comes again within a second or so: after so long it has given up, and the disk is judged anew. */
const FORGOTTEN_MS = 30_000;

/** What the disk refuses, and what that means: one file that must not hold up all others, or all of it. */
export class Refusals {
  readonly #logDir: string;
  readonly #books: Books;
  readonly #now: () => number;
  /** What the notice speaks of. */
  #refused: string | undefined;
  /** What the disk has refused and not taken since. */
  readonly #waiting = new Set<string>();
  #refusedAtMs = 0;

  constructor(logDir: string, books: Books, now: () => number) {
    this.#logDir = logDir;
    this.#books = books;
    this.#now = now;
  }

  /** The reason, when it is about `what` alone; throws a retryable `ERR_STORE_UNAVAILABLE` when it is about the disk. */
  async refuse(what: string, error: unknown): Promise<string> {
    const reason = `cannot write ${what}: ${messageOf(error)}`;
    if (!isOneFile(error) || !(await isWritable(this.#logDir))) {
      this.#waiting.add(what);
      this.#refusedAtMs = this.#now();
      this.#books.setReason('store', reason);
      throw unavailable(reason, error);
    }
    this.#refused = what;
    this.#books.setNotice('store', reason);
    return reason;
  }

  /** A write that succeeded says that this file is in order. On a full disk some still are: the last bytes of a block. */
  clear(what: string): void {
    this.#waiting.delete(what);
    if (this.#now() - this.#refusedAtMs > FORGOTTEN_MS) this.#waiting.clear();
    if (this.#waiting.size === 0) this.#books.setReason('store', undefined);
    if (this.#refused !== what) return;
    this.#refused = undefined;
    this.#books.setNotice('store', undefined);
  }
}

export function unavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
}

/** Whether an error speaks of one file; all others speak of the disk, or of the process as a whole. */
function isOneFile(error: unknown): boolean {
  const errno = errnoOf(error);
  // Without an errno it is a fault of ours over this one task's data, which will be the same next time.
  return errno === undefined || !/^E[A-Z0-9]+$/.test(errno) || FILE_ERRORS.has(errno);
}

async function isWritable(dir: string): Promise<boolean> {
  try {
    await access(`${dir}/.`, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // Not a directory any more, not ours any more, or read-only by now.
    return false;
  }
}
