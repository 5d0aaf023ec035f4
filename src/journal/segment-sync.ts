import { closeSync, fdatasync, fdatasyncSync, ftruncateSync } from 'node:fs';
import { promisify } from 'node:util';
import { messageOf } from '../errors.ts';
import type { FsyncMode } from '../model/fsync-mode.ts';
import { syncDirectory, syncDirectorySync } from '../system/files/sync-directory.ts';

/** With `interval`, records that no answer waits for are synced this often. */
const INTERVAL_MS = 200;

/** What is appended within this time is synced together. */
const GATHER_MS = 5;

/** Memory for unsynced records. Beyond it the oldest are left to the old segment when a sync fails. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

const syncData = promisify(fdatasync);

/** A segment that this process writes. */
export interface SyncableSegment {
  readonly id: string;
  readonly path: string;
  readonly fd: number;
  /** Bytes that were written. */
  readonly size: number;
  /** Directories whose entries are new, its own among them. */
  readonly directories: readonly string[];
}

/** Bytes of a segment since its last successful sync. */
interface Kept<Chunk> {
  readonly chunk: Chunk;
  readonly bytes: number;
  /** Offset behind them. */
  readonly end: number;
}

interface Unsynced<Chunk> {
  readonly segment: SyncableSegment;
  syncedBytes: number;
  isNamed: boolean;
  isFinished: boolean;
  kept: Kept<Chunk>[];
  keptBytes: number;
  /** Offset from which on the records are kept. */
  keptFrom: number;
}

export interface FailedSync<Chunk> {
  /** Bytes to which the segment was cut. */
  readonly size: number;
  /** What is to be appended again, with the offsets behind them. */
  readonly kept: readonly Pick<Kept<Chunk>, 'chunk' | 'end'>[];
}

export interface SegmentSyncOptions<Chunk> {
  readonly mode: FsyncMode;
  /** Everything up to `size` is durable. */
  onSynced(segment: SyncableSegment, size: number): void;
  /** The segment is closed: nothing may be appended to it any more. */
  onFailed(segment: SyncableSegment, failed: FailedSync<Chunk>): void;
  /** The reason while syncs fail; undefined after a successful one. */
  onState(reason: string | undefined): void;
}

interface Round {
  readonly done: Promise<void>;
  finish(): void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Syncs segments in the background, many writes at a time. A segment whose fsync has failed is not trusted any more: the
 * kernel may have dropped its data and reports that once. It is cut where it was synced last, and the records since then,
 * which are kept in memory until they are synced, go to another segment.
 */
export class SegmentSync<Chunk> {
  readonly #options: SegmentSyncOptions<Chunk>;
  readonly #unsynced = new Map<SyncableSegment, Unsynced<Chunk>>();
  #next: Round | undefined;
  #running: Promise<void> | undefined;
  #interval: NodeJS.Timeout | undefined;

  constructor(options: SegmentSyncOptions<Chunk>) {
    this.#options = options;
  }

