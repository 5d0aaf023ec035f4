import { sha256 } from '../model/sha256.ts';
import { mapBounded } from '../system/files/map-bounded.ts';
import type { LogDirectory } from './files/log-directory.ts';
import { LineSums } from './line-sums.ts';
import type { MoveReport } from './move-report.ts';
import type { RowStore } from './rows/row-store.ts';
import { linesIn, openOrReport } from './source-errors.ts';
import { LINES_OF, type Unit, type UnitKind } from './unit.ts';

/** Takes the lines of a unit. */
type Take = (kind: Parameters<LineSums['add']>[0], text: string) => void;

/** One side of a comparison: the lines of some units, each once. */
interface Side {
  /** Calls `open` for each unit that is there, and what it returns for each of its lines. */
  read(kind: UnitKind, ids: readonly string[], open: (id: string) => Take): Promise<void>;
  /** Undefined: a unit is in lists when it is there. */
  listed?(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

export function filesSide(directory: LogDirectory, report: MoveReport): Side {
  return {
    read: async (kind, ids, open) => {
      await mapBounded(ids, async (id) => {
        const files = await openOrReport(directory, { kind, id }, report);
        if (files === undefined) return;
        try {
          const take = open(id);
          for await (const lines of linesIn(files))
            for (const line of lines) take(line.kind as never, line.text);
        } finally {
          await files.close();
        }
      });
    },
  };
}

export function rowsSide(rows: RowStore): Side {
  return {
    read: async (kind, ids, open) => {
      for (const [id, unit] of await rows.read(kind, ids)) {
        const take = open(id);
        for (const lineKind of LINES_OF[kind])
          for await (const texts of unit.texts(lineKind)) for (const text of texts) take(lineKind, text);
      }
    },
    listed: (ids) => rows.marked(ids),
  };
}

export interface CheckOptions {
  readonly source: Side;
  readonly target: Side;
  readonly report: MoveReport;
}

/** Compares units of one part by number and hash of their lines. Returns those that differ, and adds the others to the report. */
export async function compare(
  kind: UnitKind,
  ids: readonly string[],
  { source, target, report }: CheckOptions,
): Promise<readonly string[]> {
  const [own, other] = await Promise.all([sumsOf(source, kind, ids), sumsOf(target, kind, ids)]);
  const listed = kind === 'task' ? await target.listed?.(ids) : undefined;
  const different: string[] = [];
  for (const [id, sums] of own) {
    const isSame = sums.isSame(other.get(id) ?? new LineSums()) && listed?.has(id) !== false;
    if (!isSame && sums.lines > 0) different.push(id);
    else report.same += sums.lines;
  }
  return different;
}

/** Says what differs in a unit. One day holds deliveries of several senders: more of them in the target are no difference. */
export async function explain(unit: Unit, { source, target, report }: CheckOptions): Promise<void> {
  const left = new Map<string, number>();
  let count = 0;
  let more = 0;
  await source.read(unit.kind, [unit.id], () => (kind, text) => {
    left.set(`${kind} ${sha256(text)}`, 1);
    count += 1;
  });
  await target.read(unit.kind, [unit.id], () => (kind, text) => {
    if (!left.delete(`${kind} ${sha256(text)}`)) more += 1;
  });
  report.same += count - left.size;
  const parts = [
    ...(left.size > 0 ? [`${left.size} of ${count} line(s) are not in the target`] : []),
    ...(more > 0 && unit.kind !== 'day' ? [`the target has ${more} line(s) that the source has not`] : []),
  ];
  if (parts.length > 0) report.add(unit, parts.join('; '));
  else if (unit.kind === 'task' && (await target.listed?.([unit.id]))?.has(unit.id) === false)
    report.add(unit, 'lists of the target do not have it');
}

async function sumsOf(
  side: Side,
  kind: UnitKind,
  ids: readonly string[],
): Promise<ReadonlyMap<string, LineSums>> {
  const all = new Map<string, LineSums>();
  await side.read(kind, ids, (id) => {
    const sums = new LineSums();
    all.set(id, sums);
    return (lineKind, text) => sums.add(lineKind, text);
  });
  return all;
}
