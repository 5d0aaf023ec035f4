import { parseObject } from '../../model/json.ts';
import { compareMarks, isMark } from '../../model/sender.ts';
import type { TaskLine } from '../../project/change.ts';
import { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import { arrivalOf } from '../arrival.ts';
import type { Row, VictoriaLogs } from '../client.ts';
import { givenId, inRange, type Place } from '../line-order.ts';
import { isOneOf, type RowKind, rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, LineCollector, type ReadLine } from '../rows.ts';

/** Ids of one query: its text is at most 16 KiB long. */
const IDS_MAX = 50;

/** Lines of a page, and bytes of their texts: what is in memory for one reader. */
const PAGE_LINES = 5_000;
const PAGE_BYTES = 8 * 1_048_576;

/**
 * Kinds of which a copy of each sender stays. Of spans, because the one of a forger must not hide the other; of facts and events,
 * because the folds decide.
 */
export const KEPT_OF_EACH: ReadonlySet<string> = new Set<RowKind>(['span', 'workflow-span', 'fact', 'event']);

/** A line of a flow, as readers get it. */
export interface FlowLine extends Place {
  /** As it was given. */
  readonly name: string;
  readonly text: string;
  /** The line itself, with the fields of its first row. */
  readonly line: ReadLine;
}

export interface PageQuery {
  readonly after?: Place | undefined;
  readonly before?: Place | undefined;
  /** The last lines before the end, not the first ones. They are given in their order all the same. */
  readonly isBackward?: boolean;
  readonly lines?: number;
  readonly bytes?: number;
}

/** A page of lines that stand for others. `isEnd`: there are no more in this direction. */
export interface FlowPage {
  readonly lines: readonly FlowLine[];
  readonly isEnd: boolean;
  /** The first and the last place that was read: the next page goes on there. */
  readonly first: Place | undefined;
  readonly last: Place | undefined;
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
  readonly #dropped: ReadonlyMap<string, Place>;
  readonly #names: ReadonlyMap<string, string>;

  private constructor(
    { logs, kind, unit }: FlowPlace,
    counts: { readonly lines: number; readonly damaged: number },
    { dropped, names }: Standing,
  ) {
    this.#logs = logs;
    this.kind = kind;
    this.unit = unit;
    this.#dropped = dropped;
    this.#names = names;
    this.damaged = counts.damaged;
    this.lineCount = counts.lines - dropped.size - counts.damaged;
  }

  /** Undefined when there are no such lines. */
  static async open(place: FlowPlace): Promise<FlowView | undefined> {
    const { logs, kind, unit } = place;
    const [counts = {}] = await logs.rows(
      `${rowsOfUnit([kind], unit)} | stats count() rows, sum(parts) if (part:=0) parts, ` +
        'count_uniq_hash(id) ids, count_uniq_hash(id, sender) sent, count_uniq_hash(id, at, sender) lines, ' +
        'count() if (reported:=1) reported',
    );
    if (Number(counts.rows ?? 0) === 0) return undefined;
    const lines = Number(counts.lines);
    const isOfEach = KEPT_OF_EACH.has(kind);
    const unique = Number(isOfEach ? counts.sent : counts.ids);
    const standing: Standing = { dropped: new Map(), names: new Map() };
    if (lines > unique) await dropCopies(place, standing.dropped, isOfEach);
    if (Number(counts.reported) > 0) await dropReported(place, standing);
    const damaged = counts.rows === counts.parts ? 0 : await countDamaged(place);
    return new FlowView(place, { lines, damaged }, standing);
  }

  /** All lines between two places, page by page. */
  async *pages(after?: Place, before?: Place): AsyncGenerator<readonly FlowLine[]> {
    for (let from = after; ; ) {
      const page = await this.page({ after: from, before });
      if (page.lines.length > 0) yield page.lines;
      if (page.isEnd || page.last === undefined) return;
      from = page.last;
    }
  }

  async page(query: PageQuery): Promise<FlowPage> {
    const { isBackward = false, lines = PAGE_LINES, bytes = PAGE_BYTES } = query;
    const planned = await this.#plan({
      ...query,
      lines: Math.min(PAGE_LINES, lines + this.#dropped.size + 1),
    });
    const places: Place[] = [];
    /** Lines at one place differ by their senders: of a span all stay. */
    const kept = new Set<string>();
    let sum = 0;
    let isCut = false;
    for (const row of planned.rows) {
      const place = { at: Number(row.at), id: row.id ?? '' };
      const last = places.at(-1);
      if (last?.id !== place.id || last.at !== place.at) {
        sum += Number(row.bytes);
        isCut = kept.size >= lines || (sum > bytes && places.length > 0);
        if (isCut) break;
        places.push(place);
      }
      if (!this.#dropped.has(keyOf(row))) kept.add(keyOf(row));
    }
    const isEnd = !isCut && planned.isEnd;
    if (isBackward) places.reverse();
    const [first] = places;
    const last = places.at(-1);
    if (first === undefined || last === undefined) return { lines: [], isEnd, first, last };
    return { lines: await this.#read(first, last), isEnd, first, last };
  }

  /** Number of lines before a place. */
  async countBefore(place: Place): Promise<number> {
    const [counts = {}] = await this.#logs.rows(
      `${rowsOfUnit([this.kind], this.unit)} ${inRange({ before: place })} | stats count_uniq_hash(id, at, sender) lines`,
    );
    const dropped = [...this.#dropped.values()].filter(
      ({ at, id }) => at < place.at || (at === place.at && id < place.id),
    );
    return Number(counts.lines ?? 0) - dropped.length;
  }

  /** The place of a line by its number, from 0. */
  async nth(number: number): Promise<Place | undefined> {
    let count = 0;
    for (let after: Place | undefined; ; ) {
      const { rows, isEnd } = await this.#plan({ after });
      /** Repeats stand behind each other, and between them lines of other senders. */
      const known = new Set<string>();
      for (const row of rows) {
        after = { at: Number(row.at), id: row.id ?? '' };
        if (known.has(keyOf(row)) || this.#dropped.has(keyOf(row))) continue;
        known.add(keyOf(row));
        if (count === number) return after;
        count += 1;
      }
      if (isEnd) return undefined;
    }
  }

  /** The place of the line with an id. */
  async find(id: string): Promise<Place | undefined> {
    const rows = await this.#logs.rows(
      `${rowsOfUnit([this.kind], this.unit)} part:=0 ${isOneOf('id', [id])} | fields at, id, sender`,
    );
    const kept = rows.filter((row) => !this.#dropped.has(keyOf(row)));
    const at = Math.max(...kept.map((row) => Number(row.at)));
    return kept.length === 0 ? undefined : { at, id };
  }

  async #plan({
    after,
    before,
    isBackward,
    lines,
  }: PageQuery): Promise<{ readonly rows: readonly Row[]; readonly isEnd: boolean }> {
    const limit = lines ?? PAGE_LINES;
    const order = isBackward ? 'desc' : '';
    const rows = await this.#logs.rows(
      `${rowsOfUnit([this.kind], this.unit)} part:=0 ${inRange({ after, before })} ` +
        `| sort by (at, id) ${order} limit ${limit} | fields at, id, sender, bytes`,
    );
    return { rows, isEnd: rows.length < limit };
  }

  async #read(from: Place, to: Place): Promise<readonly FlowLine[]> {
    const collector = new LineCollector();
    const query = `${rowsOfUnit([this.kind], this.unit)} ${inRange({ from, to })} | fields ${LINE_FIELDS}`;
    for await (const row of this.#logs.query(query)) if (!this.#dropped.has(keyOf(row))) collector.add(row);
    return collector.lines().flatMap((line) => this.#lineOf(line));
  }

  /** The text of a line; undefined for one of which a part is missing, or that another line stands for. */
  textOf({ row, text }: ReadLine): string | undefined {
    const key = keyOf(row);
    if (text === undefined || this.#dropped.has(key)) return undefined;
    const name = this.#names.get(key);
    return name === undefined ? text : `${text.slice(0, -1)},"tool_name":${JSON.stringify(name)}}`;
  }

  #lineOf(line: ReadLine): readonly FlowLine[] {
    const text = this.textOf(line);
    return text === undefined ? [] : [{ at: line.at, id: line.row.id ?? '', name: line.id, text, line }];
  }
}

