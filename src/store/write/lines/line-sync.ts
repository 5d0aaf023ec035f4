import { closeSync, fdatasync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Books } from '../../../books.ts';
import { errnoOf } from '../../../errors.ts';
import { DEFAULT_FSYNC, type FsyncMode } from '../../../model/fsync-mode.ts';
import { fileMode } from '../../../system/files/modes.ts';
import { openToAppendSync } from '../../../system/files/safe-open.ts';
import { syncDirectory, syncMoment, wasSyncedSince } from '../../../system/files/sync-directory.ts';
import { DistrustedFiles, type Unsynced } from './distrusted-files.ts';
import { type LineWriter, UNSYNCED, writeLines } from './line-writer.ts';

/** Lines that arrive within this time are synced together: an answer is not noticeably later, and many share a sync. */
const GATHER_MS = 5;

/** Lines for which nothing waits are synced after this time, as those of the journal are. */
const LEFT_MS = 200;

/** Files of one sync. Each is open until then, and a process may have only some hundreds. */
const GROUP_FILES_MAX = 32;

/** Concurrent syncs: the file system joins them. As many as libuv has threads. */
const SYNC_WIDTH = 4;

const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS']);

const syncData = promisify(fdatasync);

interface OpenFile extends Unsynced {
  readonly fd: number;
  /** When its name was there, if that may not be durable. */
  readonly namedAt: number | undefined;
}

interface Group {
  readonly files: Map<string, OpenFile>;
  readonly units: Set<string>;
  readonly done: Promise<void>;
  finish(): void;
  isDue: boolean;
  isAwaited: boolean;
}

export interface LineSyncOptions {
  readonly mode?: FsyncMode | undefined;
  readonly books: Books;
  /** Number of requests whose lines are being written: the sync starts when all of them wait for it. */
  readonly writing: () => number;
}

/**
 * Appends lines and makes them durable in groups: one sync of a file covers all lines that were appended to it meanwhile.
 * A file stays open from the append to the sync, because the kernel reports a failed write only to those who have it open.
 */
export class LineSync {
  readonly #options: LineSyncOptions;
  readonly #mode: FsyncMode;
  readonly #distrusted: DistrustedFiles;
  /** Appends in progress, by path. */
  readonly #appending = new Map<string, Set<Promise<void>>>();
  #pending: Group | undefined;
  #running: Group | undefined;
  #waiting = 0;

  constructor(options: LineSyncOptions) {
    this.#options = options;
    this.#mode = options.mode ?? DEFAULT_FSYNC;
    this.#distrusted = new DistrustedFiles(options.books);
  }

