import { timeRange } from '../../arrival.ts';
import type { Row, VictoriaLogs } from '../../client.ts';
import { inRange, type Place } from '../../line-order.ts';
import { isOneOf, type RowKind, rowsOfUnit } from '../../logsql.ts';
import { LINE_FIELDS, LineCollector, type ReadLine } from '../../rows.ts';
import type { FlowLine, FlowPage, PageQuery } from './flow-page.ts';
import { FlowPlan } from './flow-plan.ts';
import { CALL_FIELDS, FlowStanding, KEPT_OF_EACH, keyOf } from './flow-standing.ts';
import { HeldLines } from './held-lines.ts';

/** Ids of one query: its text is at most 16 KiB long. */
const IDS_MAX = 50;

/** Lines of a page, and bytes of their texts: what is in memory for one reader. */
const PAGE_LINES = 5_000;
const PAGE_BYTES = 8 * 1_048_576;

/** Lines whose places are read at once, for several pages. */
const PLAN_LINES = 50_000;

/** A flow that is not longer is read at once, by a reader of all of it, and by any other one. One row has about a kilobyte. */
const WHOLE_ROWS = 16_384;
const SMALL = { rows: 500, bytes: 262_144 };

/** What the texts of a flow need that is in memory as a whole. */
export const TEXT_FIELDS: string = `_time, id, at, sender, part, parts, reported, name, _msg, ${CALL_FIELDS}`;

export interface FlowPlace {
  readonly logs: VictoriaLogs;
  readonly kind: RowKind;
  readonly unit: string;
}

/**
 * The lines of one kind of a unit: each record once, in the order of time and id. Of copies of a record the one of the sender with
 * the most rights stays, and of tool calls that telemetry reports those that are not in the agent's own output.
 */
export class FlowView {
  readonly kind: RowKind;
  readonly unit: string;
  /** Number of lines. */
  readonly lineCount: number;
  /** Lines of which a part is missing. */
  readonly damaged: number;
  readonly #logs: VictoriaLogs;
  readonly #standing: FlowStanding;
  /** The lines themselves when they are few, else what finds them. */
  readonly #lines: HeldLines | FlowPlan;

  private constructor({ logs, kind, unit }: FlowPlace, known: KnownFlow) {
    this.#logs = logs;
    this.kind = kind;
    this.unit = unit;
    this.#standing = known.standing;
    this.#lines = known.lines;
    this.damaged = known.damaged;
    this.lineCount = known.lineCount;
  }

  /** Undefined when there are no such lines. `isWhole`: the reader wants all of them. */
  static async open(
    place: FlowPlace,
    { isWhole = false }: { readonly isWhole?: boolean } = {},
  ): Promise<FlowView | undefined> {
    const { logs, kind, unit } = place;
    const [extent = {}] = await logs.rows(
      `${rowsOfUnit([kind], unit)} | stats count() rows, count() if (part:=0) firsts, sum(parts) if (part:=0) parts, ` +
        'sum(bytes) if (part:=0) bytes, count() if (reported:=1) reported, min(at) first, max(at) last',
    );
    const [rows, bytes] = [Number(extent.rows ?? 0), Number(extent.bytes)];
    if (rows === 0) return undefined;
    const isHeld = isWhole
      ? rows <= WHOLE_ROWS && bytes <= PAGE_BYTES
      : rows <= SMALL.rows && bytes <= SMALL.bytes;
    // What follows a flow asks for more of a line than its text.
    const fields = isWhole ? TEXT_FIELDS : `${LINE_FIELDS}, ${CALL_FIELDS}`;
    if (isHeld)
      return FlowView.ofRows(place, await logs.rows(`${rowsOfUnit([kind], unit)} | fields ${fields}`));
    return new FlowView(place, await readKnown(place, extent));
  }

  /** Of all its rows, with `TEXT_FIELDS`. */
  static ofRows(place: FlowPlace, rows: readonly Row[]): FlowView {
    const standing = new FlowStanding(place.kind);
    const collector = new LineCollector();
    for (const row of rows) collector.add(row);
    const firsts = rows.filter(({ part }) => part === '0');
    if (hasRepeats(firsts)) standing.dropCopies(firsts);
    if (firsts.some(({ reported }) => reported === '1'))
      standing.dropReported(firsts.filter(({ call }) => call !== undefined));
    const all = collector.lines();
    const lines = all.flatMap((line) => linesOf(line, standing));
    return new FlowView(place, {
      standing,
      lines: new HeldLines(lines),
      damaged: all.filter(({ text }) => text === undefined).length,
      lineCount: lines.length,
    });
  }

  /** The texts of all lines of a flow that is in memory. */
  texts(): readonly string[] {
    return this.#lines instanceof HeldLines ? this.#lines.lines.map(({ text }) => text) : [];
  }