export interface FlowPlace {
  readonly logs: VictoriaLogs;
  readonly kind: RowKind;
  readonly unit: string;
}

interface Standing {
  /** Lines that another one stands for. */
  readonly dropped: Map<string, Place>;
  /** Names of tools that only the line of the call has. */
  readonly names: Map<string, string>;
}

function keyOf({ at, id, sender }: Row): string {
  return `${at} ${id} ${sender}`;
}

/** One id at several times or from several senders. */
async function dropCopies(
  { logs, kind, unit }: FlowPlace,
  dropped: Map<string, Place>,
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
    const best = new Map<string, Row>();
    const rows = [...(await logs.rows(query))].sort(compareCopies);
    for (const row of rows) {
      const record = isOfEach ? `${row.id} ${row.sender}` : (row.id ?? '');
      const stands = best.get(record);
      if (stands === undefined) best.set(record, row);
      else if (keyOf(row) !== keyOf(stands))
        dropped.set(keyOf(row), { at: Number(row.at), id: row.id ?? '' });
    }
  }
}

/** The sender with the most rights first, then the copy that came first. */
function compareCopies(a: Row, b: Row): number {
  const [one, other] = [a.sender, b.sender].map((sender) => (isMark(sender) ? sender : undefined));
  return compareMarks(one, other) || (arrivalOf(a) < arrivalOf(b) ? -1 : 1);
}

