import type { ListToFollow, StreamEvent } from '../../../model/event-stream.ts';
import type { TaskState } from '../task-list.ts';
import type { ListChanges, ListSearch } from './list-search.ts';
import type { StreamPart } from './tasks-stream.ts';

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
  readonly #list: ListChanges;
  readonly #search: ListSearch;
  readonly #query: ListToFollow;
  readonly #match: ((taskId: string) => Promise<boolean>) | undefined;
  /** Undefined: from the newest items on. */
  #sinceMs: number | undefined;
  readonly #queryText: string;
  /** Whether the reader has to drop what it has. */
  #isReset = false;
  #waiting: string[] = [];
  #number = 0;
  #sentMs = 0;
  /** What `#sentMs` is when those that wait are sent. */
  #collectedMs = 0;
  #isBegun = false;
  #isEntered = false;
  #isLeft = false;
  readonly #shown = new Set<string>();

  constructor(parts: {
    readonly list: ListChanges;
    readonly search: ListSearch;
    readonly query: ListToFollow;
    readonly sinceMs: number | undefined;
  }) {
    this.#list = parts.list;
    this.#search = parts.search;
    this.#query = parts.query;
    this.#queryText = JSON.stringify(parts.query);
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
    if (this.#isEntered) this.#list.leave();
  }

  async step(): Promise<readonly StreamEvent[] | 'end'> {
    if (!this.#isBegun) await this.#begin();
    if (this.#isReset) {
      this.#isReset = false;
      const reason = 'what has changed since this id is not known: the newest items come again';
      return [{ event: 'reset', data: JSON.stringify({ reason }), id: undefined }];
    }
    if (this.#waiting.length === 0) await this.#collect();
    while (!this.#isLeft) {
      const events = await this.#nextEvents();
      if (events.length > 0) return events;
      if (this.#waiting.length === 0) break;
    }
    return 'end';
  }

  async #nextEvents(): Promise<readonly StreamEvent[]> {
    const events: StreamEvent[] = [];
    for (const id of this.#waiting.splice(0, STEP_ITEMS)) {
      if (this.#isLeft) return [];
      const event = await this.#eventOf(id);
      if (event !== undefined) events.push(event);
    }
    // The last one of all: those before it are sent again after a break.
    const last = events.at(-1);
    if (this.#waiting.length === 0) this.#sentMs = this.#collectedMs;
    if (last !== undefined && this.#waiting.length === 0)
      events[events.length - 1] = { ...last, id: this.place };
    return events;
  }

  async #begin(): Promise<void> {
    this.#isBegun = true;
    await this.#list.enter();
    if (this.#isLeft) return this.#list.leave();
    this.#isEntered = true;
    this.#number = this.#list.number;
    this.#collectedMs = this.#list.knownMs;
    if (this.#sinceMs !== undefined && !this.#list.isKnownSince(this.#sinceMs)) {
      this.#sinceMs = undefined;
      this.#isReset = true;
    }
    this.#sentMs = this.#sinceMs ?? 0;
    this.#waiting =
      this.#sinceMs === undefined
        ? await this.#newest()
        : [...(await this.#list.changedSince(this.#sinceMs))];
  }

  /** Oldest first. A search that takes long gives its items in several pages. */
  async #newest(): Promise<string[]> {
    const ids: string[] = [];
    const { limit } = this.#query;
    let cursor: string | undefined;
    do {
      const more = cursor === undefined ? {} : { cursor };
      const page = await this.#search.list({ ...this.#query, ...more, limit: limit - ids.length });
      ids.push(...page.items.map((item) => String(item.task_id)));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && ids.length < limit && !this.#isLeft);
    return ids.reverse();
  }

  async #collect(): Promise<void> {
    const { number, knownMs } = this.#list;
    const ids = this.#list.changesAfter(this.#number) ?? (await this.#list.changedSince(this.#sentMs));
    this.#number = number;
    this.#collectedMs = knownMs;
    this.#waiting = [...ids];
  }

  async #eventOf(id: string): Promise<StreamEvent | undefined> {
    const task = await this.#list.state(id);
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
    if (!task.matches(this.#query)) return false;
    return this.#match === undefined || this.#list.isMatch(this.#queryText, task, this.#match);
  }
}