  /** All lines, page by page. */
  async *pages(): AsyncGenerator<readonly FlowLine[]> {
    if (this.#lines instanceof HeldLines) {
      if (this.lineCount > 0) yield this.#lines.lines;
      return;
    }
    for (let after: Place | undefined; ; ) {
      const planned = await this.#lines.rows({ after }, PLAN_LINES);
      const end = yield* this.#pagesOf(planned.rows, planned.isEnd);
      if (planned.isEnd || end === undefined) return;
      after = end;
    }
  }

  /** The lines of these rows, and the last place. Of a place that is cut off the rest would be missing: it is left out. */
  async *#pagesOf(
    rows: readonly Row[],
    isEnd: boolean,
  ): AsyncGenerator<readonly FlowLine[], Place | undefined> {
    let last: Place | undefined;
    for (let rest = rows; rest.length > 0; ) {
      const cut = cutPage(rest, { lines: PAGE_LINES, bytes: PAGE_BYTES, dropped: this.#standing.dropped });
      const isLast = cut.count === rest.length;
      if (isLast && !isEnd && last !== undefined) return last;
      const [from, to] = [cut.places[0], cut.places.at(-1)];
      if (from === undefined || to === undefined) return last;
      // Rows of a place may be missing at the end of what was planned: they are not found by their time.
      const lines = await this.#read(from, to, isLast && !isEnd ? undefined : rest.slice(0, cut.count));
      if (lines.length > 0) yield lines;
      last = to;
      rest = rest.slice(cut.count);
    }
    return last;
  }

  async page(query: PageQuery): Promise<FlowPage> {
    const { after, before, isBackward = false, lines = PAGE_LINES, bytes = PAGE_BYTES } = query;
    if (this.#lines instanceof HeldLines)
      return this.#lines.page({ after, before, isBackward, lines, bytes });
    const { dropped } = this.#standing;
    const planned = await this.#lines.rows(query, Math.min(PAGE_LINES, lines + dropped.size + 1));
    const { places, count } = cutPage(planned.rows, { lines, bytes, dropped });
    const isEnd = count === planned.rows.length && planned.isEnd;
    if (isBackward) places.reverse();
    const [first] = places;
    const last = places.at(-1);
    if (first === undefined || last === undefined) return { lines: [], isEnd, first, last };
    const isCut = count === planned.rows.length && !planned.isEnd;
    const rows = isCut ? undefined : planned.rows.slice(0, count);
    return { lines: await this.#read(first, last, rows), isEnd, first, last };
  }

  /** Number of lines before a place. */
  async countBefore(place: Place): Promise<number> {
    return this.#lines instanceof HeldLines
      ? this.#lines.countBefore(place)
      : this.#lines.count({ before: place });
  }

  /** The place of a line by its number, from 0. */
  async nth(number: number): Promise<Place | undefined> {
    return this.#lines instanceof HeldLines ? this.#lines.lines[number] : this.#lines.nth(number, PAGE_LINES);
  }

  /** The place of the line with an id. */
  async find(id: string): Promise<Place | undefined> {
    if (this.#lines instanceof HeldLines) return this.#lines.find(id);
    const rows = await this.#logs.rows(
      `${rowsOfUnit([this.kind], this.unit)} part:=0 ${isOneOf('id', [id])} | fields at, id, sender`,
    );
    const kept = rows.filter((row) => !this.#standing.dropped.has(keyOf(row)));
    const at = Math.max(...kept.map((row) => Number(row.at)));
    return kept.length === 0 ? undefined : { at, id };
  }

  /** `rows`: the first ones of all lines there are, by whose times the others are found faster. */
  async #read(from: Place, to: Place, rows: readonly Row[] | undefined): Promise<readonly FlowLine[]> {
    const collector = new LineCollector();
    const time = rows === undefined ? '' : timeOf(rows);
    const query = `${time} ${rowsOfUnit([this.kind], this.unit)} ${inRange({ from, to })} | fields ${LINE_FIELDS}`;
    const { dropped } = this.#standing;
    for (const row of await this.#logs.rows(query)) if (!dropped.has(keyOf(row))) collector.add(row);
    return collector.lines().flatMap((line) => linesOf(line, this.#standing));
  }

  /** The text of a line; undefined for one of which a part is missing, or that another line stands for. */
  textOf(line: ReadLine): string | undefined {
    return textOf(line, this.#standing);
  }
}

interface KnownFlow {
  readonly standing: FlowStanding;
  readonly lines: HeldLines | FlowPlan;
  readonly damaged: number;
  readonly lineCount: number;
}

/** Of a flow that is read in pages. */
async function readKnown(place: FlowPlace, extent: Row): Promise<KnownFlow> {
  const { logs, kind, unit } = place;
  const scope = rowsOfUnit([kind], unit);
  const isComplete = extent.rows === extent.parts;
  const firsts = Number(extent.firsts);
  const [{ ids } = {}] = await logs.rows(`${scope} | stats count_uniq_hash(id) ids`);
  const standing = new FlowStanding(kind);
  let lines = firsts;
  // Otherwise each row is a line.
  const isPlain = isComplete && Number(ids) === firsts;
  const counted = isPlain ? 'count() if (part:=0)' : 'count_uniq_hash(id, at, sender)';
  if (!isPlain) {
    const [counts] = await logs.rows(`${scope} | stats count_uniq_hash(id, sender) sent, ${counted} lines`);
    lines = Number(counts?.lines);
    const isOfEach = KEPT_OF_EACH.has(kind);
    if (lines > Number(isOfEach ? counts?.sent : ids)) await readCopies(place, standing, isOfEach);
  }
  if (Number(extent.reported) > 0)
    standing.dropReported(
      await logs.rows(
        `${scope} part:=0 call:* | fields _time, at, id, sender, name, reported, ${CALL_FIELDS}`,
      ),
    );
  const damaged = isComplete ? 0 : await countDamaged(place);
  const { dropped } = standing;
  const known = { rows: Number(extent.rows), firstAt: Number(extent.first), lastAt: Number(extent.last) };
  return {
    standing,
    lines: new FlowPlan({ logs, scope, extent: known, counted, dropped }),
    damaged,
    lineCount: lines - dropped.size - damaged,
  };
}

/** One id at several times or from several senders. */
async function readCopies(
  { logs, kind, unit }: FlowPlace,
  standing: FlowStanding,
  isOfEach: boolean,
): Promise<void> {
  const scope = `${rowsOfUnit([kind], unit)} part:=0`;
  const groups = isOfEach ? 'id, sender' : 'id';
  const repeated = await logs.rows(
    `${scope} | stats by (${groups}) count_uniq_hash(at, sender) n | filter n:>1 | uniq by (id)`,
  );
  const ids = repeated.map(({ id = '' }) => id);
  for (let at = 0; at < ids.length; at += IDS_MAX) {
    const query = `${scope} ${isOneOf('id', ids.slice(at, at + IDS_MAX))} | fields _time, at, id, sender`;
    standing.dropCopies(await logs.rows(query));
  }
}

/** Lines without a whole copy. */
async function countDamaged({ logs, kind, unit }: FlowPlace): Promise<number> {
  const [counts] = await logs.rows(
    `${rowsOfUnit([kind], unit)} | stats by (at, id, sender, _time) count_uniq(part) n, max(parts) p ` +
      '| math n - p as missing | stats by (at, id, sender) max(missing) best | filter best:<0 | stats count() damaged',
  );
  return Number(counts?.damaged ?? 0);
}

interface PageLimits {
  readonly lines: number;
  readonly bytes: number;
  readonly dropped: ReadonlyMap<string, Place>;
}

/** The places of a page, and the number of rows there. Lines at one place differ by their senders: of a span all stay. */
function cutPage(
  rows: readonly Row[],
  { lines, bytes, dropped }: PageLimits,
): { places: Place[]; count: number } {
  const places: Place[] = [];
  const kept = new Set<string>();
  let sum = 0;
  for (const [count, row] of rows.entries()) {
    const place = { at: Number(row.at), id: row.id ?? '' };
    const last = places.at(-1);
    if (last?.id !== place.id || last.at !== place.at) {
      sum += Number(row.bytes);
      if (kept.size >= lines || (sum > bytes && places.length > 0)) return { places, count };
      places.push(place);
    }
    if (!dropped.has(keyOf(row))) kept.add(keyOf(row));
  }
  return { places, count: rows.length };
}

/** LogsQL for the times of these rows: the rows of a line came at the same time. */
function timeOf(rows: readonly Row[]): string {
  const times = rows.map((row) => Date.parse(row._time ?? ''));
  const [first, last] = times.reduce(
    ([from, to], ms) => [Math.min(from, ms), Math.max(to, ms)],
    [Infinity, 0],
  );
  return timeRange(first, last);
}

function hasRepeats(rows: readonly Row[]): boolean {
  return new Set(rows.map(({ id }) => id)).size < rows.length;
}

function textOf({ row, text }: ReadLine, { dropped, names }: FlowStanding): string | undefined {
  if (text === undefined || dropped.size + names.size === 0) return text;
  const key = keyOf(row);
  if (dropped.has(key)) return undefined;
  const name = names.get(key);
  return name === undefined ? text : `${text.slice(0, -1)},"tool_name":${JSON.stringify(name)}}`;
}

function linesOf(line: ReadLine, standing: FlowStanding): readonly FlowLine[] {
  const text = textOf(line, standing);
  return text === undefined ? [] : [{ at: line.at, id: line.row.id ?? '', name: line.id, text, line }];
}