/** Tool calls and results that telemetry reports, and which the agent's output has as well. In the order in which they came. */
async function dropReported({ logs, kind, unit }: FlowPlace, { dropped, names }: Standing): Promise<void> {
  const rows = [
    ...(await logs.rows(
      `${rowsOfUnit([kind], unit)} part:=0 call:* | fields _time, at, id, sender, call, type, name, reported`,
    )),
  ].sort((a, b) => (arrivalOf(a) < arrivalOf(b) ? -1 : 1));
  const telemetry = new TaskTelemetry();
  const places = new Map<string, string>();
  const drop = (key: string, { at, id = '' }: Row): void => void dropped.set(key, { at: Number(at), id });
  const byKey = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    if (byKey.has(key) || dropped.has(key)) continue;
    byKey.set(key, row);
    const line = callLine(row);
    const isReported = row.reported === '1';
    const stored = telemetry.lineOf(line, isReported);
    if (stored === 'known') drop(key, row);
    if (typeof stored === 'string') continue;
    places.set(stored.id, key);
    const name = parseObject(stored.text)?.tool_name;
    if (isReported && typeof name === 'string' && line.tool_name === undefined) names.set(key, name);
  }
  for (const id of telemetry.takeSuperseded()) {
    const key = places.get(id);
    const row = key === undefined ? undefined : byKey.get(key);
    if (key !== undefined && row !== undefined) drop(key, row);
  }
}

/** As much of a line as decides which one stands for the others. */
function callLine({ id = '', call, type, name, sender, reported }: Row): TaskLine {
  return {
    timestamp: '',
    event_id: givenId(id),
    type: type ?? '',
    tool_use_id: call ?? '',
    ...(name !== undefined && { tool_name: name }),
    ...(reported === '1' && { source: 'telemetry' }),
    ...(isMark(sender) && { sender }),
  };
}

/** Lines without a whole copy. */
async function countDamaged({ logs, kind, unit }: FlowPlace): Promise<number> {
  const [counts] = await logs.rows(
    `${rowsOfUnit([kind], unit)} | stats by (at, id, sender, _time) count_uniq(part) n, max(parts) p ` +
      '| math n - p as missing | stats by (at, id, sender) max(missing) best | filter best:<0 | stats count() damaged',
  );
  return Number(counts?.damaged ?? 0);
}
