import type { VictoriaLogs } from '../client.ts';
import type { Place } from '../line-order.ts';
import type { RowKind } from '../logsql.ts';
import type { FlowLine } from '../read/flow/flow-page.ts';
import type { FlowView } from '../read/flow/flow-view.ts';
import { TASK_KINDS } from '../task-summary.ts';
import type { FollowedUnit } from './followed-unit.ts';
import { GotLines } from './got-lines.ts';
import { isCopyGot, readCopies } from './line-copies.ts';
import { type HistoryPlace, lineSum } from './unit-place.ts';

/** In this order readers get them. */
const FLOWS: readonly RowKind[] = ['stage', 'output', 'span'];

/** Lines of one reading, and bytes of their texts: what waits for a slow reader. */
const PAGE_LINES = 2_000;
const PAGE_BYTES = 1_048_576;

/** A line of what was there, and the place of a reader that has got it. */
export interface HistoryLine {
  readonly kind: RowKind;
  readonly text: string;
  readonly place: HistoryPlace;
}

/** `reset`: the place is none in the lines as they are now. */
export type HistoryStep = readonly HistoryLine[] | 'end' | 'reset';

/** What was there when a reader began, flow by flow, in the order of time and id. Lines that come later are left out. */
export class UnitHistory {
  readonly #unit: FollowedUnit;
  readonly #logs: VictoriaLogs;
  readonly #there: GotLines;
  #flow: number;
  /** Of the present flow; opened after what was there is known. */
  #view: Promise<FlowView | undefined> | undefined;
  #after: Place | undefined;
  /** The line that the reader has got last, until it is found. */
  #sought: { readonly at: number; readonly sum: number } | undefined;

  /** `there`: `GotLines.text` of what was there. */
  constructor(
    {
      unit,
      logs,
      there,
    }: { readonly unit: FollowedUnit; readonly logs: VictoriaLogs; readonly there: string },
    { flow, at, sum }: HistoryPlace,
  ) {
    this.#unit = unit;
    this.#logs = logs;
    this.#there = GotLines.parse(there) ?? new GotLines();
    this.#flow = flow;
    if (at === undefined) return;
    this.#after = { at, id: '' };
    this.#sought = { at, sum };
  }

  /** The next lines. An empty list: none of these was there. */
  async next(): Promise<HistoryStep> {
    const kind = FLOWS[this.#flow];
    if (kind === undefined) return 'end';
    this.#view ??= this.#unit.flow(kind);
    const page = await (await this.#opened())?.page({
      after: this.#after,
      lines: PAGE_LINES,
      bytes: PAGE_BYTES,
    });
    const found = page?.lines ?? [];
    const behind = this.#behindSought(found, page?.isEnd ?? true);
    if (behind === undefined) return 'reset';
    const flow = this.#flow;
    if (page === undefined || page.isEnd || page.last === undefined) {
      this.#flow += 1;
      this.#view = undefined;
      this.#after = undefined;
    } else this.#after = page.last;
    const lines = await this.#thatWereThere(behind);
    return lines.map(({ at, id, text }) => ({ kind, text, place: { flow, at, sum: lineSum(id) } }));
  }

  /** A failure is tried again. */
  async #opened(): Promise<FlowView | undefined> {
    try {
      return await this.#view;
    } catch (error) {
      this.#view = undefined;
      throw error;
    }
  }

  #behindSought(lines: readonly FlowLine[], isEnd: boolean): readonly FlowLine[] | undefined {
    const sought = this.#sought;
    if (sought === undefined) return lines;
    const place = lines.findIndex(({ at, id }) => at === sought.at && lineSum(id) === sought.sum);
    const isPassed = isEnd || lines.some(({ at }) => at > sought.at);
    if (place < 0) return isPassed ? undefined : [];
    this.#sought = undefined;
    return lines.slice(place + 1);
  }

  /** A record is there by any of its copies: its line may have become visible later than another copy. */
  async #thatWereThere(lines: readonly FlowLine[]): Promise<readonly FlowLine[]> {
    const named = lines.map((shown) => ({
      ...{ shown, arrived: shown.line.arrived, row: shown.line.row },
      ...{ run: shown.line.row.run ?? '', seq: Number(shown.line.row.seq ?? -1) },
    }));
    const others = named.filter((line) => !this.#there.has(line));
    if (others.length === 0) return lines;
    const copies = await readCopies(this.#logs, { kinds: TASK_KINDS, unit: this.#unit.id }, others);
    const later = new Set(others.filter((line) => !isCopyGot(line, copies, this.#there)));
    return named.filter((line) => !later.has(line)).map(({ shown }) => shown);
  }
}
