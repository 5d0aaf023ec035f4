import type { Row, VictoriaLogs } from '../../client.ts';
import { inRange, type Place } from '../../line-order.ts';
import type { PageQuery } from './flow-page.ts';
import { keyOf } from './flow-standing.ts';

/** Rows of a flow from which on a page is looked for in a part of its time. */
const LONG_ROWS = 20_000;

/** A part of the time with this multiple of the wanted lines, if they come evenly; and its growth where they do not. */
const PART_FACTOR = 2;
const GROWTH = 16;

/** Pieces of time whose lines are counted to find one by its number. */
const PIECES = 1_000;

/** What is known of the rows of a flow before it is read. */
export interface FlowExtent {
  readonly rows: number;
  /** The earliest and the latest place, in milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface FlowPlanOptions {
  readonly logs: VictoriaLogs;
  /** LogsQL that selects the rows of the flow. */
  readonly scope: string;
  readonly extent: FlowExtent;
  /** What counts lines in `stats`. */
  readonly counted: string;
  /** Lines that another one stands for. */
  readonly dropped: ReadonlyMap<string, Place>;
}

/** First rows of lines, without their texts. `isEnd`: there are no more in this direction. */
export interface PlannedRows {
  readonly rows: readonly Row[];
  readonly isEnd: boolean;
}

/** Which lines of a flow a page has. VictoriaLogs sorts all rows that it is asked about, so of a long flow it is asked about a part. */
export class FlowPlan {
  readonly #logs: VictoriaLogs;
  readonly #scope: string;
  readonly #extent: FlowExtent;
  readonly #counted: string;
  readonly #dropped: ReadonlyMap<string, Place>;

  constructor({ logs, scope, extent, counted, dropped }: FlowPlanOptions) {
    this.#logs = logs;
    this.#scope = scope;
    this.#extent = extent;
    this.#counted = counted;
    this.#dropped = dropped;
  }

  async rows(query: PageQuery, limit: number): Promise<PlannedRows> {
    const { rows, firstAt, lastAt } = this.#extent;
    if (rows < LONG_ROWS) return this.#sorted(query, limit);
    const { after, before, isBackward = false } = query;
    const [from, to] = [after?.at ?? firstAt, before?.at ?? lastAt];
    const perMs = rows / (lastAt - firstAt + 1);
    for (let span = Math.ceil((PART_FACTOR * limit) / perMs); span < to - from; span *= GROWTH) {
      const part = isBackward ? `at:>=${to - span}` : `at:<=${from + span}`;
      const found = await this.#sorted(query, limit, part);
      if (!found.isEnd) return found;
    }
    return this.#sorted(query, limit);
  }

  async #sorted({ after, before, isBackward }: PageQuery, limit: number, part = ''): Promise<PlannedRows> {
    const order = isBackward ? 'desc' : '';
    const rows = await this.#logs.rows(
      `${this.#scope} part:=0 ${part} ${inRange({ after, before })} ` +
        `| sort by (at, id) ${order} limit ${limit} | fields _time, at, id, sender, bytes`,
    );
    return { rows, isEnd: rows.length < limit };
  }

  /** Number of lines in a range. */
  async count(range: Parameters<typeof inRange>[0]): Promise<number> {
    const [counts] = await this.#logs.rows(`${this.#scope} ${inRange(range)} | stats ${this.#counted} lines`);
    const { before } = range;
    const dropped = [...this.#dropped.values()].filter(
      ({ at, id }) => before === undefined || at < before.at || (at === before.at && id < before.id),
    );
    return Number(counts?.lines ?? 0) - dropped.length;
  }

  /** The place of a line by its number, from 0. */
  async nth(number: number, pageLines: number): Promise<Place | undefined> {
    const start = await this.#pieceOf(number, pageLines);
    let left = start.number;
    for (let after: Place | undefined = { at: start.at - 1, id: LAST }; ; ) {
      const { rows, isEnd } = await this.rows({ after }, pageLines);
      /** Repeats stand behind each other, and between them lines of other senders. */
      const known = new Set<string>();
      for (const row of rows) {
        after = { at: Number(row.at), id: row.id ?? '' };
        if (known.has(keyOf(row)) || this.#dropped.has(keyOf(row))) continue;
        known.add(keyOf(row));
        if (left === 0) return after;
        left -= 1;
      }
      if (isEnd) return undefined;
    }
  }

  /** A piece of time in which the line is, and its number there. */
  async #pieceOf(
    number: number,
    pageLines: number,
  ): Promise<{ readonly at: number; readonly number: number }> {
    const { rows, firstAt, lastAt } = this.#extent;
    let piece = { at: firstAt, number, count: rows };
    for (let width = lastAt - firstAt + 1; piece.count > pageLines && width > 1; ) {
      const step = Math.ceil(width / PIECES);
      const counts = await this.#counts(piece.at, piece.at + width, step);
      let left = piece.number;
      const found = counts.find(({ count }) => {
        if (left < count) return true;
        left -= count;
        return false;
      });
      if (found === undefined) break;
      // The first piece may begin before what was counted.
      const at = Math.max(found.at, piece.at);
      piece = { at, number: left, count: found.count };
      width = found.at + step - at;
    }
    return piece;
  }

  /** Number of lines by pieces of time. */
  async #counts(from: number, to: number, step: number): Promise<readonly { at: number; count: number }[]> {
    const found = await this.#logs.rows(
      `${this.#scope} at:>=${from} at:<${to} | stats by (at:${step}) ${this.#counted} lines`,
    );
    const counts = new Map(found.map(({ at, lines }) => [Number(at), Number(lines)]));
    for (const { at } of this.#dropped.values()) {
      const start = Math.floor(at / step) * step;
      if (at >= from && at < to) counts.set(start, (counts.get(start) ?? 0) - 1);
    }
    return [...counts].map(([at, count]) => ({ at, count })).sort((a, b) => a.at - b.at);
  }
}

/** Behind every id. */
const LAST = 'q';
