import { arrivalOf } from '../arrival.ts';
import type { Row, VictoriaLogs } from '../client.ts';
import { is, rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, lineOf, type ReadLine } from '../rows.ts';
import { type GotLines, isRun, type LineName } from './got-lines.ts';
import { grouped, nanos, type RowScope, rowsOfScope } from './row-scope.ts';

/** A line with its number. */
export interface NumberedLine extends ReadLine, LineName {}

/** Stretches that a query leaves out; what is got beyond them is read again, and passed. */
const LEFT_OUT_MAX = 60;

/** The whole lines of these rows, each copy as one of its own, in the order in which they came. */
export function numberedLines(rows: Iterable<Row>): readonly NumberedLine[] {
  const lines = new Map<string, Row[]>();
  for (const row of rows) {
    const { unit, run, seq, kind } = row;
    if (!isRun(run) || seq === undefined) continue;
    const key = `${kind} ${unit} ${run} ${seq}`;
    const known = lines.get(key);
    if (known === undefined) lines.set(key, [row]);
    else known.push(row);
  }
  return [...lines.values()]
    .map((parts) => ({ ...lineOf(parts), run: parts[0]?.run ?? '', seq: Number(parts[0]?.seq) }))
    .filter(({ text }) => text !== undefined)
    .sort(compareArrivals);
}

export function compareArrivals(a: LineName, b: LineName): number {
  if (a.arrived !== b.arrived) return a.arrived < b.arrived ? -1 : 1;
  if (a.run !== b.run) return a.run < b.run ? -1 : 1;
  return a.seq - b.seq;
}

/** A line as queries about many give it. */
export interface LineKey extends LineName {
  readonly row: Row;
}

function keyOf(row: Row): LineKey {
  return { arrived: arrivalOf(row), run: row.run ?? '', seq: Number(row.seq), row };
}

/** The names of all whole lines that came after a time. */
export async function namesSince(
  logs: VictoriaLogs,
  scope: RowScope,
  since: string,
): Promise<readonly LineName[]> {
  const names: LineName[] = [];
  const parts = new Map<string, { readonly name: LineName; readonly missing: Set<number> }>();
  const query = `${rowsOfScope(scope)} _time:>${since} run:* | fields _time, run, seq, part, parts`;
  for await (const row of logs.query(query)) {
    const { row: _, ...name } = keyOf(row);
    if (!isRun(row.run)) continue;
    if (row.parts === '1') {
      names.push(name);
      continue;
    }
    const key = `${name.run} ${name.seq}`;
    const missing = new Set(Array.from({ length: Number(row.parts) }, (_one, part) => part));
    const line = parts.get(key) ?? { name, missing };
    parts.set(key, line);
    line.missing.delete(Number(row.part));
  }
  for (const { name, missing } of parts.values()) if (missing.size === 0) names.push(name);
  return names.sort(compareArrivals);
}

/** Seconds of the first piece of time that is looked at for lines that are missing; those behind it are longer. */
const PIECE_SECONDS = 600;

/** So far ahead a clock may be. */
const AHEAD_MS = 86_400_000;

export interface MissingQuery {
  readonly scope: RowScope;
  readonly got: GotLines;
  readonly limit: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * The first lines that are not got, in the order in which they came, without their texts. All lines that came up to `until` and are
 * not among them are got; `until` is undefined when there are no more.
 */
export async function missingLines(
  logs: VictoriaLogs,
  { scope, got, limit, nowMs }: MissingQuery,
): Promise<{ readonly lines: readonly LineKey[]; readonly until: string | undefined }> {
  const leftOut = got
    .stretches(LEFT_OUT_MAX)
    .map(({ run, from, to }) => `(${is('run', run)} seq:range[${from},${to}])`);
  const others = leftOut.length === 0 ? '' : ` !(${leftOut.join(' or ')})`;
  const rows = `${rowsOfScope(scope)} part:=0 run:*${others}`;
  const from = got.until === '' ? await firstArrival(logs, rows) : got.until;
  if (from === undefined) return { lines: [], until: undefined };
  const lastMs = nowMs + AHEAD_MS;
  let after = from;
  for (let seconds = PIECE_SECONDS; ; seconds *= 4) {
    const toMs = Date.parse(after) + seconds * 1_000;
    const to = toMs >= lastMs ? '' : ` _time:<=${nanos(toMs)}`;
    const found = await logs.rows(
      `${rows} _time:>${after}${to} | sort by (_time, run) limit ${limit + 1} ` +
        '| fields _time, kind, unit, id, sender, at, run, seq, bytes, parts',
    );
    const keys = found.map(keyOf).sort(compareArrivals);
    if (keys.length > limit) {
      // Of those that came at the time of the last one there may be more.
      const last = keys.at(-1)?.arrived;
      const whole = keys.filter(({ arrived }) => arrived !== last);
      return { lines: whole.filter((key) => isRun(key.run) && !got.has(key)), until: whole.at(-1)?.arrived };
    }
    const lines = keys.filter((key) => isRun(key.run) && !got.has(key));
    if (toMs >= lastMs) return { lines, until: undefined };
    after = nanos(toMs);
    if (lines.length > 0) return { lines, until: after };
  }
}

/** Just before the first row. */
async function firstArrival(logs: VictoriaLogs, rows: string): Promise<string | undefined> {
  const [first] = await logs.rows(`${rows} | stats min(_time) first`);
  const ms = Date.parse(first?.first ?? '');
  return Number.isFinite(ms) ? nanos(ms - 1) : undefined;
}

/** The texts of these lines. One of which a part is not visible yet is left out. */
export async function readNumbered(
  logs: VictoriaLogs,
  { kinds }: RowScope,
  keys: readonly LineKey[],
): Promise<readonly NumberedLine[]> {
  const rows: Row[] = [];
  for (const group of grouped(keys, ({ row }) => 60 + (row.unit ?? '').length)) {
    const [first] = group;
    if (first === undefined) continue;
    const times = group.map(({ arrived }) => arrived).sort();
    const byRun = new Map<string, number[]>();
    for (const { run, seq } of group) byRun.set(run, [...(byRun.get(run) ?? []), seq]);
    const runs = [...byRun].map(([run, seqs]) => `(${is('run', run)} seq:in(${seqs.join(',')}))`);
    const units = [...new Set(group.map(({ row }) => row.unit ?? ''))];
    const within = `_time:>=${times[0]} _time:<=${times.at(-1)}`;
    rows.push(
      ...(await logs.rows(
        `${rowsOfUnit(kinds, ...units)} ${within} (${runs.join(' or ')}) | fields ${LINE_FIELDS}`,
      )),
    );
  }
  return numberedLines(rows);
}