  /** Whether records wait for a sync. */
  get isBehind(): boolean {
    return [...this.#unsynced.values()].some(isUnsynced);
  }

  /** To be called after a chunk was written. */
  appended(segment: SyncableSegment, chunk: Chunk, bytes: number): void {
    if (this.#options.mode === 'never') return;
    let state = this.#unsynced.get(segment);
    if (state === undefined) {
      state = {
        segment,
        syncedBytes: 0,
        isNamed: false,
        isFinished: false,
        kept: [],
        keptBytes: 0,
        keptFrom: segment.size - bytes,
      };
      this.#unsynced.set(segment, state);
    }
    state.kept.push({ chunk, bytes, end: segment.size });
    state.keptBytes += bytes;
    while (state.keptBytes > KEPT_BYTES_MAX && state.kept.length > 1) this.#release(state, 1);
    if (this.#options.mode === 'always' || state.keptBytes > KEPT_BYTES_MAX / 2) this.#request();
    else this.#interval ??= setTimeout(() => this.#request(), INTERVAL_MS).unref();
  }

  /** To be called when nothing is appended to a segment any more. Closes it once it is synced. */
  finished(segment: SyncableSegment): void {
    const state = this.#unsynced.get(segment);
    if (state !== undefined) state.isFinished = true;
    if (state === undefined) closeQuietly(segment.fd);
    else if (!isUnsynced(state)) this.#close(state);
    else if (this.#options.mode === 'interval') this.#request();
  }

  /** Resolves when everything that was appended so far is synced, or its sync has failed. */
  async synced(): Promise<void> {
    if (!this.isBehind) return this.#running;
    const round = this.#request();
    // An answer waits: a process without other work must not end before.
    round.timer?.ref();
    await round.done;
  }

  /** `synced` for the end of a process: without waiting for other work of this thread. */
  syncNow(): void {
    clearTimeout(this.#interval);
    clearTimeout(this.#next?.timer);
    let failure: string | undefined;
    for (const state of this.#unsynced.values()) {
      try {
        if (!isUnsynced(state)) continue;
        fdatasyncSync(state.segment.fd);
        for (const directory of state.segment.directories) syncDirectorySync(directory);
        this.#note(state, state.segment.size);
      } catch (error) {
        failure = messageOf(error);
      }
    }
    for (const state of [...this.#unsynced.values()]) if (state.isFinished) this.#close(state);
    if (failure !== undefined) this.#options.onState(failure);
  }

  #request(): Round {
    this.#next ??= this.#plan();
    return this.#next;
  }

  #plan(): Round {
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const round: Round = { done, finish, timer: undefined };
    round.timer = setTimeout(() => {
      round.timer = undefined;
      void this.#run(round);
    }, GATHER_MS).unref();
    return round;
  }

  async #run(round: Round): Promise<void> {
    await this.#running;
    clearTimeout(this.#interval);
    this.#interval = undefined;
    this.#next = undefined;
    this.#running = this.#syncAll();
    try {
      await this.#running;
    } finally {
      // Whatever happens, no caller waits for ever.
      this.#running = undefined;
      round.finish();
    }
  }

  /** Never rejects. */
  async #syncAll(): Promise<void> {
    let failure: string | undefined;
    for (const state of [...this.#unsynced.values()]) {
      if (!isUnsynced(state)) continue;
      const { segment } = state;
      const { size } = segment;
      try {
        await syncData(segment.fd);
        if (!state.isNamed) for (const directory of segment.directories) await syncDirectory(directory);
        this.#note(state, size);
        if (state.isFinished && !isUnsynced(state)) this.#close(state);
      } catch (error) {
        failure = messageOf(error);
        this.#fail(state);
      }
    }
    this.#options.onState(failure);
  }

  #note(state: Unsynced<Chunk>, size: number): void {
    state.syncedBytes = size;
    state.isNamed = true;
    const open = state.kept.findIndex(({ end }) => end > size);
    this.#release(state, open < 0 ? state.kept.length : open);
    this.#options.onSynced(state.segment, size);
  }

  /** Forgets the oldest kept chunks. */
  #release(state: Unsynced<Chunk>, count: number): void {
    for (const { bytes, end } of state.kept.splice(0, count)) {
      state.keptBytes -= bytes;
      state.keptFrom = end;
    }
  }

  #fail(state: Unsynced<Chunk>): void {
    const { segment, kept, keptFrom } = state;
    this.#unsynced.delete(segment);
    try {
      ftruncateSync(segment.fd, keptFrom);
    } catch {
      // EIO: the records stay in this segment as well, and fall to their ids.
    }
    closeQuietly(segment.fd);
    this.#options.onFailed(segment, { size: keptFrom, kept });
  }

  #close(state: Unsynced<Chunk>): void {
    this.#unsynced.delete(state.segment);
    closeQuietly(state.segment.fd);
  }
}

/** What was written is synced, or its sync has failed and is repeated elsewhere: the error of a close (NFS, FUSE) adds nothing. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // EIO, ENOSPC, EDQUOT: the descriptor is gone all the same.
  }
}

function isUnsynced({ segment, syncedBytes }: Unsynced<unknown>): boolean {
  return segment.size > syncedBytes;
}
