import type { OutputLine } from '../../../../client/api/shapes.ts';
import { type Picture, picturesOf } from './content/pictures.ts';
import { cutText, SHOWN_MAX } from './content/shown-text.ts';

/** A line as the page keeps it: long texts are cut, and pictures stand beside the text. */
export interface LoadedLine {
  /** In the file, from 0. */
  readonly number: number;
  readonly line: OutputLine;
  /** Characters of the whole content. */
  readonly length: number;
  /** Whether a text of the input was cut. */
  readonly isInputCut: boolean;
  readonly pictures: readonly Picture[];
  /** Whether the whole content ends with a newline, as the output of a program does. */
  readonly isPlain: boolean;
}

/** Of one line of a program, which fills the window with less. */
const PLAIN_MAX = 3_000;

export function loadedLine(line: OutputLine, number: number): LoadedLine {
  const text = typeof line.content === 'string' ? line.content : '';
  const { rest, pictures } = picturesOf(line, text);
  const isCall = line.type === 'tool_call' && line.tool_input !== undefined;
  const isPlain = text.endsWith('\n');
  const max = isPlain && line.type === 'output' ? PLAIN_MAX : SHOWN_MAX;
  const cut = { isCut: false };
  const input = isCall ? cutStrings(line.tool_input, cut, 0) : line.tool_input;
  return {
    number,
    // The content of a call is its name and its input again.
    line: {
      ...line,
      content: isCall ? '' : detached(cutText(rest, max)),
      ...(isCall && { tool_input: input }),
    },
    length: isCall ? 0 : rest.length,
    isInputCut: cut.isCut,
    pictures,
    isPlain,
  };
}

/** What a line takes in memory, in characters. */
export function weightOf({ line }: LoadedLine): number {
  return (
    200 +
    line.content.length +
    (line.type === 'tool_call' ? JSON.stringify(line.tool_input ?? null).length : 0)
  );
}

export function isCutLine({ line, length }: LoadedLine): boolean {
  return length > line.content.length;
}

/** A part of a long string keeps the whole one in memory. */
function detached(text: string): string {
  return text.length < PLAIN_MAX - 1 ? text : structuredClone(text);
}

const DEPTH_MAX = 20;

function cutStrings(value: unknown, cut: { isCut: boolean }, depth: number): unknown {
  if (typeof value === 'string') {
    if (value.length <= SHOWN_MAX) return value;
    cut.isCut = true;
    return detached(cutText(value));
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.map((one) => cutStrings(one, cut, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, cutStrings(one, cut, depth + 1)]),
  );
}
