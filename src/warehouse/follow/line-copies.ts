import { compareMarks, isMark } from '../../model/sender.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { arrivalOf } from '../arrival.ts';
import type { Row, VictoriaLogs } from '../client.ts';
import { isOneOf, rowsOfUnit } from '../logsql.ts';
import type { GotLines, LineName } from './got-lines.ts';
import type { LineKey } from './numbered-rows.ts';
import { grouped, type RowScope } from './row-scope.ts';

/** All stored copies of some lines: a record may have been sent to several services, and more than once. */
export type Copies = ReadonlyMap<string, readonly LineKey[]>;

type Named = LineName & { readonly row: Row };

export async function readCopies(
  logs: VictoriaLogs,
  { kinds }: RowScope,
  lines: readonly Named[],
): Promise<Copies> {
  const copies = new Map<string, LineKey[]>();
  const sizes = ({ row }: Named): number => (row.id ?? '').length + (row.unit ?? '').length + 10;
  await mapBounded(grouped(lines, sizes), async (group) => {
    const units = [...new Set(group.map(({ row }) => row.unit ?? ''))];
    const ids = [...new Set(group.map(({ row }) => row.id ?? ''))];
    const query = `${rowsOfUnit(kinds, ...units)} part:=0 ${isOneOf('id', ids)} | fields _time, kind, unit, id, sender, run, seq`;
    for await (const row of logs.query(query)) {
      const name = nameOf(row);
      const copy = { arrived: arrivalOf(row), run: row.run ?? '', seq: Number(row.seq ?? -1), row };
      const known = copies.get(name);
      if (known === undefined) copies.set(name, [copy]);
      else known.push(copy);
    }
  });
  return copies;
}

/** Whether a reader has got a copy of a line that counts as much as the line. */
export function isCopyGot(line: Named, copies: Copies, got: GotLines): boolean {
  return othersOf(line, copies).some((copy) => compareSenders(copy, line) <= 0 && got.has(copy));
}

/** Those of some lines for which no other of them stands, and no copy that the reader has. */
export function newOnes<Line extends Named>(
  lines: readonly Line[],
  copies: Copies,
  got: GotLines,
): ReadonlySet<Line> {
  const places = new Map(lines.map((line, place) => [placeOf(line), place]));
  return new Set(
    lines.filter((line, place) => {
      if (isCopyGot(line, copies, got)) return false;
      return !othersOf(line, copies).some((copy) => {
        const other = places.get(placeOf(copy));
        if (other === undefined) return false;
        const order = compareSenders(copy, line);
        return order < 0 || (order === 0 && other < place);
      });
    }),
  );
}

/** Of a span a copy of each sender stays. */
function othersOf(line: Named, copies: Copies): readonly LineKey[] {
  const isSpan = line.row.kind === 'span';
  return (copies.get(nameOf(line.row)) ?? []).filter(
    (copy) => placeOf(copy) !== placeOf(line) && (!isSpan || copy.row.sender === line.row.sender),
  );
}

function compareSenders(a: Named, b: Named): number {
  const [one, other] = [a.row.sender, b.row.sender].map((sender) => (isMark(sender) ? sender : undefined));
  return compareMarks(one, other);
}

function nameOf({ kind, unit, id }: Row): string {
  return `${kind} ${unit} ${id}`;
}

function placeOf({ run, seq, arrived }: LineName): string {
  return `${run} ${seq} ${arrived}`;
}
