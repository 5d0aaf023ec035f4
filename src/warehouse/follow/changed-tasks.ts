import { LRUCache } from 'lru-cache';
import { accepts } from '../../model/field-values.ts';
import { CHANGES_MAX, ChangeLog } from '../../store/read/change-log.ts';
import { ChangeSignal } from '../../store/read/follow/change-signal.ts';
import { type ListChanges, type ListSearch, shared } from '../../store/read/follow/list-search.ts';
import type { TaskState } from '../../store/read/task-list.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfKinds } from '../logsql.ts';
import { RowCounts } from '../read/row-counts.ts';
import type { CatalogItem, TaskCatalog } from '../read/task-catalog.ts';
import type { TaskViews } from '../read/task-view.ts';
import { LATE_MS } from './followed-rows.ts';
import { nanos } from './row-scope.ts';

/** Between two looks: at least this, and as long as a look takes. */
const LOOK_MS = 500;

/** A look goes back so far; each few seconds one goes back as far as a line may be late. */
const SHORT_MS = 5_000;
const LONG_EACH_MS = 5_000;

/** Lines are counted by task and by such pieces of time. */
const PIECE_MS = 5_000;

/** For an id that is older the newest tasks come again. */
const KNOWN_MS = 86_400_000;

const ITEMS_MAX = 500;

/** Queries whose answers are kept, and answers of each. */
const QUERIES_MAX = 100;
const MATCHES_MAX = 1_000;

/** Lines that change what a list says of a task: facts, and spans and lines that report models and tokens. */
const ROWS = `${rowsOfKinds(['task', 'fact', 'span', 'output'])} part:=0 (kind:in(task,fact) or genai:* or logged:=1)`;

export interface ChangedTasksOptions {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
  readonly catalog: TaskCatalog;
  readonly search: ListSearch;
  /** Milliseconds since the epoch, as the services stamp lines. */
  readonly now: () => number;
}

/** The changes of all tasks of a VictoriaLogs, found once for all readers of the list. */
export class ChangedTasks implements ListChanges {
  readonly #logs: VictoriaLogs;
  readonly #views: TaskViews;
  readonly #catalog: TaskCatalog;
  readonly #search: ListSearch;
  readonly #now: () => number;
  readonly #signal = new ChangeSignal();
  #counts: RowCounts;
  /** The number of the last change of a task. */
  readonly #versions = new LRUCache<string, number>({ max: 2 * CHANGES_MAX });
  readonly #states = new LRUCache<string, Promise<TaskState | undefined>>({ max: ITEMS_MAX });
  readonly #items = new LRUCache<string, Promise<string | undefined>>({ max: ITEMS_MAX });
  readonly #matches = new LRUCache<string, LRUCache<string, Promise<boolean>>>({ max: QUERIES_MAX });
  readonly #changes = new ChangeLog();
  #knownMs = 0;
  #readers = 0;
  #run = 0;
  #timer: NodeJS.Timeout | undefined;
  #longAtMs = 0;
  #longFromMs = 0;
  #first: Promise<void> | undefined;

  constructor({ logs, views, catalog, search, now }: ChangedTasksOptions) {
    this.#logs = logs;
    this.#views = views;
    this.#catalog = catalog;
    this.#search = search;
    this.#now = now;
    this.#counts = this.#newCounts();
  }

  get version(): number {
    return this.#signal.version;
  }

  get number(): number {
    return this.#changes.number;
  }

  get knownMs(): number {
    return this.#knownMs;
  }

