import type { Row, VictoriaLogs } from '../client.ts';
import { is, type RowKind, rowsOfKinds, rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS } from '../rows.ts';
import { type FollowedRows, LATE_MS } from './followed-rows.ts';
import { isRun } from './got-lines.ts';
import { type Copies, readCopies } from './line-copies.ts';
import { type NumberedLine, numberedLines } from './numbered-rows.ts';
import { grouped, nanos, type RowScope } from './row-scope.ts';

/** Between two looks: at least this, and as long as a look takes, so that a slow VictoriaLogs is not asked all the time. */
const LOOK_MS = 200;

/** A look goes back so far. Each few seconds one goes back as far as a line may be late. */
const SHORT_MS = 5_000;
const LONG_EACH_MS = 5_000;

/** Texts of one look. Of a unit with more the readers read themselves. */
const BYTES_MAX = 16 * 1_048_576;

/** A look that fails is tried again after this. */
const RETRY_MS = 1_000;

/** Lines of one unit and one run that came within the time of a look. */
interface Found {
  readonly rows: FollowedRows;
  readonly run: string;
  readonly from: number;
  readonly bytes: number;
}

/** What is looked at together. */
export interface Polled {
  readonly rows: FollowedRows;
  /** Lines that have become visible. */
  changed(lines: readonly NumberedLine[]): void;
  /** After each look. */
  looked(): void;
}

/**
 * Looks for new lines of all that is followed, with a few queries for all readers of this process. First it counts the lines by
 * unit and run, and then reads only what is new.
 */
export class RowPoll {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #followed = new Map<FollowedRows, Polled>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #longAtMs = Number.NEGATIVE_INFINITY;
  /** When the last long look began, by `now`. */
  #longFromMs = Number.POSITIVE_INFINITY;
  #hasFailed = false;

  constructor(logs: VictoriaLogs, now: () => number) {
    this.#logs = logs;
    this.#now = now;
  }

