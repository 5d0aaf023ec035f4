import Anser from 'anser';
import { known } from '../../../data/known.ts';
import { shownText } from './shown-text.ts';

/** A part of a line with one look. */
export interface Segment {
  readonly text: string;
  /** Names of classes, never values that the text gives. */
  readonly classes: string;
}

const ESC = '\u001b';

/** The form of eight bits of the beginning of a sequence. */
const CSI = '\u009b';

/** Titles and links of terminals (OSC), and the strings of devices. Without its end it is text like any other. */
const STRINGS = /(?:\x1b\]|\x9d)[^\x07\x1b\x9c\x9d\n]*(?:\x07|\x1b\\|\x9c)|\x1b[PX^_][^\x1b\n]*\x1b\\/g;

/** The address of a link or a title is shorter. A longer string is said to be there, because it can hide a text. */
const STRING_MAX = 200;

/** Cursor, screen and modes (CSI) but for colours, which end in `m` and have only digits. */
const SEQUENCES = /(?:\x1b\[|\x9b)(?![\d;:]*m)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z\\^-~]/g;

/** What is left on a terminal of one line: without titles, links and movements, and what was written over. */
export function withoutMovements(text: string): string {
  const plain = text.replace(STRINGS, withoutString).replace(SEQUENCES, '').replaceAll(CSI, `${ESC}[`);
  return plain.includes('\r') ? plain.split('\n').map(lastWritten).join('\n') : plain;
}

function withoutString(string: string): string {
  return string.length > STRING_MAX ? `⟦${string.length} hidden⟧` : '';
}

/** A progress bar writes over its line: the last state counts. That there were others is said, because it can hide a text. */
function lastWritten(line: string): string {
  const states = line.split('\r').filter((state) => state.trim() !== '');
  const last = states.at(-1) ?? '';
  return states.length < 2 ? last : `⟦${states.length - 1} overwritten⟧ ${last}`;
}

/** Stands between texts while they are read as one: no text has it left. */
const BORDER = '\x00';

/** Looks of texts that follow each other on one terminal: a colour goes on in the next one. */
export function ansiLines(texts: readonly string[]): readonly (readonly Segment[])[] {
  const joined = texts.map((text) => withoutMovements(text).replaceAll(BORDER, '␀')).join(BORDER);
  const lines: Segment[][] = [[]];
  for (const entry of new Anser().ansiToJson(joined, { json: true, use_classes: true })) {
    const classes = classesOf(entry);
    for (const [at, text] of entry.content.split(BORDER).entries()) {
      if (at > 0) lines.push([]);
      if (text !== '') lines.at(-1)?.push({ text: shownText(text), classes });
    }
  }
  return lines;
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** `hidden` and `blink` are left out: text is shown, and stands still. */
const DECORATIONS: Readonly<Record<string, string>> = {
  bold: 'ansi-bold',
  dim: 'ansi-dim',
  italic: 'ansi-italic',
  underline: 'ansi-underline',
  strikethrough: 'ansi-strikethrough',
  reverse: 'ansi-reverse',
};

function classesOf(entry: Anser.AnserJsonEntry): string {
  const fg = colourOf(entry.fg, entry.fg_truecolor);
  const bg = colourOf(entry.bg, entry.bg_truecolor);
  return [
    fg && `ansi-${fg}`,
    bg && `ansi-on-${bg}`,
    ...entry.decorations.map((decoration) => known(DECORATIONS, decoration)),
  ]
    .filter((name) => name !== undefined)
    .join(' ');
}

/** One of eight names: the page has a colour for each that can be read on its ground. */
function colourOf(given: string | null, truecolor: string | null): string | undefined {
  if (given === null || given === undefined) return undefined;
  if (given === 'ansi-truecolor') return nearest((truecolor ?? '').split(',').map(Number));
  const palette = /^ansi-palette-(\d+)$/.exec(given);
  if (palette !== null) return nearest(paletteColour(Number(palette[1])));
  const name = given.replace(/^ansi-(?:bright-)?/, '');
  return NAMES.find((known) => known === name);
}

/** Of the cube of 216 colours and the 24 greys. */
function paletteColour(index: number): readonly number[] {
  if (index >= 232) return [8, 8, 8].map((base) => base + (index - 232) * 10);
  const at = index - 16;
  return [Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((step) =>
    step === 0 ? 0 : 55 + step * 40,
  );
}

function nearest([red = 0, green = 0, blue = 0]: readonly number[]): string {
  const high = Math.max(red, green, blue);
  if (high - Math.min(red, green, blue) < 40) return high < 128 ? 'black' : 'white';
  const isHigh = (value: number): number => (value > high * 0.6 ? 1 : 0);
  return NAMES[isHigh(red) + 2 * isHigh(green) + 4 * isHigh(blue)] ?? 'white';
}
