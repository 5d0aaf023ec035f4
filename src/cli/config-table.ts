import { relative } from 'node:path';
import type { SettingInForce } from '../config/in-force.ts';
import { commandLine } from './run/agent-words.ts';
import { escapeLine, type Paint, textWidth } from './terminal/terminal-text.ts';

export interface TableLayout {
  /** Of a line, in terminal cells. */
  readonly width: number;
  readonly paint: Paint;
  /** Paths below it are shown relative to it. */
  readonly cwd: string;
}

type Row = Omit<SettingInForce, 'isSecret'>;

const INDENT = '  ';
const GAP = '  ';

/** The column of sources: the words, and relative paths of files in most projects. */
const SOURCE_WIDTH_MAX = 24;

/** On a narrow terminal lines become longer than it is: below this a value breaks too often to be read. */
const VALUE_WIDTH_MIN = 20;

/** A group is a heading, a setting a line or more: name, value, source. Long values and paths go on in the next line. */
export function configTable(rows: readonly Row[], { width, paint, cwd }: TableLayout): string {
  const cells = rows.map((row) => [row.name, valueText(row), sourceText(row, cwd)] as const);
  const nameWidth = Math.max(...cells.map(([name]) => textWidth(name)));
  const sourceWidth = Math.min(SOURCE_WIDTH_MAX, Math.max(...cells.map(([, , source]) => textWidth(source))));
  const used = INDENT.length + nameWidth + GAP.length * 2 + sourceWidth;
  const valueWidth = Math.max(VALUE_WIDTH_MIN, width - used);
  const lines: string[] = [];
  for (const [index, row] of rows.entries()) {
    if (row.group !== rows[index - 1]?.group) lines.push(paint(row.group, 'bold'));
    const [name = '', value = '', source = ''] = cells[index] ?? [];
    const isDefault = row.source === 'default';
    const [values, sources] = [wrap(value, valueWidth), wrap(source, sourceWidth)];
    for (let line = 0; line < Math.max(values.length, sources.length); line += 1) {
      const left = INDENT + padded(line === 0 ? name : '', nameWidth) + GAP;
      const right = paint(sources[line] ?? '', isDefault ? 'dim' : undefined);
      lines.push(`${left}${padded(values[line] ?? '', valueWidth)}${GAP}${right}`.trimEnd());
    }
  }
  return `${lines.join('\n')}\n`;
}

function valueText({ name, value }: Row): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '(not set)';
  if (Array.isArray(value)) return escapeLine(listText(value, name === 'TASK_LOGS_AGENT_COMMAND'));
  if (typeof value !== 'object') return escapeLine(String(value));
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return escapeLine(fields.map(([key, item]) => `${key}: ${fieldText(key, item)}`).join('; '));
}

function fieldText(key: string, value: unknown): string {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? listText(value, key === 'command') : JSON.stringify(value);
}

function listText(items: readonly unknown[], isCommand: boolean): string {
  const words = items.filter((item) => typeof item === 'string');
  if (words.length < items.length) return JSON.stringify(items);
  return isCommand ? commandLine(words) : words.join(' ');
}

function sourceText({ source, flag, path, from }: Row, cwd: string): string {
  switch (source) {
    case 'flag':
      return flag === undefined ? 'flag' : `flag ${flag}`;
    case 'file':
    case 'env file':
      return path === undefined ? source : escapeLine(shortPath(path, cwd));
    case 'environment':
      return source;
    case 'default':
      return from ?? source;
  }
}

function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === '' || short.startsWith('..') ? path : short;
}

/** Breaks behind a blank or a separator of URLs, paths and lists, else anywhere. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const piece of text.match(/[^\s,;/&?]*[\s,;/&?]?/g) ?? []) {
    if (line !== '' && textWidth(line) + textWidth(piece.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    for (const character of piece) {
      if (textWidth(line) + textWidth(character) > width && character !== ' ') {
        lines.push(line);
        line = '';
      }
      line += character;
    }
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line.trimEnd()];
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}
