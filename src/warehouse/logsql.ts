import { wellFormed } from '../model/text.ts';

/** What a row of VictoriaLogs holds: a line of a file of a task, of a workflow or of the deliveries, or a mark of a task. */
export const KINDS = [
  'stage',
  'output',
  'fact',
  'span',
  'event',
  'workflow-span',
  'delivery',
  'task',
] as const;
export type RowKind = (typeof KINDS)[number];

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

/** The rows of one unit. */
export function rowsOfUnit(kinds: readonly RowKind[], unit: string): string {
  const stream = `{app=${quoted(APP)},kind in (${kinds.map(quoted).join(',')}),shard=${quoted(shardOf(unit))}}`;
  return `${stream} ${is('unit', unit)}`;
}

/** A field has exactly this value. */
export function is(field: string, value: string): string {
  return `${quoted(field)}:=${quoted(value)}`;
}

/** A field has one of these values. No values: nothing matches. */
export function isOneOf(field: string, values: readonly string[]): string {
  return `${quoted(field)}:in(${values.map(quoted).join(',')})`;
}

/** A place in the order of lines. */
export interface Place {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** As it is stored. */
  readonly id: string;
}

/** Letters for the values of half a byte, in their order. */
const LETTERS = 'abcdefghijklmnop';

/**
 * An id as it is stored: two letters for each byte. VictoriaLogs sorts texts with digits by the numbers in them; letters alone are
 * in the order of the bytes.
 */
export function storedId(id: string): string {
  let stored = '';
  for (const byte of Buffer.from(wellFormed(id))) stored += letter(byte >> 4) + letter(byte & 15);
  return stored;
}

export function givenId(stored: string): string {
  const bytes = Buffer.alloc(Math.floor(stored.length / 2));
  for (let index = 0; index < bytes.length; index += 1)
    bytes[index] =
      LETTERS.indexOf(stored.charAt(2 * index)) * 16 + LETTERS.indexOf(stored.charAt(2 * index + 1));
  return bytes.toString();
}

function letter(value: number): string {
  return LETTERS.charAt(value);
}

/** A part of the order of lines. */
export interface Range {
  /** Rows behind it. */
  readonly after?: Place | undefined;
  /** Rows from it on. */
  readonly from?: Place | undefined;
  /** Rows before it. */
  readonly before?: Place | undefined;
  /** Rows up to it. */
  readonly to?: Place | undefined;
}

export function inRange({ after, from, before, to }: Range): string {
  const parts: string[] = [];
  const add = (side: '>' | '<', { at }: Place, ids: string): void =>
    void parts.push(`(at:${side}${at} or (at:=${at} and ${ids}))`);
  if (after !== undefined) add('>', after, ids(next(after.id), LAST));
  if (from !== undefined) add('>', from, ids(from.id, LAST));
  if (before !== undefined) add('<', before, ids('', before.id));
  if (to !== undefined) add('<', to, ids('', next(to.id)));
  return parts.join(' ');
}

/** The first text of letters behind another one: no id is between them, because ids have an even length. */
function next(id: string): string {
  return `${id}a`;
}

/** Behind every id. */
const LAST = 'q';

/** Ids from one on up to another one, which is not included. */
function ids(from: string, to: string): string {
  return `id:string_range(${quoted(from)},${quoted(to)})`;
}
