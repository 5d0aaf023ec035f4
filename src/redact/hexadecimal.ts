import { spelledOut } from './hints.ts';

/** What is decoded around a hint, in digits: a secret with its name. */
const HEAD_CHARS = 800;
const TAIL_CHARS = 2_400;

/** How much of a run is masked, on both sides of what shows that it holds a secret. */
const AROUND_CHARS_MAX = 8_192;

/** A shorter run holds no secret with its name. */
const RUN_CHARS_MIN = 24;

/** How a text looks in hexadecimal digits. */
export function hexFormsOf(hint: string): readonly string[] {
  return spelledOut(hint).map((text) => Buffer.from(text, 'latin1').toString('hex'));
}

/** What stands in hexadecimal digits around a hint at `at`, not before `from`; and up to where its hints are answered. */
export function hexAround(
  text: string,
  at: number,
  from: number,
): { readonly text: string; readonly end: number } | undefined {
  const start = startOfDigits(text, at, Math.max(from, at - HEAD_CHARS));
  const end = endOfDigits(text, at, at + TAIL_CHARS);
  if (end - start < RUN_CHARS_MIN) return undefined;
  const first = start + ((at - start) % 2);
  const decoded = Buffer.from(text.slice(first, end), 'hex').toString('latin1');
  return { text: decoded, end: end < at + TAIL_CHARS ? end : end - HEAD_CHARS };
}

/** The run of digits around `at`, not before `from`. */
export function digitsAround(text: string, at: number, from: number): { start: number; end: number } {
  return {
    start: startOfDigits(text, at, Math.max(from, at - AROUND_CHARS_MAX)),
    end: endOfDigits(text, at, at + AROUND_CHARS_MAX),
  };
}

function startOfDigits(text: string, at: number, lowest: number): number {
  let start = at;
  while (start > lowest && isDigit(text.charCodeAt(start - 1))) start -= 1;
  return start;
}

function endOfDigits(text: string, at: number, max: number): number {
  const highest = Math.min(text.length, max);
  let end = at;
  while (end < highest && isDigit(text.charCodeAt(end))) end += 1;
  return end;
}

function isDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}
