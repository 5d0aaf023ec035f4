import type { Books } from '../../../books.ts';
import { messageOf } from '../../../errors.ts';
import { replaceFile } from '../../../system/durable.ts';
import { lstatIfPresent } from '../../../system/files/optional-files.ts';
import { openSafeHandle } from '../../../system/files/safe-open.ts';
import { unavailable } from '../refusals.ts';

/** Memory for lines of files whose sync has failed. Beyond it appends are refused, and their senders keep the records. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

/** Piece size when a file is written again, so that memory does not grow with the file. */
const COPY_BYTES = 1024 * 1024;

const PART = 'store sync';

/** A file and what was appended to it since its last successful sync. */
export interface Unsynced {
  readonly path: string;
  readonly inode: number;
  /** The task, workflow or folder of the file. */
  readonly unit: string;
  /** Bytes of the last successful sync. */
  readonly syncedBytes: number;
  readonly chunks: Buffer[];
}

interface Distrusted extends Unsynced {
  reason: string;
  repair: Promise<void> | undefined;
}

/**
 * Files whose fsync has failed. The kernel may have dropped the data and reports that once, so a second fsync proves
 * nothing: the synced part is copied into a new file, followed by the lines since then, which are kept in memory.
 */
export class DistrustedFiles {
  readonly #books: Books;
  readonly #files = new Map<string, Distrusted>();
  #rewritten = 0;

  constructor(books: Books) {
    this.#books = books;
  }

  add(file: Unsynced, error: unknown): void {
    const reason = messageOf(error);
    this.#files.set(file.path, { ...file, chunks: [...file.chunks], reason, repair: undefined });
    this.#books.countFailedSyncs();
    this.#report();
  }

  /** Adds lines that were appended to a distrusted file. False when it is not distrusted. */
  take({ path, inode, chunks }: Pick<Unsynced, 'path' | 'inode' | 'chunks'>): boolean {
    const known = this.#files.get(path);
    if (known?.inode !== inode) return false;
    known.chunks.push(...chunks);
    return true;
  }

  /** Throws `ERR_STORE_UNAVAILABLE` while too many lines are kept. */
  checkRoom(): void {
    if (this.#files.size === 0) return;
    let bytes = 0;
    for (const { chunks } of this.#files.values()) for (const { length } of chunks) bytes += length;
    if (bytes > KEPT_BYTES_MAX) throw unavailable('too many lines wait for a disk whose fsync fails');
  }

  pathsOf(unit: string): string[] {
    return [...this.#files.values()].filter((file) => file.unit === unit).map(({ path }) => path);
  }

  get paths(): string[] {
    return [...this.#files.keys()];
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /**
   * Writes a distrusted file into a new one. Throws `ERR_STORE_UNAVAILABLE` when that fails, and the lines stay in
   * memory. `idle` resolves when no append to the file is in progress.
   */
  async repair(path: string, idle: () => Promise<unknown>): Promise<void> {
    const file = this.#files.get(path);
    if (file === undefined) return;
    file.repair ??= this.#rewrite(file, idle).finally(() => {
      file.repair = undefined;
    });
    await file.repair;
  }

  async #rewrite(file: Distrusted, idle: () => Promise<unknown>): Promise<void> {
    const { path } = file;
    try {
      await idle();
      // Another inode: it was replaced by a synced file, or removed.
      if ((await lstatIfPresent(path))?.ino === file.inode) {
        await replaceFile(path, wholeContent(file));
        this.#rewritten += 1;
      }
      this.#files.delete(path);
      this.#report();
    } catch (error) {
      file.reason = messageOf(error);
      this.#report();
      throw unavailable(`cannot sync ${path}: ${file.reason}`, error);
    }
  }

  #report(): void {
    const [first] = this.#files.values();
    const count = this.#files.size;
    const files = count === 1 ? '1 file' : `${count} files`;
    const reason =
      first &&
      `fsync has failed for ${files}, which must be written again; senders keep their records: ${first.reason}`;
    this.#books.setReason(PART, reason);
    if (this.#rewritten > 0) {
      this.#books.setNotice(PART, `${this.#rewritten} files were written again because fsync had failed`);
    }
  }
}

async function* wholeContent({ path, syncedBytes, chunks }: Unsynced): AsyncGenerator<Uint8Array> {
  const file = await openSafeHandle(path, 'r');
  try {
    for (let at = 0; at < syncedBytes; ) {
      const piece = Buffer.allocUnsafe(Math.min(COPY_BYTES, syncedBytes - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new RangeError(`${path} was truncated`);
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  yield* chunks;
}
