import Anser from 'anser';
import { known } from '../../../data/known.ts';
import { type ColourStyle, paletteColour, type Rgb, styleOf } from './ansi-colour.ts';
import { shownText } from './shown-text.ts';

/** A part of a line with one look. */
export interface Segment {
  readonly text: string;
  /** Names of classes, never words that the text gives. */
  readonly classes: string;
  readonly style?: ColourStyle;
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

/** Colours whose parts stand behind colons (ISO 8613-6): `38:2::255:0:0`, `4:3`. */
const COLONS = /\x1b\[([\d;]*:[\d;:]*)m/g;

function withoutColons(_all: string, codes: string): string {
  const parts = codes.split(';').map((code) => {
    const [kind = '', form, ...values] = code.split(':');
    if (form === undefined) return kind;
    if (kind !== '38' && kind !== '48' && kind !== '58') return form === '0' && kind === '4' ? '24' : kind;
    // The space of colours may stand in front.
    return [kind, form, ...(form === '2' ? values.slice(-3) : values.slice(0, 1))].join(';');
  });
  return `${ESC}[${parts.filter((part) => !part.startsWith('58')).join(';')}m`;
}

/** What is left on a terminal of one line: without titles, links and movements, and what was written over. */
export function withoutMovements(text: string): string {
  const plain = text
    .replace(STRINGS, withoutString)
    .replace(SEQUENCES, '')
    .replaceAll(CSI, `${ESC}[`)
    .replace(COLONS, withoutColons);
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
    const look = lookOf(entry);
    for (const [at, text] of entry.content.split(BORDER).entries()) {
      if (at > 0) lines.push([]);
      if (text !== '') lines.at(-1)?.push({ text: shownText(text), ...look });
    }
  }
  return lines;
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** `hidden` and `blink` are left out: text is shown, and stands still. */
const DECORATIONS: Readonly<Record<string, string>> = {
  bold: 'ansi-bold',
  dim: 'ansi-dim',
  italic: 'ansi-italic',
  underline: 'ansi-underline',
  strikethrough: 'ansi-strikethrough',
};

/** The eight colours have classes, with the colours of the page; all others are computed. */
function lookOf(entry: Anser.AnserJsonEntry): Pick<Segment, 'classes' | 'style'> {
  const text = colourOf(entry.fg, entry.fg_truecolor);
  const ground = colourOf(entry.bg, entry.bg_truecolor);
  // A reversed text without colours is black on white there.
  const isInverted = 'isInverted' in entry && entry.isInverted === true;
  const isPlainText = isInverted && text?.name === 'black';
  const isReverse = isPlainText && ground?.name === 'white';
  const hasClass = ground === undefined && text?.name !== undefined;
  const isStyled = !isReverse && !hasClass;
  const style = isStyled ? styleOf(isPlainText ? undefined : text?.rgb, ground?.rgb) : undefined;
  const classes = [
    hasClass && `ansi-${text.name}`,
    isReverse && 'ansi-reverse',
    ...entry.decorations.map((decoration) => known(DECORATIONS, decoration)),
  ].filter((name) => typeof name === 'string');
  return { classes: classes.join(' '), ...(style !== undefined && { style }) };
}

interface Colour {
  readonly rgb: Rgb;
  /** Of one of the eight. */
  readonly name?: string;
}

function colourOf(given: string | null, truecolor: string | null): Colour | undefined {
  if (given === null || given === undefined) return undefined;
  if (given === 'ansi-truecolor') return trueColour(truecolor ?? '');
  const palette = /^ansi-palette-(\d+)$/.exec(given);
  const named = /^ansi-(bright-)?(\w+)$/.exec(given);
  const at = NAMES.indexOf(named?.[2] ?? '');
  const index = palette !== null ? Number(palette[1]) : at < 0 ? -1 : at + (named?.[1] === undefined ? 0 : 8);
  const rgb = paletteColour(index);
  if (rgb === undefined) return undefined;
  return { rgb, ...(at >= 0 && palette === null && { name: NAMES[at] ?? '' }) };
}

function trueColour(text: string): Colour | undefined {
  const [red = Number.NaN, green = Number.NaN, blue = Number.NaN] = text.split(',').map(Number);
  const isColour = [red, green, blue].every((value) => value >= 0 && value <= 255);
  return isColour ? { rgb: [red, green, blue] } : undefined;
}
