import { outputWidth, paintFor } from '../terminal/terminal.ts';
import { cutText, escapeLine, type Paint, type Style, textWidth } from '../terminal/terminal-text.ts';

/** Cells of a line where standard output is no terminal, and the most that a wide terminal is used for. */
const WIDTH_MAX = 100;

/** Cells of the first column: the longest label, `completed`, and a gap. */
const LABEL_WIDTH = 11;

/** The width and the colours of the demo's lines. */
export interface Sheet {
  /** In terminal cells. */
  readonly width: number;
  readonly paint: Paint;
}

export function outputSheet(): Sheet {
  return { width: Math.min(outputWidth() ?? WIDTH_MAX, WIDTH_MAX), paint: paintFor(1) };
}

/** One line: a label and its text, cut to the width and safe for a terminal. */
export function row(sheet: Sheet, label: string, text: string, style?: Style): string {
  return labelled(sheet, label, sheet.paint(fitLine(text, sheet.width - LABEL_WIDTH), style));
}

/** A line for text that a user copies (an address, a path, a command): it is not cut. */
export function wholeRow(sheet: Sheet, label: string, text: string): string {
  return labelled(sheet, label, escapeLine(text));
}

/** Words, separated by commas, in as many lines as they need. */
export function listRows(sheet: Sheet, label: string, words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const [index, word] of words.entries()) {
    const text = index < words.length - 1 ? `${word}, ` : word;
    const last = lines.at(-1);
    const isFull = last === undefined || textWidth(last + text.trimEnd()) > sheet.width - LABEL_WIDTH;
    if (isFull) lines.push(text);
    else lines[lines.length - 1] = last + text;
  }
  return lines.map((text, index) => row(sheet, index === 0 ? label : '', text));
}

/** Text of an agent or a file as one line of at most `width` cells. */
export function fitLine(text: string, width: number): string {
  return cutText(
    escapeLine(
      text
        .slice(0, 4 * Math.max(width, 1))
        .replaceAll(/\s+/g, ' ')
        .trim(),
    ),
    width,
  );
}

function labelled({ paint }: Sheet, label: string, text: string): string {
  const title = escapeLine(label);
  return `${paint(title, 'bold')}${' '.repeat(Math.max(0, LABEL_WIDTH - textWidth(title)))}${text}`;
}
