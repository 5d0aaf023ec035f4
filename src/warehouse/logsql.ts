import { wellFormed } from '../model/text.ts';

/** What a row of VictoriaLogs holds: a line of a file of a task, of a workflow or of the deliveries, or a mark of a task. */
export type RowKind = 'stage' | 'output' | 'fact' | 'span' | 'event' | 'workflow-span' | 'delivery' | 'task';

/** Value of the stream field `app`: other programs may log into the same VictoriaLogs. */
export const APP = 'tasktrail';

/**
 * Parts of each kind in streams of their own. A unit is in one of them, so that what asks about it reads a part of the blocks.
 * VictoriaLogs is made for some thousands of streams, not for one a task.
 */
const SHARDS = 32;

/**
 * A value as a LogsQL string, which has the escapes of Go. JSON has a part of them, except halves of characters, which Go does
 * not take: LogsQL would read the quote as a word then, and what follows as a query.
 */
export function quoted(value: string): string {
  return JSON.stringify(wellFormed(value));
}

/** The part of its kind that a unit is in. FNV-1a. */
export function shardOf(unit: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < unit.length; index += 1)
    hash = Math.imul(hash ^ unit.charCodeAt(index), 0x01000193);
  return String((hash >>> 0) % SHARDS).padStart(2, '0');
}

/** All rows of these kinds. */
export function rowsOfKinds(kinds: readonly RowKind[]): string {
  return `{app=${quoted(APP)},kind in (${kinds.map(quoted).join(',')})}`;
}

/** The rows of one unit, or of several. */
export function rowsOfUnit(kinds: readonly RowKind[], ...units: readonly string[]): string {
  const shards = [...new Set(units.map(shardOf))];
  const stream = `{app=${quoted(APP)},kind in (${kinds.map(quoted).join(',')}),shard in (${shards.map(quoted).join(',')})}`;
  return `${stream} ${isOneOf('unit', units)}`;
}

/** A field has exactly this value. */
export function is(field: string, value: string): string {
  return `${quoted(field)}:=${quoted(value)}`;
}

/** A field has one of these values. No values: nothing matches. */
export function isOneOf(field: string, values: readonly string[]): string {
  return `${quoted(field)}:in(${values.map(quoted).join(',')})`;
}
