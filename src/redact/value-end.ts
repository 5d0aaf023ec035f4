import { endsValue, isPlain } from './value-chars.ts';

/** Blanks between a name, its sign and its value: a table of a manual has more. */
export const BLANKS_MAX = 40;

/** The quotation mark at `at` with the backslashes before it, as in JSON inside JSON; empty when there is none. */
export function quoteAt(text: string, at: number): string {
  const quote = /\\{0,15}["'`]/y;
  quote.lastIndex = at;
  return quote.exec(text)?.[0] ?? '';
}

export function skipBlanks(text: string, at: number): number {
  const last = Math.min(text.length, at + BLANKS_MAX);
  let next = at;
  while (next < last && isBlank(text.charCodeAt(next))) next += 1;
  return next;
}

/** Also blanks that no line is broken at. */
function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 0xa0 || code === 0x3000;
}

interface QuotedEnd {
  readonly quote: string;
  readonly max: number;
}

/** The end of a value in quotation marks: the same mark, with as many backslashes. Without one the end of the line. */
export function endOfQuoted(text: string, start: number, { quote, max }: QuotedEnd): number {
  const last = Math.min(text.length, start + max);
  const mark = quote.at(-1);
  for (let at = start; at < last; at += 1) {
    const char = text[at];
    if (char === '\n' || char === '\r') return at;
    if (char === mark && backslashesBefore(text, at, start) <= quote.length - 1)
      return at - (quote.length - 1);
  }
  return last;
}

/** Whether a value in quotation marks that ends here ends with its mark, and was not cut. */
export function isClosed(text: string, end: number, quote: string): boolean {
  return text[end + quote.length - 1] === quote.at(-1);
}

function backslashesBefore(text: string, at: number, start: number): number {
  let from = at;
  while (from > start && text[from - 1] === '\\') from -= 1;
  return at - from;
}

export function endOfLine(text: string, start: number, max: number): number {
  const last = Math.min(text.length, start + max);
  let at = start;
  while (at < last && !isLineEnd(text, at)) at += 1;
  return at;
}

function isLineEnd(text: string, at: number): boolean {
  const char = text[at];
  if (char === '\n' || char === '\r' || char === '"' || char === "'" || char === '`') return true;
  return char === '\\' && /[nr"']/.test(text[at + 1] ?? '');
}

interface WordEnd {
  /** Signs that end a sentence or a list end the value too. */
  readonly isLoose: boolean;
  readonly max: number;
}

/** The end of a value without quotation marks. */
export function endOfWord(text: string, start: number, { isLoose, max }: WordEnd): number {
  const last = Math.min(text.length, start + max);
  let at = start;
  for (; at < last; at += 1) {
    const code = text.charCodeAt(at);
    if (isPlain(code)) continue;
    if (endsValue(code)) break;
    if (code === 92 && /[nrtu"'`\\/]/.test(text[at + 1] ?? '')) break;
    if (isLoose && (code === 44 || code === 41 || code === 125 || code === 93)) break;
  }
  while (
    at > start &&
    /[,.)\]}]/.test(text[at - 1] ?? '') &&
    !/[[{(]/.test(text.slice(start, Math.min(at, start + 64)))
  )
    at -= 1;
  return at;
}
