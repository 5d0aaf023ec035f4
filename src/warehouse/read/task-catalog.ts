import { accepts } from '../../model/field-values.ts';
import type { JsonObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import type { Row, VictoriaLogs } from '../client.ts';
import { rowsOfKinds } from '../logsql.ts';
import { kindOf } from '../task-summary.ts';
import type { TaskViews } from './task-view.ts';

/** Rows that came at the same time may become visible one after the other: the last seconds are read again. */
const OVERLAP_MS = 15_000;

/** Tasks that VictoriaLogs has removed for their age leave the list after this long. */
const RELOAD_MS = 600_000;

/** Tasks whose metadata is read before the first of them is given. */
const GROUP = 64;

/** A task in the order of creation. */
export interface CatalogTask {
  readonly id: string;
  /** ISO 8601; empty for none. */
  readonly at: string;
}

export interface CatalogFilter {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  /** ISO 8601, inclusive. */
  readonly since?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly until?: string | undefined;
  readonly after?: CatalogTask | undefined;
}

export interface CatalogItem extends CatalogTask {
  readonly metadata: JsonObject;
}

/** What the marks of one sender say about a task. Milliseconds. */
interface Marked {
  readonly first: number;
  readonly created: number;
}

interface Marks {
  readonly bySender: Map<string, Marked>;
  /** When the last mark came. */
  latestMs: number;
}

/**
 * The tasks of a VictoriaLogs, by their marks. Kept in memory, about 300 bytes each, so that a list reads only what came since the
 * last one; another process reads them again.
 */
export class TaskCatalog {
  readonly #logs: VictoriaLogs;
  readonly #views: TaskViews;
  #tasks = new Map<string, Marks>();
  #readFromMs: number | undefined;
  #reloadAtMs = 0;
  #reading: Promise<void> | undefined;

  constructor(logs: VictoriaLogs, views: TaskViews) {
    this.#logs = logs;
    this.#views = views;
  }

  async names(): Promise<readonly string[]> {
    await this.#refresh();
    return [...this.#tasks.keys()];
  }

  /** Undefined for an unknown task. */
  async read(taskId: string): Promise<CatalogItem | undefined> {
    await this.#refresh();
    const marks = this.#tasks.get(taskId);
    return marks && this.#itemOf({ id: taskId, at: placeOf(marks) });
  }

  /** Newest first. */
  async *list(filter: CatalogFilter): AsyncGenerator<CatalogItem> {
    await this.#refresh();
    const { after, since = '', until } = filter;
    const tasks = [...this.#tasks]
      .map(([id, marks]) => ({ id, at: placeOf(marks) }))
      .filter(({ at }) => at >= since && (until === undefined || (at !== '' && at < until)))
      .filter((task) => after === undefined || newestFirst(after, task) < 0)
      .sort(newestFirst);
    for (let at = 0; at < tasks.length; at += GROUP) {
      const items = await mapBounded(tasks.slice(at, at + GROUP), (task) => this.#itemOf(task));
      for (const item of items) if (item !== undefined && isWanted(item.metadata, filter)) yield item;
    }
  }

  async #itemOf(task: CatalogTask): Promise<CatalogItem | undefined> {
    const metadata = (await this.#views.read(task.id))?.document('metadata');
    return metadata && { ...task, metadata: { ...metadata, task_id: task.id } };
  }

  /** Calls at once share one reading. */
  #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const isWhole = this.#readFromMs === undefined || performance.now() >= this.#reloadAtMs;
    const tasks = isWhole ? new Map<string, Marks>() : this.#tasks;
    const since = isWhole ? '' : ` _time:>=${isoFromMs((this.#readFromMs ?? 0) - OVERLAP_MS)}`;
    const query =
      `${rowsOfKinds(['task'])}${since} | stats by (unit, sender) ` +
      'min(first) first, min(created) created, max(_time) latest';
    let latestMs = this.#readFromMs ?? 0;
    for await (const row of this.#logs.query(query)) latestMs = Math.max(latestMs, addMark(tasks, row));
    if (isWhole) this.#reloadAtMs = performance.now() + RELOAD_MS;
    this.#tasks = tasks;
    this.#readFromMs = latestMs;
  }
}

function addMark(tasks: Map<string, Marks>, { unit = '', sender, first, created, latest = '' }: Row): number {
  const latestMs = Date.parse(latest);
  let marks = tasks.get(unit);
  if (marks === undefined) {
    marks = { bySender: new Map(), latestMs };
    tasks.set(unit, marks);
  }
  const key = kindOf(sender);
  const known = marks.bySender.get(key);
  marks.bySender.set(key, {
    first: Math.min(known?.first ?? Number.POSITIVE_INFINITY, timeIn(first)),
    created: Math.min(known?.created ?? Number.POSITIVE_INFINITY, timeIn(created)),
  });
  marks.latestMs = Math.max(marks.latestMs, latestMs);
  return latestMs;
}

function timeIn(value: string | undefined): number {
  return value === undefined || value === '' ? Number.POSITIVE_INFINITY : Number(value);
}

/** As the metadata gives it: what anonymous senders say counts only where no other sender has anything. */
function placeOf({ bySender, latestMs }: Marks): string {
  const all = [...bySender];
  const isClaimed = all.some(([sender]) => sender !== 'anonymous');
  const counted = all.filter(([sender]) => !isClaimed || sender !== 'anonymous');
  const created = Math.min(...counted.map(([, marked]) => marked.created));
  const at = Number.isFinite(created) ? created : Math.min(...all.map(([, marked]) => marked.first));
  // Senders choose the time, and one of the future would stand first for ever.
  return Number.isFinite(at) ? isoFromMs(Math.min(at, latestMs)) : '';
}

function newestFirst(a: CatalogTask, b: CatalogTask): number {
  if (a.at !== b.at) return a.at > b.at ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}

function isWanted(metadata: JsonObject, { status, source, provider, agent }: CatalogFilter): boolean {
  return (
    accepts(status, metadata.status) &&
    accepts(source, metadata.source) &&
    accepts(provider, metadata.provider) &&
    accepts(agent, metadata.assigned_agent)
  );
}
