/** The words of a command line, or the reason why a shell could not split it. */
export type SplitResult =
  | { readonly words: readonly string[] }
  | {
      /** What is open, and where: `the " at character 7 has no closing quote`. */
      readonly problem: string;
    };

/** In double quotes a backslash keeps its meaning only before these; before any other character it is text. */
const ESCAPED_IN_DOUBLE_QUOTES = '$`"\\';

/** One word so far. Undefined between words: `''` is a word, a blank is none. */
type Word = string | undefined;

/**
 * Splits a command line into words as a POSIX shell does (XCU 2.2 "Quoting" and 2.6.5), without expansion: `$NAME`,
 * globs, `~`, `#` and operators such as `|` are text. A newline separates words, as a blank does. No package is used:
 * shlex 3.0 keeps the backslash of `"\$"`, shell-quote 1.12 expands variables and parses operators, string-argv 0.4 knows
 * no backslash, shellwords 1.1 keeps a backslash before a newline; none says where a quote was opened.
 */
export function splitWords(line: string): SplitResult {
  const words: string[] = [];
  let word: Word;
  for (let at = 0; at < line.length; ) {
    const character = line.charAt(at);
    if (character === ' ' || character === '\t' || character === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
      continue;
    }
    const piece = readPiece(line, at);
    if ('problem' in piece) return piece;
    // A line continuation alone does not begin a word.
    if (piece.text !== undefined) word = (word ?? '') + piece.text;
    at = piece.end;
  }
  if (word !== undefined) words.push(word);
  return { words };
}

type Piece = { readonly text: Word; readonly end: number } | { readonly problem: string };

/** The quoted text, the escaped character or the plain character that begins here. */
function readPiece(line: string, at: number): Piece {
  switch (line.charAt(at)) {
    case "'":
      return readSingleQuoted(line, at);
    case '"':
      return readDoubleQuoted(line, at);
    case '\\':
      if (at + 1 === line.length) return { problem: 'the backslash at its end escapes nothing' };
      return { text: line[at + 1] === '\n' ? undefined : line.charAt(at + 1), end: at + 2 };
    default:
      return { text: line.charAt(at), end: at + 1 };
  }
}

function readSingleQuoted(line: string, at: number): Piece {
  const close = line.indexOf("'", at + 1);
  return close < 0 ? unclosed(line, at) : { text: line.slice(at + 1, close), end: close + 1 };
}

function readDoubleQuoted(line: string, start: number): Piece {
  let text = '';
  for (let at = start + 1; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (character === '"') return { text, end: at + 1 };
    const next = line.charAt(at + 1);
    if (character !== '\\' || next === '') text += character;
    else {
      if (next !== '\n') text += ESCAPED_IN_DOUBLE_QUOTES.includes(next) ? next : character + next;
      at += 1;
    }
  }
  return unclosed(line, start);
}

/** Counted from 1, in characters as people count them. */
function unclosed(line: string, at: number): Piece {
  const place = [...line.slice(0, at)].length + 1;
  return { problem: `the ${line.charAt(at)} at character ${place} has no closing quote` };
}
