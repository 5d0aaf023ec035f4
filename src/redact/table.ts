import type { Found } from './mask.ts';
import { secretNamed } from './names.ts';
import { isSecretValue } from './secret-value.ts';

const HEADER_CHARS_MAX = 1_000;
const LINE_CHARS_MAX = 8_000;

const COLUMN = /^[A-Za-z_][\w .-]{0,40}$/;
const SEPARATOR = /^[\s|:+=-]{3,}$/;

interface Cell {
  readonly start: number;
  readonly end: number;
}

interface Line extends Cell {
  /** Behind the line break. */
  readonly next: number;
}

/**
 * The values below a column that is named after a secret, in a table with a header line: CSV, Markdown, and as databases
 * print it. `at` stands in the name of the column. `end`: up to where the table was read.
 */
export function findInTable(
  text: string,
  name: Cell,
  from: number,
): { found: readonly Found[]; end: number } | undefined {
  if (!mayFollow(text.charCodeAt(name.end))) return undefined;
  const sign = signAround(text, name);
  if (sign === undefined) return undefined;
  const header = lineAround(text, name, from);
  if (header === undefined) return undefined;
  const columns = cellsOf(text, header, sign).map((cell) => text.slice(cell.start, cell.end));
  if (columns.length < 2 || !columns.every((column) => COLUMN.test(column))) return undefined;
  const kinds = columns.map((column) => secretNamed(column));
  let line = lineAt(text, header.next);
  if (sign === '|') {
    if (line === undefined || !SEPARATOR.test(text.slice(line.start, line.end))) return undefined;
    line = lineAt(text, line.next);
  }
  const found: Found[] = [];
  let end = header.end;
  for (; line !== undefined; line = lineAt(text, line.next)) {
    const cells = cellsOf(text, line, sign);
    if (cells.length !== columns.length) break;
    for (const [index, cell] of cells.entries()) {
      const kind = kinds[index];
      if (kind !== undefined && isSecretValue(text.slice(cell.start, cell.end), 'text'))
        found.push({ ...cell, kind });
    }
    end = line.end;
  }
  return { found, end };
}

/** Blanks, quotation marks, signs between columns, the end of a line. */
function mayFollow(code: number): boolean {
  return (
    code === 44 ||
    code === 124 ||
    code === 59 ||
    (code < 40 && code !== 36 && code !== 38 && code !== 37) ||
    code === 96
  );
}

/** The sign between two columns: what stands beside the name, behind blanks and a quotation mark. */
function signAround(text: string, { start, end }: Cell): string | undefined {
  const rest = text.slice(end, end + 64);
  const behind = /^[\w -]{0,40}["'`]?[ ]{0,60}([,;|\t])/.exec(rest)?.[1];
  if (behind !== undefined) return behind;
  if (!/^[\w -]{0,40}["'`]?[ ]{0,4}\r?\n/.test(rest)) return undefined;
  return /([,;|\t])[ ]{0,60}["'`]?[\w .-]{0,40}$/.exec(text.slice(Math.max(0, start - 64), start))?.[1];
}

function lineAround(text: string, { start }: Cell, from: number): Line | undefined {
  const lowest = Math.max(from, start - HEADER_CHARS_MAX);
  const before = text.slice(lowest, start);
  const break_ = before.lastIndexOf('\n');
  if (break_ < 0 && lowest > 0) return undefined;
  const line = lineAt(text, lowest + break_ + 1);
  return line !== undefined && line.end - line.start <= HEADER_CHARS_MAX ? line : undefined;
}

/** Undefined at the end of a text, and for a line that is too long. */
function lineAt(text: string, start: number): Line | undefined {
  if (start >= text.length) return undefined;
  const last = Math.min(text.length, start + LINE_CHARS_MAX);
  let end = start;
  while (end < last && text.charCodeAt(end) !== 10) end += 1;
  if (end === last && end < text.length) return undefined;
  const next = end + 1;
  if (text.charCodeAt(end - 1) === 13 && end > start) end -= 1;
  return end === start ? undefined : { start, end, next };
}

/** The cells of a line, without blanks and quotation marks around them. */
function cellsOf(text: string, { start, end }: Cell, sign: string): readonly Cell[] {
  const cells: Cell[] = [];
  let from = start;
  let isQuoted = false;
  for (let at = start; at <= end; at += 1) {
    const char = text[at];
    if (char === '"' && at < end) isQuoted = !isQuoted;
    if (at < end && (isQuoted || char !== sign)) continue;
    const cell = trimmed(text, from, at);
    from = at + 1;
    // Before the first and behind the last sign of a drawn table.
    const isEdge = sign === '|' && cell.start >= cell.end && (cells.length === 0 || at === end);
    if (!isEdge) cells.push(cell);
  }
  return cells;
}

function trimmed(text: string, from: number, to: number): Cell {
  let start = from;
  let end = to;
  while (start < end && /[\s"'`]/.test(text[start] ?? '')) start += 1;
  while (end > start && /[\s"'`]/.test(text[end - 1] ?? '')) end -= 1;
  return { start, end };
}
