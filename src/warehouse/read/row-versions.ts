import { arrivalOf, timeRange } from '../arrival.ts';
import type { Row, VictoriaLogs } from '../client.ts';
import { rowsOfKinds } from '../logsql.ts';
import { TASK_KINDS } from '../task-summary.ts';
import { type GrownCount, RowCounts } from './row-counts.ts';

/** In this time rows may still become visible. */
const RECENT_MS = 30_000;
const PIECE_MS = 10_000;

/** A task changes once more when it settles, without a row: 10 seconds after its end. */
const SETTLED_MS = 13_000;

/** Interval in milliseconds for counting all rows again: of services whose clocks are wrong, rows appear in the past. */
const RECOUNT_MS = 300_000;

/** Marks, too: without one a task is in no list. */
const ROWS = rowsOfKinds([...TASK_KINDS, 'task']);

/** What is known of the rows of a task. */
interface Counted {
  rows: number;
  /** When the first one came, or a part of a second before. Milliseconds. */
  fromMs: number;
  /** As `arrivalOf`. */
  latest: string;
  /** The counting of all rows that has found it last. */
  round: number;
}

/** Which tasks of a VictoriaLogs have changed. Holds about 250 bytes a task in memory. */
export class RowVersions {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #tasks = new Map<string, Counted>();
  #round = 0;
  readonly #recent: RowCounts;
  /** When tasks are looked at once more. */
  readonly #settling = new Map<string, number>();
  #recountAtMs = 0;
  /** Tasks that have changed since they were asked for. */
  readonly #changed = new Set<string>();
  #reading: Promise<void> | undefined;

  /** `now`: milliseconds since the epoch. */
  constructor(logs: VictoriaLogs, now: () => number) {
    this.#logs = logs;
    this.#now = now;
    this.#recent = new RowCounts(logs, { rows: ROWS, by: ['unit'], pieceMs: PIECE_MS });
  }

  /** The tasks that have changed since the last call; at the first one those of the last seconds. */
  async changed(): Promise<readonly string[]> {
    await this.#refresh();
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** Those whose first rows came earlier first: read in this order, rows that VictoriaLogs keeps together are read together. */
  async names(): Promise<readonly string[]> {
    if (this.#recountAtMs === 0) await this.#refresh();
    return [...this.#tasks].sort(([, a], [, b]) => a.fromMs - b.fromMs).map(([id]) => id);
  }

  /** LogsQL for the time in which all known rows of these tasks came. */
  timeOf(taskIds: readonly string[]): string {
    let [fromMs, toMs] = [Number.POSITIVE_INFINITY, 0];
    for (const id of taskIds) {
      const counted = this.#tasks.get(id);
      if (counted === undefined) return '';
      fromMs = Math.min(fromMs, counted.fromMs);
      toMs = Math.max(toMs, Date.parse(counted.latest));
    }
    return toMs === 0 ? '' : timeRange(fromMs, toMs);
  }

  /** A text that changes with the rows of a task. Undefined for an unknown one. */
  async of(taskId: string): Promise<string | undefined> {
    if (this.#recountAtMs === 0) await this.#refresh();
    const counted = this.#tasks.get(taskId);
    return counted && `${counted.rows} ${counted.latest}`;
  }

  /** Calls at once share one reading. */
  #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const nowMs = this.#now();
    const isRecount = performance.now() >= this.#recountAtMs;
    if (isRecount) await this.#recount();
    const grown = await this.#recent.look(nowMs - RECENT_MS);
    this.#recent.forgetBefore(nowMs - RECENT_MS);
    for (const one of grown) {
      const { unit = '' } = one.group;
      if (!isRecount) this.#count(unit, one);
      this.#changed.add(unit);
      this.#settling.set(unit, nowMs + SETTLED_MS);
    }
    for (const [unit, atMs] of this.#settling) {
      if (atMs > nowMs) continue;
      this.#settling.delete(unit);
      this.#changed.add(unit);
    }
  }

  async #recount(): Promise<void> {
    const isFirst = this.#recountAtMs === 0;
    this.#round += 1;
    const query = `${ROWS} | stats by (unit) count() rows, min(_time) first, max(_time) latest`;
    for await (const counted of this.#logs.pieces(query))
      for (const row of counted) this.#recounted(row, isFirst);
    // Those that VictoriaLogs has removed for their age.
    for (const [unit, { round }] of this.#tasks) if (round !== this.#round) this.#tasks.delete(unit);
    this.#recountAtMs = performance.now() + RECOUNT_MS;
  }

  #recounted({ unit = '', rows, first, latest }: Row, isFirst: boolean): void {
    const known = this.#tasks.get(unit);
    const counted = {
      ...{ rows: Number(rows), latest: arrivalOf({ _time: latest }) },
      ...{ fromMs: Date.parse(first ?? ''), round: this.#round },
    };
    if (!isFirst && known?.rows !== counted.rows) this.#changed.add(unit);
    this.#tasks.set(unit, counted);
  }

  #count(unit: string, { more, group, latest }: GrownCount): void {
    const counted = this.#tasks.get(unit);
    const fromMs = Date.parse(group._time ?? '');
    if (counted === undefined) {
      this.#tasks.set(unit, { rows: more, fromMs, latest, round: this.#round });
      return;
    }
    counted.rows += more;
    counted.fromMs = Math.min(counted.fromMs, fromMs);
    if (latest > counted.latest) counted.latest = latest;
  }
}
