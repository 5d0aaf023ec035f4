import { UNSAFE_IN_TEXT } from '../../../../../model/unsafe-characters.ts';

/** Characters of a text that are shown before "show all". A longer one would hold up the page. */
export const SHOWN_MAX = 20_000;

/** Makes characters visible that would hide or reorder others: `⟦U+202E⟧`, and `␀` for the controls of ASCII. */
export function shownText(text: string): string {
  return text.replace(UNSAFE_IN_TEXT, named);
}

/** Carriage returns are left: the view of a terminal reads them. */
function named(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === '\r') return character;
  if (code === 0x7f) return '␡';
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return `⟦U+${code.toString(16).toUpperCase().padStart(4, '0')}⟧`;
}

/** The first characters of a text, never half of one. */
export function cutText(text: string, max: number = SHOWN_MAX): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}

/** Pieces of a long text, each drawn only when it is seen. Cut behind a newline where there is one. */
export function piecesOf(text: string, size: number = SHOWN_MAX): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const piece = cutText(text.slice(at, at + size + 1), size);
    const isLast = at + piece.length >= text.length;
    const newline = isLast ? -1 : piece.lastIndexOf('\n');
    const taken = newline < size / 2 ? piece : piece.slice(0, newline + 1);
    pieces.push(taken);
    at += Math.max(taken.length, 1);
  }
  return pieces;
}

/** `1.5 MB`, as it stands on the button of a cut text. */
export function sizeText(characters: number): string {
  if (characters < 1_000_000) return `${Math.max(1, Math.round(characters / 1_000))} kB`;
  return `${(characters / 1_000_000).toFixed(1)} MB`;
}