  /** The writer of a task, workflow or folder. */
  of(unit: string): LineWriter {
    if (this.#mode === 'never') return UNSYNCED;
    return {
      append: (path, bytes) => this.#append({ unit, path, bytes }),
      adopt: (path) => this.#append({ unit, path, bytes: undefined }).catch(throwUnlessReadOnly),
      trust: (path) => this.#repair(path),
    };
  }

  /**
   * Resolves when the lines of these units so far are durable. Throws `ERR_STORE_UNAVAILABLE` when they may not be; the
   * lines stay in memory until they are.
   */
  async commit(units: ReadonlySet<string>): Promise<void> {
    const groups = [this.#running, this.#pending].filter((group) => hasAny(group, units));
    if (groups.length > 0) {
      this.#waiting += 1;
      this.#runIfComplete();
      if (groups.includes(this.#pending)) this.#runSoon(this.#pending);
      await Promise.all(groups.map((group) => group?.done));
      this.#waiting -= 1;
    }
    for (const unit of units) for (const path of this.#distrusted.pathsOf(unit)) await this.#repair(path);
  }

  /** Tries to write the files again whose sync has failed. */
  async retry(): Promise<void> {
    // The reason is in the books.
    for (const path of this.#distrusted.paths) await this.#repair(path).catch(() => undefined);
  }

  /** Syncs what was appended so far. */
  async flush(): Promise<void> {
    for (let group = this.#running ?? this.#pending; group !== undefined; ) {
      if (group === this.#pending) this.#run(group);
      await group.done;
      group = this.#running ?? this.#pending;
    }
    await this.retry();
  }

  async #append(lines: Lines): Promise<void> {
    const { path } = lines;
    this.#distrusted.checkRoom();
    while (this.#distrusted.has(path)) await this.#repair(path);
    const work = this.#write(lines);
    const all = this.#appending.get(path) ?? new Set();
    this.#appending.set(path, all.add(work));
    try {
      await work;
    } finally {
      all.delete(work);
      if (all.size === 0) this.#appending.delete(path);
    }
  }

  async #write({ unit, path, bytes }: Lines): Promise<void> {
    while (this.#isFull && this.#running !== undefined) await this.#running.done;
    const { fd, stats } = openToAppendSync(path, fileMode());
    const { ino, size } = stats;
    let file: OpenFile;
    try {
      const namedAt = size === 0 || bytes === undefined ? syncMoment() : undefined;
      if (bytes !== undefined) await writeLines(fd, bytes);
      const chunks = bytes === undefined ? [] : [bytes];
      file = { path, unit, fd, inode: ino, syncedBytes: size, namedAt, chunks };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#add(file);
  }

  /** Adds lines that were written. */
  #add(file: OpenFile): void {
    if (this.#distrusted.take(file)) {
      closeSync(file.fd);
      return;
    }
    let group = this.#pending;
    const known = group?.files.get(file.path);
    if (known?.inode === file.inode) {
      known.chunks.push(...file.chunks);
      closeSync(file.fd);
      return;
    }
    // The file was replaced: the lines before are in the new one.
    if (known !== undefined) closeSync(known.fd);
    group = this.#pending ?? this.#open();
    group.files.set(file.path, file);
    group.units.add(file.unit);
    if (this.#isFull) this.#runWhenFree(group);
  }

  get #isFull(): boolean {
    return (this.#pending?.files.size ?? 0) >= GROUP_FILES_MAX;
  }

  #open(): Group {
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const group: Group = {
      ...{ files: new Map(), units: new Set(), done, finish },
      ...{ isDue: false, isAwaited: false },
    };
    this.#pending = group;
    setTimeout(() => this.#runWhenFree(group), LEFT_MS).unref();
    return group;
  }

  /**
   * Not from the first line on: the documents of a task, which are written after its lines, sync its folder, and the rest of a
   * request may have lines for the same files.
   */
  #runSoon(group: Group | undefined): void {
    if (group === undefined || group.isAwaited) return;
    group.isAwaited = true;
    setTimeout(() => this.#runWhenFree(group), GATHER_MS).unref();
  }

  #runIfComplete(): void {
    if (this.#pending !== undefined && this.#waiting >= this.#options.writing())
      this.#runWhenFree(this.#pending);
  }

  #runWhenFree(group: Group): void {
    group.isDue = true;
    if (this.#pending === group && this.#running === undefined) this.#run(group);
  }

  #run(group: Group): void {
    this.#pending = undefined;
    this.#running = group;
    void this.#sync(group).then(() => {
      this.#running = undefined;
      group.finish();
      if (this.#pending?.isDue === true) this.#runWhenFree(this.#pending);
      else this.#runIfComplete();
    });
  }

  /** Never rejects: files whose sync fails become distrusted. */
  async #sync({ files }: Group): Promise<void> {
    const queue = [...files.values()];
    const directories = new Map<string, Promise<void>>();
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        await this.#syncFile(file, directories);
        closeQuietly(file.fd);
      }
    };
    await Promise.all(Array.from({ length: SYNC_WIDTH }, work));
  }

  async #syncFile(file: OpenFile, directories: Map<string, Promise<void>>): Promise<void> {
    try {
      await syncData(file.fd);
      const dir = dirname(file.path);
      // Documents of the same task are mostly written between the lines and their sync.
      if (file.namedAt !== undefined && !wasSyncedSince(dir, file.namedAt)) {
        const synced = directories.get(dir) ?? syncDirectory(dir);
        directories.set(dir, synced);
        await synced;
      }
      // An earlier sync of the same file has failed: this one says nothing about the lines before.
      this.#distrusted.take(file);
    } catch (error) {
      if (this.#distrusted.take(file)) return;
      this.#distrusted.add(file, error);
      const next = this.#pending?.files.get(file.path);
      if (next === undefined || !this.#distrusted.take(next)) return;
      this.#pending?.files.delete(file.path);
      closeQuietly(next.fd);
    }
  }

  async #repair(path: string): Promise<void> {
    await this.#distrusted.repair(path, async () => {
      await Promise.allSettled(this.#appending.get(path) ?? []);
    });
  }
}

interface Lines {
  readonly unit: string;
  readonly path: string;
  /** Undefined: those that are in the file already. */
  readonly bytes: Buffer | undefined;
}

/** A file that cannot be written to can be read all the same; nothing is appended to it. */
function throwUnlessReadOnly(error: unknown): void {
  if (!READ_ONLY.has(errnoOf(error) ?? '')) throw error;
}

/** Whether the lines are durable is known by then. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The descriptor is gone in any case.
  }
}

function hasAny(group: Group | undefined, units: ReadonlySet<string>): boolean {
  if (group === undefined) return false;
  for (const unit of units) if (group.units.has(unit)) return true;
  return false;
}
