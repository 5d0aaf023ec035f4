import { isoFromMs } from '../../model/time.ts';
import { arrivalOf } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfKinds } from '../logsql.ts';
import { TASK_KINDS } from '../task-summary.ts';

/** Rows of this time are counted in buckets, because those that came at one time become visible one after the other. */
const RECENT_MS = 30_000;
const BUCKET_MS = 10_000;

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

/** Rows by bucket and task. */
type Buckets = Map<string, Map<string, number>>;

/** Rows of a task that have come since the last time. */
interface NewRows {
  readonly unit: string;
  readonly more: number;
  readonly latest: string;
}

/** Which tasks of a VictoriaLogs have changed. Holds about 200 bytes a task in memory. */
export class TaskVersions {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  #tasks = new Map<string, Counted>();
  /** Of the time in which rows may still be added. */
  #recent: Buckets = new Map();
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
    const isFirst = this.#recountAtMs === 0;
    const { found, buckets } = await this.#readRecent(nowMs);
    const isRecount = performance.now() >= this.#recountAtMs;
    if (isRecount) {
      // Rows that come meanwhile are counted twice until the next time: their tasks are looked at once too often.
      await this.#recount(isFirst);
      this.#recountAtMs = performance.now() + RECOUNT_MS;
    }
    this.#recent = buckets;
    for (const { unit, more, latest } of found) {
      if (!isRecount) this.#count(unit, more, latest);
      this.#changed.add(unit);
      this.#settling.set(unit, nowMs + SETTLED_MS);
    }
    for (const [unit, atMs] of this.#settling) {
      if (atMs > nowMs) continue;
      this.#settling.delete(unit);
      this.#changed.add(unit);
    }
  }

  /** The rows that were not there the last time. */
  async #readRecent(
    nowMs: number,
  ): Promise<{ readonly found: readonly NewRows[]; readonly buckets: Buckets }> {
    const from = isoFromMs(Math.floor((nowMs - RECENT_MS) / BUCKET_MS) * BUCKET_MS);
    // As a whole: rows of an answer that breaks off would be counted twice.
    const rows = await this.#logs.rows(
      `_time:>=${from} ${rowsOfKinds(TASK_KINDS)} | ` +
        `stats by (unit, _time:${BUCKET_MS / 1_000}s) count() rows, max(_time) latest`,
    );
    const buckets: Buckets = new Map();
    const found: NewRows[] = [];
    for (const { unit = '', _time: bucket = '', rows: count, latest } of rows) {
      const more = Number(count) - (this.#recent.get(bucket)?.get(unit) ?? 0);
      const ofBucket = buckets.get(bucket) ?? new Map<string, number>();
      buckets.set(bucket, ofBucket.set(unit, Number(count)));
      if (more > 0) found.push({ unit, more, latest: arrivalOf({ _time: latest }) });
    }
    return { found, buckets };
  }

  async #recount(isFirst: boolean): Promise<void> {
    const tasks = new Map<string, Counted>();
    const query = `${rowsOfKinds(TASK_KINDS)} | stats by (unit) count() rows, max(_time) latest`;
    for await (const { unit = '', rows, latest } of this.#logs.query(query)) {
      const counted = { rows: Number(rows), latest: arrivalOf({ _time: latest }) };
      tasks.set(unit, counted);
      if (!isFirst && this.#tasks.get(unit)?.rows !== counted.rows) this.#changed.add(unit);
    }
    this.#tasks = tasks;
  }

  #count(unit: string, rows: number, latest: string): void {
    const counted = this.#tasks.get(unit);
    if (counted === undefined) {
      this.#tasks.set(unit, { rows, latest });
      return;
    }
    counted.rows += rows;
    if (latest > counted.latest) counted.latest = latest;
  }
}
