export interface Before {
  /** Which characters belong to the secret. */
  readonly codes: Uint8Array;
  readonly min: number;
  readonly max: number;
}

/** -1 where too few or too many characters of the secret stand before the hint. */
export function startBefore(text: string, start: number, { codes, min, max }: Before, from: number): number {
  let begin = start;
  while (begin > from && start - begin <= max && codes[text.charCodeAt(begin - 1)] === 1) begin -= 1;
  // The letter of an escaped line break.
  if (start - begin > max && text[begin - 1] === '\\' && /[nrt]/.test(text[begin] ?? '')) begin += 1;
  // A sign before it that may also be part of it: the `-` of a removed line.
  if (start - begin > max && !isWordCode(text.charCodeAt(begin))) begin += 1;
  return start - begin < min || start - begin > max ? -1 : begin;
}

const ASCII_CHARS = 128;

/** A table of characters: 1 for those that the pattern matches. */
export function codesOf(chars: string, count: number = ASCII_CHARS): Uint8Array {
  const pattern = new RegExp(chars);
  return Uint8Array.from({ length: count }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0));
}

export function isWordCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

/**
 * Whether no word goes on at `at`. The letter of an escaped line break and the end of a terminal code, whose start may have
 * been removed, are no part of a word.
 */
export function isWordStart(text: string, at: number): boolean {
  if (at === 0) return true;
  const code = text.charCodeAt(at - 1);
  if (!isWordCode(code)) return true;
  // Letters of `\n`, `\r`, `\t`, `\b`, `\f`; and `m`.
  if (code !== 110 && code !== 114 && code !== 116 && code !== 98 && code !== 102 && code !== 109)
    return false;
  const before = text.slice(Math.max(0, at - 14), at);
  return /\\[nrtbf]$|\[[0-9;]{0,12}m$/.test(before);
}

/** What may stand before the start of a word: see `isWordStart`. */
export const BEFORE_WORD: Uint8Array = codesOf('[^A-Za-z0-9]|[nrtbfm]');

export function isNameCode(code: number): boolean {
  return isWordCode(code) || code === 95 || code === 45;
}

/** Letters, digits and what stands in tokens: `+-./:=_~`. */
export function isTokenCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 45 && code <= 58) ||
    code === 95 ||
    code === 43 ||
    code === 61 ||
    code === 126
  );
}
