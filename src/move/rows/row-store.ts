import { isMark } from '../../model/sender.ts';
import { arrivalOf } from '../../warehouse/arrival.ts';
import type { Row, VictoriaLogs } from '../../warehouse/client.ts';
import { givenId } from '../../warehouse/line-order.ts';
import { rowsOfKinds, rowsOfUnit } from '../../warehouse/logsql.ts';
import { KEPT_OF_EACH } from '../../warehouse/read/flow/flow-standing.ts';
import { FlowView } from '../../warehouse/read/flow/flow-view.ts';
import { LINE_FIELDS, LineCollector, type ReadLine } from '../../warehouse/rows.ts';
import type { LineKind } from '../../warehouse/write/stored-lines.ts';
import { lineKey } from '../files/file-lines.ts';
import { LINES_OF, type UnitKind } from '../unit.ts';

/** Text of units that are read at once: more is read unit by unit, a page at a time. */
const GROUP_CHARS_MAX = 16 * 1_048_576;

/** The lines of a unit in VictoriaLogs, each once. */
export interface RowUnit {
  /** Lines of which a part is missing. */
  readonly damaged: number;
  /** In the order of files. */
  texts(kind: LineKind): AsyncGenerator<readonly string[]>;
}

/** What VictoriaLogs has of some units already. */
export interface StoredKeys {
  /** By unit: the kinds and keys of whole lines. */
  readonly lines: ReadonlyMap<string, ReadonlySet<string>>;
  /** By unit and sender: the earliest times that marks give, in milliseconds. */
  readonly marks: ReadonlyMap<string, { readonly first: number; readonly created: number }>;
}

/** Name of a line within its unit. */
export function nameOfLine(kind: LineKind, key: string): string {
  return `${kind} ${key}`;
}

/** The tasks, workflows and deliveries of a VictoriaLogs as lines. Units of one call are of one part: see `shardOf`. */
export class RowStore {
  readonly logs: VictoriaLogs;

  constructor(logs: VictoriaLogs) {
    this.logs = logs;
  }

  /** All units, in no order, and how long their lines are. */
  async units(kind: UnitKind): Promise<readonly { readonly id: string; readonly bytes: number }[]> {
    const query = `${rowsOfKinds(LINES_OF[kind])} part:=0 | stats by (unit) sum(bytes) bytes`;
    const rows = await this.logs.rows(query);
    return rows.map(({ unit = '', bytes }) => ({ id: unit, bytes: Number(bytes) }));
  }

