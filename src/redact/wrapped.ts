import type { Decoded } from './encoded.ts';
import { changesOf, isStrong } from './secret-value.ts';
import { isTokenCode } from './words.ts';

/** A token of this length on both sides of a line break; longer ones are found by what stands before it. */
const SIDE_CHARS_MAX = 300;

/** Shorter runs hold no token. */
const JOINED_CHARS_MIN = 20;

/** Begins the codes of a terminal. */
const ESCAPE = '\u001b';

/** A line break, literal, with a backslash before it, or as an escape in JSON text; and the blanks of the next line. */
const BREAK = /\\?\r?\n[ \t]{0,40}|\\{1,8}(?:(?:r\\{1,8})?n|r)(?: |\\{1,8}t){0,40}/y;

export interface Joined extends Decoded {
  /** Where breaks stood: indexes into the joined text. */
  readonly breaks: readonly number[];
  /** The end of what was joined, in the original. */
  readonly end: number;
}

/** The text around a line break without the break; undefined when it cannot hold a token that goes over it. */
export function joinedAround(text: string, breakAt: number, from: number): Joined | undefined {
  const next = endOfBreak(text, breakAt);
  if (next === undefined || !isTokenCode(text.charCodeAt(next))) return undefined;
  let start = breakAt;
  const lowest = Math.max(from, breakAt - SIDE_CHARS_MAX);
  while (start > lowest && isTokenCode(text.charCodeAt(start - 1))) start -= 1;
  // The letter of an escape in JSON.
  if (start < breakAt && text[start - 1] === '\\' && /[bfnrt]/.test(text[start] ?? '')) start += 1;
  if (start === breakAt) return undefined;
  return join(text, { start, breakAt, next });
}

interface Place {
  readonly start: number;
  readonly breakAt: number;
  readonly next: number;
}

function join(text: string, { start, breakAt, next }: Place): Joined | undefined {
  const parts = [text.slice(start, breakAt)];
  const begins = [start];
  const breaks = [breakAt - start];
  let at = next;
  let length = breakAt - start;
  while (length < 3 * SIDE_CHARS_MAX) {
    const end = endOfToken(text, at);
    parts.push(text.slice(at, end));
    begins.push(at);
    length += end - at;
    at = end;
    const after = end === text.length ? undefined : endOfBreak(text, end);
    if (after === undefined || !isTokenCode(text.charCodeAt(after))) break;
    breaks.push(length);
    at = after;
  }
  if (length < JOINED_CHARS_MIN) return undefined;
  const starts = new Uint32Array(length + 1);
  let index = 0;
  for (const [part, { length: count }] of parts.entries()) {
    for (let char = 0; char < count; char += 1) starts[index + char] = (begins[part] ?? 0) + char;
    index += count;
  }
  const end = (begins.at(-1) ?? 0) + (parts.at(-1)?.length ?? 0);
  starts[length] = end;
  return { text: parts.join(''), starts, breaks, end };
}

/**
 * The end of a token's rest on the next line, after a secret that reaches up to a line break at `at`. A rest behind a short
 * line, which no terminal wrapped, must look more like a token.
 */
export function endOfRest(text: string, at: number, isWrapped: boolean): number {
  const next = endOfBreak(text, at);
  if (next === undefined) return at;
  const end = endOfToken(text, next);
  const rest = text.slice(next, end);
  if (end < text.length && text[end] !== ESCAPE && !/[\s"'\\`<,;)}\]|]/.test(text[end] ?? '')) return at;
  return rest.split(/[-_.:=~]/).some((part) => isRandomPart(part)) || (isWrapped && looksLikeRest(rest))
    ? end
    : at;
}

/** Hexadecimal digits, or letters and digits that change as no word does. */
function isRandomPart(part: string): boolean {
  if (part.length < 8) return false;
  if (/^[0-9a-f]+$/.test(part)) return part.length >= 12 && /[0-9]/.test(part) && /[a-f]/.test(part);
  if (changesOf(part) < (part.length < 16 ? 0.35 : 0.3)) return false;
  return /[0-9][A-Za-z]/.test(part) || /(?<![a-z])[a-z](?![a-z])/.test(part);
}

function looksLikeRest(rest: string): boolean {
  if (/^[A-Za-z]{8,}$/.test(rest)) return changesOf(rest) >= 0.35 || isStrong(rest);
  if (!/^(?=.{6})(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_+/=-]+$/.test(rest)) return false;
  if (/^[0-9a-f]+$/.test(rest) || /[a-z][0-9][a-z]/.test(rest)) return true;
  return /[A-Z]/.test(rest) && /[a-z]/.test(rest) && !/^[A-Za-z]+[-_]?\d+$/.test(rest);
}

function endOfBreak(text: string, at: number): number | undefined {
  BREAK.lastIndex = at;
  return BREAK.test(text) ? BREAK.lastIndex : undefined;
}

function endOfToken(text: string, at: number): number {
  const last = Math.min(text.length, at + SIDE_CHARS_MAX);
  let end = at;
  while (end < last && isTokenCode(text.charCodeAt(end))) end += 1;
  return end;
}

/** Where the text of the line begins that follows the break at `at`. */
export function startOfLine(text: string, at: number): number {
  if (text[at] === '\\') return endOfBreak(text, at) ?? at;
  let next = at;
  while (/[\\\r\n \t]/.test(text[next] ?? '') && next < at + 48) next += 1;
  return text[next - 1] === '\\' ? next + 1 : next;
}
