import { batch, signal } from '@preact/signals';
import type { TaskItem, TaskPage } from '../../../client/api/shapes.ts';
import { type ApiError, type Query, read } from '../data/api.ts';
import { follow } from '../data/live.ts';
import { asApiError } from '../data/resource.ts';
import { merged } from './task-order.ts';

export type Sort = 'created' | 'cost' | 'duration' | 'tokens';

export interface ListQuery {
  readonly q: string;
  readonly sort: Sort;
}

const PAGE = 100;

/** Changes of the list that come in one frame are shown together. */
const FRAME_MS = 100;

/** The tasks of a query: pages as they are needed, and what changes meanwhile. */
export class TaskList {
  readonly items = signal<readonly TaskItem[]>([]);
  readonly error = signal<ApiError | undefined>(undefined);
  readonly isLoading = signal(true);
  /** Whether the server has more tasks behind the last one. */
  readonly hasMore = signal(true);
  /** Tasks that have come since the list was opened, in an order in which they cannot be placed. */
  readonly fresh = signal(0);
  /** Resolves when the first page has come, or has failed: what is less urgent is asked for then. */
  readonly opened: Promise<void>;
  readonly #query: ListQuery;
  readonly #abort = new AbortController();
  #cursor: string | undefined;
  #stop: (() => void) | undefined;
  #changes = new Map<string, TaskItem | undefined>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOpened: () => void = () => {};

  constructor(query: ListQuery) {
    this.#query = query;
    this.opened = new Promise((resolve) => {
      this.#isOpened = resolve;
    });
  }

  /** Loads the first page and follows the list. */
  open(): void {
    void this.more().finally(this.#isOpened);
    this.#stop = follow(
      '/stream',
      { q: this.#query.q, limit: 1 },
      {
        task: (data) => this.#change((data as TaskItem).task_id, data as TaskItem),
        removed: (data) => this.#change((data as { readonly task_id: string }).task_id, undefined),
        reset: () => void this.#reload(),
      },
    );
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#stop?.();
  }

  /** Loads the next page. */
  async more(): Promise<void> {
    if (!this.hasMore.value || (this.isLoading.value && this.items.value.length > 0)) return;
    this.isLoading.value = true;
    try {
      const page = await this.#read(this.#cursor);
      batch(() => {
        this.#cursor = page.next_cursor ?? undefined;
        this.hasMore.value = page.next_cursor !== null;
        const known = new Set(this.items.value.map(({ task_id: id }) => id));
        this.items.value = [...this.items.value, ...page.items.filter(({ task_id: id }) => !known.has(id))];
        this.error.value = undefined;
        this.isLoading.value = false;
      });
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      // The stream of a query with a mistake would be asked for again and again.
      if (asApiError(error).status === 400) this.#stop?.();
      batch(() => {
        this.error.value = asApiError(error);
        this.isLoading.value = false;
      });
    }
  }

  /** Begins again, for tasks that have come meanwhile. */
  async #reload(): Promise<void> {
    try {
      const page = await this.#read(undefined);
      batch(() => {
        this.#cursor = page.next_cursor ?? undefined;
        this.hasMore.value = page.next_cursor !== null;
        this.items.value = page.items;
        this.fresh.value = 0;
      });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.error.value = asApiError(error);
    }
  }

  refresh(): void {
    void this.#reload();
  }

  #read(cursor: string | undefined): Promise<TaskPage> {
    const { q, sort } = this.#query;
    const query: Query = { q, sort: sort === 'created' ? undefined : sort, limit: PAGE, cursor };
    return read<TaskPage>('/tasks', query, this.#abort.signal);
  }

  #change(id: string, item: TaskItem | undefined): void {
    this.#changes.set(id, item);
    this.#timer ??= setTimeout(() => this.#apply(), FRAME_MS);
  }

  #apply(): void {
    this.#timer = undefined;
    const changes = this.#changes;
    this.#changes = new Map();
    const items: TaskItem[] = [];
    for (const item of this.items.value) {
      const id = item.task_id;
      const change = changes.has(id) ? changes.get(id) : item;
      // A task that is known by its number only has no time of its creation yet.
      if (change !== undefined && change.created_at !== item.created_at) continue;
      changes.delete(id);
      if (change !== undefined) items.push(change);
    }
    const added = [...changes.values()].filter((item) => item !== undefined);
    if (this.#query.sort !== 'created') {
      batch(() => {
        this.fresh.value += added.length;
        this.items.value = items;
      });
      return;
    }
    this.items.value = merged(items, added, this.hasMore.value);
  }
}
