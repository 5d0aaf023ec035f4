import { arrivalOf } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
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

/** What is known of the rows of a task. */
interface Counted {
  rows: number;
  /** As `arrivalOf`. */
  latest: string;
}

/** Which tasks of a VictoriaLogs have changed. Holds about 200 bytes a task in memory. */
export class RowVersions {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  #tasks = new Map<string, Counted>();
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
    this.#recent = new RowCounts(logs, { rows: rowsOfKinds(TASK_KINDS), by: ['unit'], pieceMs: PIECE_MS });
  }

  /** The tasks that have changed since the last call; at the first one those of the last seconds. */
  async changed(): Promise<readonly string[]> {
    await this.#refresh();
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
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
    const tasks = new Map<string, Counted>();
    const query = `${rowsOfKinds(TASK_KINDS)} | stats by (unit) count() rows, max(_time) latest`;
    for await (const { unit = '', rows, latest } of this.#logs.query(query)) {
      const counted = { rows: Number(rows), latest: arrivalOf({ _time: latest }) };
      tasks.set(unit, counted);
      if (!isFirst && this.#tasks.get(unit)?.rows !== counted.rows) this.#changed.add(unit);
    }
    this.#tasks = tasks;
    this.#recountAtMs = performance.now() + RECOUNT_MS;
  }

  #count(unit: string, { more, latest }: GrownCount): void {
    const counted = this.#tasks.get(unit);
    if (counted === undefined) {
      this.#tasks.set(unit, { rows: more, latest });
      return;
    }
    counted.rows += more;
    if (latest > counted.latest) counted.latest = latest;
  }
}