  add(polled: Polled): void {
    if (this.#followed.size === 0) {
      this.#longAtMs = Number.NEGATIVE_INFINITY;
      this.#longFromMs = this.#now();
    }
    this.#followed.set(polled.rows, polled);
    if (this.#timer === undefined && !this.#isLooking) this.#schedule(LOOK_MS);
  }

  remove(rows: FollowedRows): void {
    this.#followed.delete(rows);
    if (this.#followed.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => void this.#turn(), ms).unref();
  }

  async #turn(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    const startMs = performance.now();
    let waitMs = LOOK_MS;
    try {
      await this.#logs.makeVisible();
      await this.#look();
      waitMs = Math.max(LOOK_MS, performance.now() - startMs);
      if (this.#hasFailed) for (const { rows } of this.#followed.values()) rows.signal.wake();
      this.#hasFailed = false;
    } catch {
      // It is away; requests of readers say so. What came meanwhile is found by the next look, which goes back far enough.
      this.#hasFailed = true;
      waitMs = RETRY_MS;
    }
    this.#isLooking = false;
    if (this.#followed.size > 0 && this.#timer === undefined) this.#schedule(waitMs);
  }

  async #look(): Promise<void> {
    const nowMs = this.#now();
    const followed = [...this.#followed.values()];
    const isLong = this.#hasFailed || performance.now() - this.#longAtMs >= LONG_EACH_MS;
    const fromMs = isLong ? Math.min(nowMs, this.#longFromMs) - LATE_MS : nowMs - SHORT_MS;
    for (const group of grouped(followed, ({ rows: { scope } }) => (scope.unit ?? '').length + 5)) {
      const found = await this.#count(group, fromMs);
      await this.#readNew(found, fromMs);
    }
    for (const one of followed) {
      if (isLong) one.rows.looked(nowMs);
      one.looked();
    }
    if (!isLong) return;
    this.#longAtMs = performance.now();
    this.#longFromMs = nowMs;
  }

  /** Runs of which not all lines are known. */
  async #count(group: readonly Polled[], fromMs: number): Promise<readonly Found[]> {
    const found: Found[] = [];
    for (const { kinds, scopes } of byKinds(group)) {
      const units = [...scopes.keys()].filter((unit) => unit !== '');
      const isWhole = scopes.has('');
      const rows = isWhole ? rowsOfKinds(kinds) : rowsOfUnit(kinds, ...units);
      const groups = isWhole ? 'run' : 'unit, run';
      const counts = await this.#logs.rows(
        `${rows} part:=0 run:* _time:>${nanos(fromMs)} | stats by (${groups}) ` +
          'count_uniq(seq) lines, min(seq) first, max(seq) last, sum(bytes) bytes',
      );
      for (const row of counts) {
        const followed = scopes.get(isWhole ? '' : (row.unit ?? ''));
        const one = followed && newIn(followed.rows, row);
        if (one !== undefined) found.push(one);
      }
    }
    return found;
  }

  async #readNew(found: readonly Found[], fromMs: number): Promise<void> {
    for (const group of grouped(found, ({ rows: { scope } }) => (scope.unit ?? '').length + 60)) {
      for (const { scopes, kinds } of byKinds(group)) {
        const runs = group.filter(({ rows }) => scopes.has(rows.scope.unit ?? ''));
        const conditions = runs.map(({ run, from }) => `(${is('run', run)} seq:>=${from})`);
        const units = [...scopes.keys()].filter((unit) => unit !== '');
        const scope = scopes.has('') ? rowsOfKinds(kinds) : rowsOfUnit(kinds, ...units);
        const query = `${scope} _time:>${nanos(fromMs)} (${conditions.join(' or ')})`;
        const isMuch = runs.reduce((sum, { bytes }) => sum + bytes, 0) > BYTES_MAX;
        await this.#add(scopes, { kinds, unit: undefined }, { query, isMuch });
      }
    }
  }

  async #add(
    scopes: ReadonlyMap<string, { readonly rows: FollowedRows }>,
    scope: RowScope,
    { query, isMuch }: { readonly query: string; readonly isMuch: boolean },
  ): Promise<void> {
    const fields = isMuch ? LINE_FIELDS.replace(', _msg', '') : LINE_FIELDS;
    const found = await this.#logs.rows(`${query} | fields ${fields}`);
    const read = numberedLines(isMuch ? found.map((row) => ({ ...row, _msg: '' })) : found);
    for (const [unit, { rows }] of scopes) {
      const lines = read
        .filter((line) => unit === '' || line.unit === unit)
        .filter((line) => !rows.got.has(line));
      if (lines.length === 0) continue;
      if (isMuch) rows.pass(lines);
      else await rows.add(lines, await this.#copiesOf(rows, scope, lines));
      this.#followed.get(rows)?.changed(lines);
    }
  }

  async #copiesOf(rows: FollowedRows, scope: RowScope, lines: readonly NumberedLine[]): Promise<Copies> {
    return rows.isDeduped ? readCopies(this.#logs, scope, lines) : new Map<string, never>();
  }
}

interface Scopes<One> {
  readonly kinds: readonly RowKind[];
  /** By unit; '' for all. */
  readonly scopes: Map<string, One>;
}

function byKinds<One extends { readonly rows: FollowedRows }>(group: readonly One[]): readonly Scopes<One>[] {
  const found = new Map<string, Scopes<One>>();
  for (const one of group) {
    const { kinds, unit = '' } = one.rows.scope;
    const key = `${kinds.join()} ${unit === ''}`;
    const known = found.get(key) ?? { kinds, scopes: new Map<string, One>() };
    found.set(key, known);
    known.scopes.set(unit, one);
  }
  return [...found.values()];
}

function newIn(rows: FollowedRows, { run, lines, first, last, bytes }: Row): Found | undefined {
  if (!isRun(run)) return undefined;
  const [from, to] = [Number(first), Number(last)];
  if (rows.got.count(run, from, to) >= Number(lines)) return undefined;
  return { rows, run, from: rows.got.firstMissing(run, from), bytes: Number(bytes) };
}