  async read(kind: UnitKind, ids: readonly string[]): Promise<ReadonlyMap<string, RowUnit>> {
    const kinds = LINES_OF[kind];
    const collector = new LineCollector();
    let chars = 0;
    for await (const row of this.logs.query(`${unitsOf(kinds, ids)} | fields ${LINE_FIELDS}`)) {
      chars += row._msg?.length ?? 0;
      if (chars > GROUP_CHARS_MAX) return this.#views(kinds, ids);
      collector.add(row);
    }
    const units = new Map<string, Map<LineKind, ReadLine[]>>();
    for (const line of collector.lines()) {
      const byKind = units.get(line.unit) ?? new Map<LineKind, ReadLine[]>();
      units.set(line.unit, byKind);
      const lines = byKind.get(line.kind as LineKind);
      if (lines === undefined) byKind.set(line.kind as LineKind, [line]);
      else lines.push(line);
    }
    const read = [...units].map(async ([unit, lines]) => [unit, await this.#unitOf(unit, lines)] as const);
    return new Map(await Promise.all(read));
  }

  /** The tasks among these that lists have. */
  async marked(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.logs.rows(`${unitsOf(['task'], ids)} | uniq by (unit)`);
    return new Set(rows.flatMap(({ unit }) => unit ?? []));
  }

  /** Which lines and marks of these units are stored. */
  async keys(kind: UnitKind, ids: readonly string[]): Promise<StoredKeys> {
    const lines = new Map<string, Set<string>>();
    const parts = new Map<string, number>();
    const query = `${unitsOf(LINES_OF[kind], ids)} | fields _time, kind, unit, id, sender, part, parts`;
    for await (const row of this.logs.query(query)) {
      if (!isWhole(row, parts)) continue;
      const { unit = '' } = row;
      const known = lines.get(unit) ?? new Set();
      lines.set(unit, known.add(nameOfLine(row.kind as LineKind, keyOfRow(row))));
    }
    const marks = new Map<string, { first: number; created: number }>();
    if (kind === 'task') {
      const stats = 'stats by (unit, sender) min(first) first, min(created) created';
      for (const { unit, sender, first, created } of await this.logs.rows(
        `${unitsOf(['task'], ids)} | ${stats}`,
      ))
        marks.set(`${unit} ${sender}`, { first: timeIn(first), created: timeIn(created) });
    }
    return { lines, marks };
  }

  async #unitOf(unit: string, lines: ReadonlyMap<LineKind, readonly ReadLine[]>): Promise<RowUnit> {
    const views = new Map<LineKind, FlowView>();
    let damaged = 0;
    for (const [kind, ofKind] of lines) {
      if (isPlain(kind, ofKind)) {
        damaged += ofKind.filter(({ text }) => text === undefined).length;
        continue;
      }
      const view = await FlowView.open({ logs: this.logs, kind, unit }, { isWhole: true });
      if (view === undefined) continue;
      views.set(kind, view);
      damaged += view.damaged;
    }
    return {
      damaged,
      texts: async function* (kind) {
        const view = views.get(kind);
        if (view !== undefined) yield* textsOf(view);
        else yield lines.get(kind)?.flatMap(({ text }) => text ?? []) ?? [];
      },
    };
  }

  async #views(kinds: readonly LineKind[], ids: readonly string[]): Promise<ReadonlyMap<string, RowUnit>> {
    const units = new Map<string, RowUnit>();
    for (const unit of ids) {
      const views = new Map<LineKind, FlowView>();
      for (const kind of kinds) {
        const view = await FlowView.open({ logs: this.logs, kind, unit }, { isWhole: true });
        if (view !== undefined) views.set(kind, view);
      }
      if (views.size === 0) continue;
      units.set(unit, {
        damaged: [...views.values()].reduce((sum, { damaged }) => sum + damaged, 0),
        texts: async function* (kind) {
          const view = views.get(kind);
          if (view !== undefined) yield* textsOf(view);
        },
      });
    }
    return units;
  }
}

async function* textsOf(view: FlowView): AsyncGenerator<readonly string[]> {
  for await (const lines of view.pages()) yield lines.map(({ text }) => text);
}

/** Whether no line stands for another one. */
function isPlain(kind: LineKind, lines: readonly ReadLine[]): boolean {
  const isOfEach = KEPT_OF_EACH.has(kind);
  const keys = new Set(lines.map((line) => (isOfEach ? keyOfRow(line.row) : line.id)));
  return keys.size === lines.length && lines.every(({ row }) => row.reported !== '1');
}

/** Whether this row makes its line whole. `parts`: how many rows of one arrival were there. */
function isWhole(row: Row, parts: Map<string, number>): boolean {
  const count = Number(row.parts);
  if (count === 1) return true;
  const arrival = `${row.kind} ${row.unit} ${row.id} ${row.sender} ${arrivalOf(row)}`;
  const there = (parts.get(arrival) ?? 0) + 1;
  parts.set(arrival, there);
  return there === count;
}

function keyOfRow({ id = '', sender }: Row): string {
  return lineKey({ id: givenId(id), sender: isMark(sender) ? sender : 'trail' });
}

function unitsOf(kinds: readonly (LineKind | 'task')[], [first = '', ...more]: readonly string[]): string {
  return rowsOfUnit(kinds, first, ...more);
}

function timeIn(value: string | undefined): number {
  return value === undefined || value === '' ? Number.POSITIVE_INFINITY : Number(value);
}
