import { UNSAFE, UNSAFE_IN_TEXT } from '../../model/unsafe-characters.ts';

/** In JSON an escape is the same value, so the joiners are shown as well. Newlines are those of indented JSON. */
const UNSAFE_IN_JSON = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Characters that most terminals show two cells wide: East Asian scripts and emoji. */
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const ZERO_WIDTH = /\p{Mn}|\p{Me}|[\u200b-\u200d]|\ufe0f/u;

const STYLES = {
  dim: '2',
  bold: '1',
  red: '31',
  green: '32',
  yellow: '33',
  blue: '34',
  magenta: '35',
  cyan: '36',
} as const;
export type Style = keyof typeof STYLES;

/** Adds a style to a text, or returns it unchanged. */
export type Paint = (text: string, style: Style | undefined) => string;

/** Recorded text that is safe for a terminal: newlines and tabs stay, `ESC` becomes `\x1b`. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE_IN_TEXT, escapeCharacter);
}

/** As `escapeText`, for text that must stay on one line. */
export function escapeLine(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** JSON text that is safe for a terminal: the same value, with C1, DEL, bidi and invisible characters escaped too. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) =>
    // One escape for each half of a surrogate pair.
    character.replace(/[\s\S]/g, (unit) => `\\u${hex(unit.charCodeAt(0), 4)}`),
  );
}

export function createPaint(isColored: boolean): Paint {
  return (text, style) =>
    isColored && style !== undefined && text !== '' ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
}

/** The width in terminal cells. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

/** At most `width` cells; a cut text ends in an ellipsis. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let cut = '';
  let left = width - 1;
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    cut += character;
  }
  return width < 1 ? '' : `${cut}\u2026`;
}

function widthOf(character: string): number {
  if (character >= ' ' && character <= '~') return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code > 0xffff) return `\\u{${hex(code, 4)}}`;
  return code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
