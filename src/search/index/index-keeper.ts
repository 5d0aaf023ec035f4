import { messageOf, TasktrailError } from '../../errors.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { checkLease } from '../../system/lease-guard.ts';
import type { RecordFiles, RecordKind } from '../record/record-files.ts';
import { RecordUpkeep } from '../record/record-upkeep.ts';
import type { TaskFiles } from '../searched-files.ts';
import type { Database, Driver } from './driver/driver.ts';
import { IndexBatch } from './index-batch.ts';
import { failureOf } from './index-failure.ts';
import { indexInode, markLeft, openIndexFile, removeIndex, takeBack } from './index-file.ts';
import type { IndexState } from './index-state.ts';
import { Pause } from './pause.ts';
import { readTask, type TextRead } from './read-task.ts';
import { Settled } from './settled.ts';
import { type IndexedTask, isSameVersion, type KnownVersions, TaskIndex } from './task-index.ts';
import { TextMerging } from './text-merging.ts';

/** Tasks of one transaction while a query waits, and those that are read at the same time. */
const HURRIED_BATCH = 64;
const READS = 16;

/** Changes within this time are written together. A query does not wait for it. */
const GATHER_MS = 200;

/** Milliseconds between two readings of a growing output, and their multiple of the time that the last one took. */
const REREAD_MS = 1_000;
const REREAD_FACTOR = 20;

/** Pause before the next try while the file is locked or the disk is full. */
const RETRY_MS = 500;

/** A lock that stays this long may be one that a killed process has left: opening the index removes it. */
const LOCKED_MS = 10_000;

/** Interval in milliseconds of the comparison with the folders: for what was copied there or removed by hand. */
const SWEEP_MS = 300_000;

/** Fact of an index that is kept now and has had every task: the lease of its keeper. Readers in other processes look for it. */
export const COMPLETE = 'complete';

export interface IndexKeeperOptions {
  readonly logDir: string;
  readonly files: TaskFiles;
  /** Without it the index has tasks alone. */
  readonly records?: RecordFiles | undefined;
  /** Tasks that are read at the same time. Default 16. */
  readonly reads?: number | undefined;
  /** Groups of such tasks: while one is waited for, the texts of another one are cut into words. Default 1. */
  readonly groups?: number | undefined;
  readonly driver: Driver;
  /** The lease of the process on the log directory. Without it the index is for its own thread only. */
  readonly lease?: number | undefined;
  readonly onState?: (state: IndexState) => void;
  readonly sweepMs?: number;
}

/**
 * Keeps the index of a log directory as its files are. Whatever happens to the index, it is made again from them. One for each
 * directory, in the process that holds it.
 */
export class IndexKeeper {
  readonly #options: IndexKeeperOptions;
  readonly #waiting = new Set<string>();
  /** Open tasks whose texts are to be read later. */
  readonly #later = new Map<string, number>();
  readonly #reads = new Map<string, TextRead>();
  readonly #records: RecordUpkeep | undefined;
  #database: Database | undefined;
  #index: TaskIndex | undefined;
  #inode: number | undefined;
  /** Whether it has been compared with the folders since it was opened. */
  #isComplete = false;
  #indexed = 0;
  #sweepAtMs = 0;
  readonly #merging = new TextMerging();
  #problem: string | undefined;
  #lockedAtMs: number | undefined;
  #isClosed = false;
  #isHurried = false;
  #isWriting = false;
  readonly #pause = new Pause();
  readonly #settled = new Settled();
  #running: Promise<void> | undefined;