  async enter(): Promise<void> {
    this.#readers += 1;
    if (this.#readers === 1) {
      this.#run += 1;
      this.#counts = this.#newCounts();
      this.#changes.forget();
      // What has changed while there was no reader is not known.
      for (const known of [this.#states, this.#items, this.#matches]) known.clear();
      this.#longAtMs = Number.NEGATIVE_INFINITY;
      this.#longFromMs = this.#now();
      this.#first = this.#turn(true);
    }
    try {
      await this.#first;
    } catch (error) {
      this.#readers -= 1;
      throw error;
    }
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    clearTimeout(this.#timer);
    this.#signal.wake();
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#readers === 0 ? Promise.resolve() : this.#signal.changed(seen, signal);
  }

  changesAfter(number: number): readonly string[] | undefined {
    return this.#changes.after(number);
  }

  async changedSince(ms: number): Promise<readonly string[]> {
    const rows = await this.#logs.rows(`${ROWS} _time:>${nanos(ms)} | stats by (unit) max(_time) latest`);
    return rows
      .map(({ unit = '', latest }) => ({ unit, ms: Date.parse(latest ?? '') }))
      .sort((a, b) => a.ms - b.ms)
      .map(({ unit }) => unit);
  }

  isKnownSince(ms: number): boolean {
    const nowMs = this.#now();
    return ms >= nowMs - KNOWN_MS && ms <= nowMs + LATE_MS;
  }

  state(id: string): Promise<TaskState | undefined> {
    const version = this.#versions.get(id) ?? 0;
    return shared(this.#states, `${id} ${version}`, async () => {
      // Not what was read shortly before.
      await this.#views.readNow(id);
      const item = await this.#catalog.read(id);
      return item && stateOf(item, `${version}`);
    });
  }

  item({ id, version }: TaskState): Promise<string | undefined> {
    return shared(this.#items, `${id} ${version}`, async () => {
      const item = await this.#search.item(id);
      return item && JSON.stringify(item);
    });
  }

  isMatch(
    query: string,
    { id, version }: TaskState,
    match: (taskId: string) => Promise<boolean>,
  ): Promise<boolean> {
    const answers = this.#matches.get(query) ?? new LRUCache<string, Promise<boolean>>({ max: MATCHES_MAX });
    this.#matches.set(query, answers);
    return shared(answers, `${id} ${version}`, () => match(id));
  }

  async #turn(isFirst: boolean): Promise<void> {
    const run = this.#run;
    const startMs = performance.now();
    try {
      await this.#logs.makeVisible();
      await this.#look(isFirst);
    } catch (error) {
      // It is away: what changes meanwhile is found by the next look.
      this.#longAtMs = Number.NEGATIVE_INFINITY;
      if (isFirst) throw error;
    }
    if (this.#readers === 0 || run !== this.#run) return;
    const ms = Math.max(LOOK_MS, performance.now() - startMs);
    this.#timer = setTimeout(() => void this.#turn(false), ms).unref();
  }

  async #look(isFirst: boolean): Promise<void> {
    const nowMs = this.#now();
    const isLong = performance.now() - this.#longAtMs >= LONG_EACH_MS;
    const sinceMs = isLong ? Math.min(nowMs, this.#longFromMs) - LATE_MS : nowMs - SHORT_MS;
    const grown = await this.#counts.look(sinceMs);
    const before = this.#changes.number;
    if (!isFirst) for (const { group } of grown) this.#add(group.unit ?? '');
    if (isLong) {
      this.#longAtMs = performance.now();
      this.#longFromMs = nowMs;
      this.#counts.forgetBefore(sinceMs);
    }
    // A reader that comes again gets what has changed since, also what was visible late.
    this.#knownMs = Math.max(0, nowMs - LATE_MS);
    if (this.#changes.number !== before) this.#signal.wake();
  }

  #newCounts(): RowCounts {
    return new RowCounts(this.#logs, { rows: ROWS, by: ['unit'], pieceMs: PIECE_MS });
  }

  #add(id: string): void {
    this.#versions.set(id, this.#changes.add(id));
  }
}

function stateOf({ id, at, metadata }: CatalogItem, version: string): TaskState {
  return {
    ...{ id, version, status: metadata.status },
    changedMs: 0,
    matches: (filter) => {
      const { status, source, provider, agent, since = '', until } = filter;
      return (
        accepts(status, metadata.status) &&
        accepts(source, metadata.source) &&
        accepts(provider, metadata.provider) &&
        accepts(agent, metadata.assigned_agent) &&
        at >= since &&
        (until === undefined || (at !== '' && at < until))
      );
    },
  };
}
