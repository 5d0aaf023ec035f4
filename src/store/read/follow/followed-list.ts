import { type FSWatcher, watch } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { isTerminal } from '../../../model/documents.ts';
import { isPathSafeId } from '../../../model/ids.ts';
import { ChangeLog } from '../change-log.ts';
import type { TaskListing, TaskState } from '../task-list.ts';
import { ChangeSignal } from './change-signal.ts';
import { type ListChanges, type ListSearch, shared } from './list-search.ts';

/** Between two looks at the tasks that run or have just changed: at least this, and five times what a look takes. */
const LOOK_MS = 200;
const LOOK_SHARE = 5;

/** Between two looks at all tasks: at least this, and ten times what a look takes, so that it is a tenth of the work. */
const SCAN_MS_MIN = 1_000;
const SCAN_SHARE = 10;

/** A task that has changed may change again. */
const WARM_MS = 60_000;

/** Tasks that are looked at often. */
const WARM_MAX = 2_000;

/** The clock of a file system may be this much behind. */
const CLOCK_MS = 50;

/** Removed tasks that are kept for readers who come again. */
const REMOVED_MAX = 5_000;

const ITEMS_MAX = 500;

/** Queries whose answers are kept, and answers of each. */
const QUERIES_MAX = 100;
const MATCHES_MAX = 1_000;

/** The changes of all tasks of a directory, found once for all readers of the list. */
export class FollowedList implements ListChanges {
  readonly #listing: TaskListing;
  readonly #search: ListSearch;
  readonly #logDir: string;
  readonly #items = new LRUCache<string, Promise<string | undefined>>({ max: ITEMS_MAX });
  readonly #matches = new LRUCache<string, LRUCache<string, Promise<boolean>>>({ max: QUERIES_MAX });
  /** Kept while there is no reader: what is gone later was removed meanwhile. */
  readonly #known = new Map<string, TaskState>();
  /** When removed tasks were missed first, in this order. */
  readonly #removed = new Map<string, number>();
  /** All removals after this time are known. */
  #removalsSinceMs = Number.POSITIVE_INFINITY;
  readonly #warm = new Map<string, number>();
  readonly #changes = new ChangeLog();
  /** All changes up to this time are known. */
  #knownMs = 0;
  #readers = 0;
  readonly #signal = new ChangeSignal();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextScanMs = 0;
  #first: Promise<void> | undefined;
  #isScanned = false;
  /** Number of the present looking: an earlier one ends. */
  #run = 0;

  constructor(logDir: string, listing: TaskListing, search: ListSearch) {
    this.#logDir = logDir;
    this.#listing = listing;
    this.#search = search;
  }

  get version(): number {
    return this.#signal.version;
  }

  /** Number of the last change. */
  get number(): number {
    return this.#changes.number;
  }

  get knownMs(): number {
    return this.#knownMs;
  }

