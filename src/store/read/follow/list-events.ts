import { type FSWatcher, watch } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { isTerminal } from '../../../model/documents.ts';
import type { ListToFollow, StreamEvent } from '../../../model/event-stream.ts';
import { isPathSafeId } from '../../../model/ids.ts';
import type { TaskListing, TaskState } from '../task-list.ts';
import type { ListSearch } from './list-search.ts';
import type { StreamPart } from './tasks-stream.ts';

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

/** Changes that are kept for the readers. One that has missed more gets all that changed since its id. */
const CHANGES_MAX = 5_000;

const ITEMS_MAX = 500;

/** The changes of all tasks of a directory, found once for all readers of the list. */
export class FollowedList {
  readonly #listing: TaskListing;
  readonly #search: ListSearch;
  readonly #logDir: string;
  readonly #items = new LRUCache<string, Promise<string | undefined>>({ max: ITEMS_MAX });
  #known = new Map<string, TaskState>();
  readonly #warm = new Map<string, number>();
  readonly #changes: { readonly number: number; readonly id: string }[] = [];
  #number = 0;
  /** All changes up to this time are known. */
  #knownMs = 0;
  #readers = 0;
  #version = 0;
  #waiting = new Set<() => void>();
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
    return this.#version;
  }

  /** Number of the last change. */
  get number(): number {
    return this.#number;
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
    this.#wake();
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== seen || signal.aborted || this.#readers === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  /** Ids of the tasks that changed after a change, oldest first; undefined when those changes are no longer known. */
  changesAfter(number: number): readonly string[] | undefined {
    const first = this.#changes[0]?.number ?? this.#number + 1;
    if (number < first - 1) return undefined;
    const ids = this.#changes.filter((change) => change.number > number).map(({ id }) => id);
    return [...new Set(ids)];
  }

  changedSince(ms: number): readonly string[] {
    const tasks = [...this.#known.values()].filter(({ changedMs }) => changedMs > ms);
    return tasks.sort((a, b) => a.changedMs - b.changedMs).map(({ id }) => id);
  }

  get(id: string): TaskState | undefined {
    return this.#known.get(id);
  }

  /** The item of a list as JSON. */
  async item({ id, version }: TaskState): Promise<string | undefined> {
    const key = `${id} ${version}`;
    const reading =
      this.#items.get(key) ?? this.#search.item(id).then((item) => item && JSON.stringify(item));
    this.#items.set(key, reading);
    return reading;
  }

  #begin(): void {
    this.#run += 1;
    this.#isScanned = false;
    this.#known = new Map();
    this.#warm.clear();
    this.#changes.length = 0;
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
    const before = this.#number;
    for (const task of tasks) {
      found.add(task.id);
      this.#note(task, isFirst);
    }
    for (const id of this.#known.keys()) {
      if (found.has(id)) continue;
      this.#known.delete(id);
      this.#add(id);
    }
    this.#knownMs = startMs - CLOCK_MS;
    if (this.#number !== before) this.#wake();
  }

  async #lookAtWarm(nowMs: number): Promise<void> {
    const before = this.#number;
    for (const [id, untilMs] of this.#warm) {
      const task = await this.#listing.state(id);
      if (task !== undefined) this.#note(task, false);
      else if (this.#known.delete(id)) this.#add(id);
      if (untilMs < nowMs && (task === undefined || isTerminal(task.status))) this.#warm.delete(id);
    }
    if (this.#number !== before) this.#wake();
  }

  #note(task: TaskState, isFirst: boolean): void {
    const isChanged = this.#known.get(task.id)?.version !== task.version;
    this.#known.set(task.id, task);
    if (isChanged && !isFirst) {
      this.#add(task.id);
      this.#warm.set(task.id, Date.now() + WARM_MS);
    } else if (!isTerminal(task.status) && this.#warm.size < WARM_MAX) this.#warm.set(task.id, 0);
  }

  #add(id: string): void {
    this.#number += 1;
    this.#changes.push({ number: this.#number, id });
    if (this.#changes.length > 2 * CHANGES_MAX) this.#changes.splice(0, CHANGES_MAX);
  }

  #wake(): void {
    this.#version += 1;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const done of waiting) done();
  }
}

/** Text of an id of the list: all changes up to this time have been sent. */
export function parseListPlace(text: string): number | undefined {
  const ms = /^l[0-9a-z]{1,9}$/.test(text) ? Number.parseInt(text.slice(1), 36) : Number.NaN;
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** Items that are sent at once. */
const STEP_ITEMS = 50;

/** The list's changes for one reader. They are states: one that is sent again changes nothing. */
export class ListEvents implements StreamPart {
  readonly taskId: string | undefined = undefined;
  readonly #list: FollowedList;
  readonly #listing: TaskListing;
  readonly #search: ListSearch;
  readonly #query: ListToFollow;
  readonly #match: ((taskId: string) => Promise<boolean>) | undefined;
  /** Undefined: from the newest items on. */
  readonly #sinceMs: number | undefined;
  #waiting: string[] = [];
  #number = 0;
  #sentMs = 0;
  /** What `#sentMs` is when those that wait are sent. */
  #collectedMs = 0;
  #isBegun = false;
  #isLeft = false;
  readonly #shown = new Set<string>();

  constructor(parts: {
    readonly list: FollowedList;
    readonly listing: TaskListing;
    readonly search: ListSearch;
    readonly query: ListToFollow;
    readonly sinceMs: number | undefined;
  }) {
    this.#list = parts.list;
    this.#listing = parts.listing;
    this.#search = parts.search;
    this.#query = parts.query;
    this.#match = parts.search.match(parts.query);
    this.#sinceMs = parts.sinceMs;
  }

  get place(): string {
    return `l${Math.max(0, Math.floor(this.#sentMs)).toString(36)}`;
  }

  get version(): number {
    return this.#list.version;
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#list.changed(seen, signal);
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    if (this.#isBegun) this.#list.leave();
  }

  async step(): Promise<readonly StreamEvent[] | 'end'> {
    if (!this.#isBegun) await this.#begin();
    if (this.#waiting.length === 0) this.#collect();
    const events: StreamEvent[] = [];
    for (const id of this.#waiting.splice(0, STEP_ITEMS)) {
      const event = await this.#eventOf(id);
      if (event !== undefined) events.push(event);
    }
    // The last one of all: those before it are sent again after a break.
    const last = events.at(-1);
    if (this.#waiting.length === 0) this.#sentMs = this.#collectedMs;
    if (last !== undefined && this.#waiting.length === 0)
      events[events.length - 1] = { ...last, id: this.place };
    if (events.length > 0) return events;
    return this.#waiting.length > 0 ? this.step() : 'end';
  }

  async #begin(): Promise<void> {
    this.#isBegun = true;
    await this.#list.enter();
    if (this.#isLeft) return this.#list.leave();
    this.#number = this.#list.number;
    this.#collectedMs = this.#list.knownMs;
    this.#sentMs = this.#sinceMs ?? 0;
    if (this.#sinceMs !== undefined) this.#waiting = [...this.#list.changedSince(this.#sinceMs)];
    else {
      const { items } = await this.#search.list(this.#query);
      this.#waiting = items.map((item) => String(item.task_id)).reverse();
    }
  }

  #collect(): void {
    const ids = this.#list.changesAfter(this.#number) ?? this.#list.changedSince(this.#sentMs);
    this.#number = this.#list.number;
    this.#collectedMs = this.#list.knownMs;
    this.#waiting = [...ids];
  }

  async #eventOf(id: string): Promise<StreamEvent | undefined> {
    const task = this.#list.get(id) ?? (await this.#listing.state(id));
    const item = task && (await this.#isOfQuery(task)) ? await this.#list.item(task) : undefined;
    if (item !== undefined) {
      this.#shown.add(id);
      return { event: 'task', data: item, id: undefined };
    }
    // After a break it is not known what the reader has.
    if (!this.#shown.delete(id) && this.#sinceMs === undefined) return undefined;
    return { event: 'removed', data: JSON.stringify({ task_id: id }), id: undefined };
  }

  async #isOfQuery(task: TaskState): Promise<boolean> {
    return task.matches(this.#query) && (this.#match === undefined || (await this.#match(task.id)));
  }
}