  constructor(options: IndexKeeperOptions) {
    this.#options = options;
    this.#records = options.records && new RecordUpkeep(options.records);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** These tasks have changed, or are gone. Returns at once. */
  note(ids: readonly string[]): void {
    for (const id of ids) this.#waiting.add(id);
    if (ids.length > 0) this.#pause.end();
  }

  /** These workflows, or deliveries of these days, have changed or are gone. Returns at once. */
  noteRecords(kind: RecordKind, names: readonly string[]): void {
    for (const name of names) this.#records?.note(kind, name);
    if (names.length > 0) this.#pause.end();
  }

  get state(): IndexState {
    return {
      isComplete: this.#isComplete,
      waiting: this.#waiting.size + (this.#records?.waiting ?? 0),
      indexed: this.#indexed,
      isMerged: !this.#merging.isDue(this.#indexed),
      problem: this.#problem,
    };
  }

  /** Resolves when all that was noted is written, at the latest after `withinMs`. */
  async settle(withinMs: number): Promise<void> {
    if (this.state.waiting === 0 && !this.#isWriting && this.#isComplete) return;
    this.#isHurried = true;
    this.#pause.end();
    await this.#settled.wait(withinMs);
  }

  /** Calls `read` with the whole index. Undefined while there is none, or it cannot be written: the files have to be read. */
  async use<T>(read: (index: TaskIndex) => T): Promise<T | undefined> {
    const index = this.#index;
    if (!this.#isComplete || index === undefined || this.#problem !== undefined) return undefined;
    if (this.#isReplaced()) {
      this.#pause.end();
      return undefined;
    }
    try {
      return read(index);
    } catch (error) {
      // A statement that fails says nothing about the index, nor does one of a database that was closed meanwhile.
      if (failureOf(error) === 'damaged' && index === this.#index) {
        this.#failed(error);
        this.#pause.end();
      }
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pause.end();
    await this.#running;
    this.#disown();
    this.#closeFile();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#step();
        this.#problem = undefined;
        this.#lockedAtMs = undefined;
      } catch (error) {
        this.#failed(error);
        this.#publish();
        await this.#pause.sleep(RETRY_MS);
      }
    }
  }

  async #step(): Promise<void> {
    // A process that was stopped and replaced must not write beside its successor.
    checkLease();
    const index = this.#open();
    if (performance.now() >= this.#sweepAtMs) await this.#sweep(index);
    this.#takeDue();
    if (this.#waiting.size === 0 && this.#hasRecords()) {
      await this.#writeRecords(index);
      return;
    }
    if (this.#waiting.size === 0) {
      this.#markComplete(index);
      this.#settled.reached();
      this.#isHurried = false;
      this.#publish();
      if (this.#merging.step(index, this.#indexed) || this.#isClosed) return;
      await this.#pause.sleep(this.#restMs());
      if (this.state.waiting > 0 && !this.#isHurried && !this.#isClosed)
        await this.#pause.sleep(GATHER_MS, () => this.#isHurried || this.#isClosed);
      return;
    }
    await this.#writeBatch(index);
    this.#publish();
  }

  #open(): TaskIndex {
    const { driver, logDir } = this.#options;
    if (this.#index !== undefined && this.#isReplaced()) this.#closeFile();
    if (this.#index !== undefined) return this.#index;
    // One that could not be read.
    this.#closeFile();
    this.#database = openIndexFile(driver, logDir);
    const index = new TaskIndex(this.#database);
    // Of an earlier keeper: what has changed since is not in the index yet.
    index.setFact(COMPLETE, '');
    takeBack(logDir);
    this.#inode = indexInode(logDir);
    this.#indexed = index.count();
    this.#merging.stop();
    this.#sweepAtMs = 0;
    this.#index = index;
    return index;
  }

  /** Removed by hand, or another one put in its place: what is written to the old one is lost. */
  #isReplaced(): boolean {
    return indexInode(this.#options.logDir) !== this.#inode;
  }

  /** Finds what has changed without a note: while no process held the directory, or by hand. */
  async #sweep(index: TaskIndex): Promise<void> {
    const { files, sweepMs = SWEEP_MS } = this.#options;
    const isFirst = !this.#isComplete;
    // It may take a while to find all tasks.
    if (isFirst) this.#publish();
    const names = await files.names();
    const known = index.known();
    const changed: string[] = [];
    await mapBounded(names, async (name) => {
      const task = known.get(name);
      known.delete(name);
      if (this.#isClosed) return;
      if (task === undefined) changed.push(name);
      else if (isFirst && (await this.#hasChanged(name, task))) changed.push(name);
    });
    for (const id of [...changed, ...known.keys()]) this.#waiting.add(id);
    await this.#records?.sweep(index.records, isFirst);
    this.#sweepAtMs = performance.now() + sweepMs;
  }

  async #hasChanged(id: string, task: KnownVersions): Promise<boolean> {
    const now = await this.#options.files.versions(id);
    return now === undefined || !isSameVersion(task, now);
  }

  async #writeBatch(index: TaskIndex): Promise<void> {
    const { reads = READS, groups = 1 } = this.#options;
    const batch = new IndexBatch();
    const readGroups = async (): Promise<void> => {
      while (!batch.isFull && this.#waiting.size > 0) {
        await batch.add(this.#take(reads), (id) => this.#read(id));
        // A query waits for the tasks that were noted before it.
        if (this.#isComplete && this.#isHurried && batch.ids.length >= HURRIED_BATCH) return;
      }
    };
    this.#isWriting = true;
    try {
      // All of them, also after a failure: none may take tasks later than that.
      const read = await Promise.allSettled(Array.from({ length: groups }, readGroups));
      for (const one of read) if (one.status === 'rejected') throw one.reason;
      index.write(batch.tasks, batch.removed);
      this.#indexed += batch.ids.length;
      this.#merging.count(batch.ids.length);
    } catch (error) {
      for (const id of batch.ids) {
        this.#waiting.add(id);
        // Its text was read and not written.
        this.#reads.delete(id);
      }
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }

  #hasRecords(): boolean {
    return this.#records !== undefined && this.#records.waiting > 0;
  }

  async #writeRecords(index: TaskIndex): Promise<void> {
    this.#isWriting = true;
    try {
      await this.#records?.step((write) => index.writeRecords(write), index.records);
    } finally {
      this.#isWriting = false;
    }
    this.#publish();
  }

  /** They are no longer waiting before they are read: what changes meanwhile is noted again. */
  #take(count: number): readonly string[] {
    const ids: string[] = [];
    for (const id of this.#waiting) {
      ids.push(id);
      if (ids.length === count) break;
    }
    for (const id of ids) this.#waiting.delete(id);
    return ids;
  }

  /** One task that cannot be read does not keep the others out of the index. */
  async #read(id: string): Promise<IndexedTask | undefined> {
    try {
      return await this.#readTask(id);
    } catch (error) {
      if (error instanceof TasktrailError && error.retryable) throw error;
      return undefined;
    }
  }

  async #readTask(id: string): Promise<IndexedTask | undefined> {
    const startMs = performance.now();
    const last = this.#reads.get(id);
    const task = await readTask(this.#options.files, id, ({ folder, output }, { isOpen, isEnded }) => {
      if (!isOpen || last === undefined || (isEnded && !last.isEnded)) return true;
      const dueMs = last.atMs + Math.max(REREAD_MS, REREAD_FACTOR * last.tookMs);
      if (startMs >= dueMs) return true;
      if (last.versions.folder !== folder || last.versions.output !== output) this.#later.set(id, dueMs);
      return false;
    });
    if (task?.text !== undefined) this.#later.delete(id);
    if (task === undefined || !task.isOpen) {
      this.#reads.delete(id);
      this.#later.delete(id);
    } else if (task.text !== undefined) {
      const nowMs = performance.now();
      const { versions, isEnded } = task;
      this.#reads.set(id, { atMs: nowMs, tookMs: nowMs - startMs, versions, isEnded });
    }
    // An index that is closed before the texts are read again finds them by their versions.
    if (task !== undefined && task.text === undefined && last !== undefined)
      return { ...task, versions: last.versions };
    return task;
  }

  #takeDue(): void {
    const nowMs = performance.now();
    for (const [id, dueMs] of this.#later) {
      if (dueMs > nowMs) continue;
      this.#later.delete(id);
      this.#waiting.add(id);
    }
  }

  #restMs(): number {
    const nextMs = Math.min(this.#sweepAtMs, ...this.#later.values());
    return Math.max(1, nextMs - performance.now());
  }

  #markComplete(index: TaskIndex): void {
    if (this.#isComplete) return;
    index.setFact(COMPLETE, String(this.#options.lease ?? ''));
    this.#isComplete = true;
  }

  /** What is written from now on is not in the index. */
  #disown(): void {
    try {
      checkLease();
      if (this.#isComplete) this.#index?.setFact(COMPLETE, '');
    } catch (error) {
      // Locked or full. A process that has lost the directory says nothing about the index of its successor.
      const { lease, logDir } = this.#options;
      if (this.#isComplete && lease !== undefined && !(error instanceof TasktrailError)) markLeft(logDir);
    }
  }

  #failed(error: unknown): void {
    this.#problem = messageOf(error);
    // Of the files: the system is short of descriptors or memory.
    if (error instanceof TasktrailError) return;
    const failure = failureOf(error);
    if (failure === 'locked') {
      this.#lockedAtMs ??= performance.now();
      if (performance.now() - this.#lockedAtMs < LOCKED_MS) return;
      this.#lockedAtMs = undefined;
    }
    this.#disown();
    this.#closeFile();
    // A failure to write that is unknown counts as damage: the index can be made again.
    if (failure === 'locked' || failure === 'disk') return;
    try {
      removeIndex(this.#options.logDir);
    } catch (removal) {
      this.#problem = messageOf(removal);
    }
  }

  #closeFile(): void {
    this.#isComplete = false;
    this.#index = undefined;
    try {
      this.#database?.close();
    } catch {
      // A damaged one: its file is removed.
    }
    this.#database = undefined;
  }

  #publish(): void {
    this.#options.onState?.(this.state);
  }
}
