import Anser from 'anser';
import { known } from '../../../data/known.ts';
import { type ColourStyle, paletteColour, type Rgb, styleOf } from './ansi-colour.ts';
import { shownText } from './shown-text.ts';
import { withoutMovements } from './terminal-text.ts';

/** A part of a line with one look. */
export interface Segment {
  readonly text: string;
  /** Names of classes, never words that the text gives. */
  readonly classes: string;
  readonly style?: ColourStyle;
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
