import type { Found } from './mask.ts';
import { secretNamed } from './names.ts';
import { isSecretValue } from './secret-value.ts';

/** Found in any case. */
export const INSERT_HINTS: readonly string[] = ['insert into ', 'replace into '];

const COLUMNS =
  /[\w."`[\]]{1,120}\s{0,8}\(([^()]{1,2000})\)\s{0,20}(?:overriding [a-z ]{1,20} )?values?\s{0,20}/iy;
const QUOTED = /(?:[NEne]?)'((?:[^'\\]|''|\\.){0,4000})'/sy;
const PLAIN = /[^,()'"\s]{1,200}(?: [a-z]{1,20}){0,2}|"[^"\n]{0,400}"/iy;
/** A call behind the name of a function, and a cast of PostgreSQL. */
const TAIL = /(?:\((?:[^()']|'[^']{0,200}'){0,200}\))?(?:::[\w ."[\]]{1,40})?/y;
const BETWEEN = /\s{0,20}(,|\))\s{0,20}/y;

interface Cell {
  readonly start: number;
  readonly end: number;
}

/** The values of columns that are named after a secret, in a statement that begins at the hint; and where its text ends. */
export function findInserted(text: string, at: number): { found: readonly Found[]; end: number } {
  COLUMNS.lastIndex = at;
  const columns = COLUMNS.exec(text)?.[1]
    ?.split(',')
    .map((name) => name.replace(/[\s"`[\]]/g, ''));
  const found: Found[] = [];
  if (columns === undefined) return { found, end: at };
  const kinds = columns.map((column) => secretNamed(column));
  const name = columns.findIndex((column) =>
    /^(?:key|name|setting|option_name|meta_key|variable)$/i.test(column),
  );
  const value = columns.findIndex((column) => /^(?:value|option_value|meta_value|val)$/i.test(column));
  let end = COLUMNS.lastIndex;
  for (let row = rowAt(text, end); row !== undefined; row = rowAt(text, end)) {
    const { cells } = row;
    const named = name >= 0 && value >= 0 ? secretNamed(textOf(text, cells[name])) : undefined;
    for (const [index, cell] of cells.entries()) {
      const kind = kinds[index] ?? (index === value ? named : undefined);
      if (kind !== undefined && isSecretValue(textOf(text, cell), 'setting')) found.push({ ...cell, kind });
    }
    end = row.end;
    if (text[end] !== ',') break;
    end += 1;
  }
  return { found, end };
}

function textOf(text: string, cell: Cell | undefined): string {
  return cell === undefined ? '' : text.slice(cell.start, cell.end);
}

/** `('bob', 7, 'X')`: the text of each value. */
function rowAt(
  text: string,
  from: number,
): { readonly cells: readonly Cell[]; readonly end: number } | undefined {
  const open = /\s{0,40}\(\s{0,20}/y;
  open.lastIndex = from;
  if (!open.test(text)) return undefined;
  const cells: Cell[] = [];
  for (let at = open.lastIndex; ; at = BETWEEN.lastIndex) {
    QUOTED.lastIndex = at;
    PLAIN.lastIndex = at;
    const quoted = QUOTED.exec(text)?.[1];
    if (quoted !== undefined)
      cells.push({ start: QUOTED.lastIndex - 1 - quoted.length, end: QUOTED.lastIndex - 1 });
    else if (PLAIN.test(text)) cells.push({ start: at, end: PLAIN.lastIndex });
    else return undefined;
    TAIL.lastIndex = quoted === undefined ? PLAIN.lastIndex : QUOTED.lastIndex;
    TAIL.test(text);
    BETWEEN.lastIndex = TAIL.lastIndex;
    const sign = BETWEEN.exec(text)?.[1];
    if (sign === undefined) return undefined;
    if (sign === ')') return { cells, end: BETWEEN.lastIndex };
  }
}