  /** Resolves when all tasks are known. */
  async enter(): Promise<void> {
    this.#readers += 1;
    if (this.#readers === 1) this.#begin();
    await this.#first;
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#first = undefined;
    this.#signal.wake();
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#readers === 0 ? Promise.resolve() : this.#signal.changed(seen, signal);
  }

  /** Ids of the tasks that changed after a change, oldest first; undefined when those changes are no longer known. */
  changesAfter(number: number): readonly string[] | undefined {
    return this.#changes.after(number);
  }

  /** Tasks that are new, changed or removed since a time. */
  changedSince(ms: number): readonly string[] {
    const tasks = [...this.#known.values()].filter(({ changedMs }) => changedMs > ms);
    const ids = tasks.sort((a, b) => a.changedMs - b.changedMs).map(({ id }) => id);
    const removed = [...this.#removed].filter(([id, removedMs]) => removedMs > ms && !this.#known.has(id));
    return [...removed.map(([id]) => id), ...ids];
  }

  /** Whether all that has changed since a time is known. */
  isKnownSince(ms: number): boolean {
    return ms >= this.#removalsSinceMs && ms <= Date.now();
  }

  async state(id: string): Promise<TaskState | undefined> {
    return this.#known.get(id) ?? (await this.#listing.state(id));
  }

  /** The item of a list as JSON. */
  async item({ id, version }: TaskState): Promise<string | undefined> {
    return shared(this.#items, `${id} ${version}`, async () => {
      const item = await this.#search.item(id);
      return item && JSON.stringify(item);
    });
  }

  /** The answer of `match`, once for all readers with this query. */
  async isMatch(
    query: string,
    { id, version }: TaskState,
    match: (taskId: string) => Promise<boolean>,
  ): Promise<boolean> {
    const answers = this.#matches.get(query) ?? new LRUCache<string, Promise<boolean>>({ max: MATCHES_MAX });
    this.#matches.set(query, answers);
    return shared(answers, `${id} ${version}`, () => match(id));
  }

  #begin(): void {
    this.#run += 1;
    this.#isScanned = false;
    this.#warm.clear();
    this.#changes.forget();
    this.#nextScanMs = 0;
    try {
      this.#watcher = watch(this.#logDir, { persistent: false }, (_event, name) => {
        if (isPathSafeId(name)) this.#warm.set(name, Date.now() + WARM_MS);
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // Not watched: new tasks are found by the looks at all of them.
    }
    this.#first = this.#look();
  }

  async #look(): Promise<void> {
    const run = this.#run;
    const startMs = Date.now();
    try {
      if (startMs >= this.#nextScanMs) {
        await this.#scan(startMs);
        this.#nextScanMs = Date.now() + Math.max(SCAN_MS_MIN, SCAN_SHARE * (Date.now() - startMs));
      } else await this.#lookAtWarm(startMs);
    } catch {
      // The directory cannot be read now; the requests of the readers say so.
    }
    if (this.#readers === 0 || run !== this.#run) return;
    const ms = Math.max(LOOK_MS, LOOK_SHARE * (Date.now() - startMs));
    this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #scan(startMs: number): Promise<void> {
    const tasks = await this.#listing.states();
    const isFirst = !this.#isScanned;
    this.#isScanned = true;
    const found = new Set<string>();
    const before = this.#changes.number;
    for (const task of tasks) {
      found.add(task.id);
      this.#note(task, isFirst);
    }
    for (const id of this.#known.keys()) {
      if (!found.has(id)) this.#remove(id);
    }
    this.#removalsSinceMs = Math.min(this.#removalsSinceMs, startMs - CLOCK_MS);
    this.#knownMs = startMs - CLOCK_MS;
    if (this.#changes.number !== before) this.#signal.wake();
  }

  async #lookAtWarm(nowMs: number): Promise<void> {
    const before = this.#changes.number;
    for (const [id, untilMs] of this.#warm) {
      const task = await this.#listing.state(id);
      if (task !== undefined) this.#note(task, false);
      else if (this.#known.has(id)) this.#remove(id);
      if (untilMs < nowMs && (task === undefined || isTerminal(task.status))) this.#warm.delete(id);
    }
    if (this.#changes.number !== before) this.#signal.wake();
  }

  #note(task: TaskState, isFirst: boolean): void {
    const isChanged = this.#known.get(task.id)?.version !== task.version;
    this.#known.set(task.id, task);
    if (isChanged && !isFirst) {
      this.#changes.add(task.id);
      this.#warm.set(task.id, Date.now() + WARM_MS);
    } else if (!isTerminal(task.status) && this.#warm.size < WARM_MAX) this.#warm.set(task.id, 0);
  }

  #remove(id: string): void {
    this.#known.delete(id);
    this.#removed.delete(id);
    this.#removed.set(id, Date.now());
    if (this.#removed.size > REMOVED_MAX) {
      const [oldest, removedMs] = [...this.#removed][0] ?? ['', 0];
      this.#removed.delete(oldest);
      this.#removalsSinceMs = removedMs;
    }
    this.#changes.add(id);
  }
}
