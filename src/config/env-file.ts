import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { readBoundedText } from './file/bounded-text.ts';

/** A `.env` file: its variables, and a line for everything in it that cannot be read. Problems show no value. */
export interface EnvFile {
  readonly path: string;
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
  /** Of its content; undefined when it cannot be read. */
  readonly sha256: string | undefined;
}

const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/;
const BLANK_OR_COMMENT = /^[ \t]*(?:#.*)?$/;

/** Undefined when there is no such file. A directory is none either: Python's virtual environments often have this name. */
export function readEnvFile(file: string): EnvFile | undefined {
  const path = resolve(file);
  const read = readBoundedText(file);
  if ('problem' in read) {
    if (read.isMissing || read.isDirectory) return undefined;
    return { path, values: new Map(), problems: [`${path}: ${read.problem}`], sha256: undefined };
  }
  const { values, problems } = parseEnvFile(read.text);
  return {
    path,
    values,
    problems: problems.map((problem) => `${path}: ${problem}`),
    sha256: read.sha256,
  };
}

/**
 * Each value is read by Node's own parser, as `node --env-file` reads it. The lines are found here: that parser takes a line
 * without `=` for a part of the next name, and drops text behind a closing quote and all that follows an open one.
 */
export function parseEnvFile(text: string): Pick<EnvFile, 'values' | 'problems'> {
  const values = new Map<string, string>();
  const problems: string[] = [];
  // Some editors write a byte order mark.
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (BLANK_OR_COMMENT.test(line)) continue;
    const number = index + 1;
    const [start, name] = ASSIGNMENT.exec(line) ?? [];
    if (start === undefined || name === undefined) {
      problems.push(`line ${number}: write NAME=value, or # before a comment`);
      continue;
    }
    const value = readValue([line.slice(start.length), ...lines.slice(index + 1)]);
    index += value.lines - 1;
    if ('problem' in value) problems.push(`line ${number}: ${name}: ${value.problem}`);
    else values.set(name, parseEnv(`VALUE=${value.text}`).VALUE ?? '');
  }
  return { values, problems };
}

type Value = ({ readonly text: string } | { readonly problem: string }) & {
  /** How many lines it takes. */
  readonly lines: number;
};

/** The value at the beginning of these lines, with its quotes. Only in quotes it goes on over the end of a line. */
function readValue(lines: readonly string[]): Value {
  const [first = ''] = lines;
  const quote = first.charAt(0);
  if (quote === '' || !'"\'`'.includes(quote)) return { text: first.trim(), lines: 1 };
  const text = lines.join('\n');
  const close = text.indexOf(quote, 1);
  if (close < 0) return { problem: `its ${quote} has no closing quote`, lines: 1 };
  const quoted = text.slice(0, close + 1);
  const [rest = ''] = text.slice(close + 1).split('\n', 1);
  const count = quoted.split('\n').length;
  if (BLANK_OR_COMMENT.test(rest)) return { text: quoted, lines: count };
  const where = count === 1 ? '' : ` ${count - 1} line${count === 2 ? '' : 's'} below`;
  // The next line may be fine: the quote that ends this value was perhaps meant to begin another.
  return { problem: `text follows its closing ${quote}${where}`, lines: 1 };
}
