import { shardOf } from '../warehouse/logsql.ts';

/** Units that are moved together: each has up to four open files. */
const GROUP_UNITS = 32;

/** Text of units that are moved together, where it is known. */
const GROUP_BYTES = 8 * 1_048_576;

/** A unit and, where it is known, how long its lines are. */
export interface ListedUnit {
  readonly id: string;
  readonly bytes?: number;
}

/** By the part of VictoriaLogs in which they are: what is stored together is read together. */
export function inMoveOrder<U extends ListedUnit>(units: readonly U[]): readonly U[] {
  const keyed = units.map((unit) => ({ unit, key: `${shardOf(unit.id)} ${unit.id}` }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ unit }) => unit);
}

/** Units that follow each other in one part. */
export function* groupsOf(units: readonly ListedUnit[]): Generator<readonly string[]> {
  let group: string[] = [];
  let bytes = 0;
  for (const { id, bytes: more = 0 } of units) {
    const [first] = group;
    const isFull = group.length >= GROUP_UNITS || bytes + more > GROUP_BYTES;
    if (first !== undefined && (isFull || shardOf(first) !== shardOf(id))) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(id);
    bytes += more;
  }
  if (group.length > 0) yield group;
}
