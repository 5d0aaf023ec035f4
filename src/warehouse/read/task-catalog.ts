import { accepts } from '../../model/field-values.ts';
import type { JsonObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfKinds } from '../logsql.ts';
import { MarkedPlace } from '../marked-place.ts';
import { PlaceOrder } from './place-order.ts';
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

/**
 * The tasks of a VictoriaLogs, by their marks. Kept in memory, about 250 bytes each, so that a list reads only what came since the
 * last one; another process reads them again.
 */
export class TaskCatalog {
  readonly #logs: VictoriaLogs;
  readonly #views: TaskViews;
  #tasks = new Map<string, MarkedPlace>();
  #order = new PlaceOrder();
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
    // A view that was read a moment ago may be from before its marks could be seen; the list has them then.
    const at = (await this.#views.read(taskId))?.summary.at ?? this.#tasks.get(taskId)?.at;
    return at === undefined ? undefined : this.#itemOf({ id: taskId, at });
  }

  /** Newest first. */
  async *list(filter: CatalogFilter): AsyncGenerator<CatalogItem> {
    await this.#refresh();
    const { since = '', until } = filter;
    for (let last = filter.after; ; ) {
      // The order may change between two groups.
      const group = this.#order.before(last, until, GROUP).filter(({ at }) => at >= since);
      last = group.at(-1);
      if (last === undefined) return;
      const items = await Promise.all(group.map((place) => this.#itemOf(place)));
      for (const item of items) if (item !== undefined && isWanted(item.metadata, filter)) yield item;
    }
  }

  async #itemOf(place: CatalogTask): Promise<CatalogItem | undefined> {
    const metadata = (await this.#views.read(place.id))?.document('metadata');
    return metadata && { ...place, metadata: { ...metadata, task_id: place.id } };
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
    const since = isWhole ? '' : ` _time:>=${isoFromMs((this.#readFromMs ?? 0) - OVERLAP_MS)}`;
    const query =
      `${rowsOfKinds(['task'])}${since} | stats by (unit, sender) ` +
      'min(first) first, min(created) created, max(_time) latest';
    const tasks = isWhole ? new Map<string, MarkedPlace>() : this.#tasks;
    let latestMs = this.#readFromMs ?? 0;
    for await (const rows of this.#logs.pieces(query)) {
      for (const row of rows) {
        const { unit: id = '' } = row;
        const known = tasks.get(id);
        const place = known ?? new MarkedPlace(id);
        tasks.set(id, place);
        if (isWhole) place.add(row);
        else this.#order.move(place, known !== undefined, () => place.add(row));
        latestMs = Math.max(latestMs, place.latestMs);
      }
    }
    if (isWhole) {
      this.#tasks = tasks;
      this.#order = new PlaceOrder([...tasks.values()]);
      this.#reloadAtMs = performance.now() + RELOAD_MS;
    }
    this.#readFromMs = latestMs;
  }
}

function isWanted(metadata: JsonObject, { status, source, provider, agent }: CatalogFilter): boolean {
  return (
    accepts(status, metadata.status) &&
    accepts(source, metadata.source) &&
    accepts(provider, metadata.provider) &&
    accepts(agent, metadata.assigned_agent)
  );
}
