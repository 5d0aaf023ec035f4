import { wellFormed } from '../model/text.ts';
import { quoted } from './logsql.ts';

/** A place in the order of lines. */
export interface Place {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** As it is stored. */
  readonly id: string;
}

/** Letters for the values of half a byte, in their order. */
const LETTERS = 'abcdefghijklmnop';
const FIRST_LETTER = LETTERS.charCodeAt(0);

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
    bytes[index] = valueAt(stored, 2 * index) * 16 + valueAt(stored, 2 * index + 1);
  return bytes.toString();
}

function letter(value: number): string {
  return LETTERS.charAt(value);
}

function valueAt(stored: string, at: number): number {
  return stored.charCodeAt(at) - FIRST_LETTER;
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
