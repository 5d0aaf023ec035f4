import { isPlainCharacter, normalized } from './text-words.ts';

/** Characters of a piece at the least. Their words are cut between two looks at the clock. */
const PIECE_CHARACTERS = 65_536;

/** Characters that are searched for a border at once. */
const LOOK_CHARACTERS = 65_536;

/** Characters of a piece at the most: a longer word would be too much for a pattern. */
const PIECE_MAX = 1_048_576;

/**
 * ASCII between words. ASCII behind it does not change what is before: no mark is joined to it. Whether a sigma is the last letter of a
 * word is decided beyond the signs of the second part.
 */
const ASCII_BORDER = /(?:[\s!"#$%&()*+,\-/;<=>?@[\\\]_{|}~]|(?<=[a-z0-9])[.:'^`])(?=[\0-\x7f])/i;

/** What may be no part of a longer word. */
const CANDIDATE =
  /[^\p{L}\p{M}\p{N}]|[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u30fc]/gu;

/** What is joined to the character before it: marks, and the second and third part of a Korean syllable. */
const JOINED = /^[\p{M}\u1160-\u11ff\ud7b0-\ud7ff]/u;

/** A letter beyond these signs still belongs to the word of a sigma. */
const IGNORED = /\p{Case_Ignorable}/u;

/**
 * The pieces of a text. All of them together have the words of the text, and no others. Of a word of more than a million
 * characters the rest is left out: its beginning is what the index has.
 */
export function* textPieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const least = at + PIECE_CHARACTERS;
    const border = least >= text.length ? WHOLE : borderFrom(text, least);
    const end = Math.min(border.end, text.length);
    const isTooLong = end - at > PIECE_MAX;
    yield text.slice(at, isTooLong ? at + PIECE_MAX : end);
    at = end === text.length ? end : border.next;
  }
}

/** Where a piece ends, and where the next one begins. */
interface Border {
  readonly end: number;
  readonly next: number;
}

const WHOLE: Border = { end: Number.POSITIVE_INFINITY, next: Number.POSITIVE_INFINITY };

/** The first border behind a place. */
function borderFrom(text: string, from: number): Border {
  for (let at = from; at < text.length; at += LOOK_CHARACTERS) {
    const part = text.slice(at, at + LOOK_CHARACTERS + 1);
    const found = ASCII_BORDER.exec(part);
    if (found !== null) return { end: at + found.index + 1, next: at + found.index + 1 };
    const border = denseBorder(part);
    if (border !== undefined) return { end: at + border.end, next: at + border.next };
  }
  return WHOLE;
}

/**
 * A border in a script without spaces, or at another sign: behind a character that is no part of a longer word. The next piece begins
 * with it too, because each pair of neighbours is searched.
 */
function denseBorder(part: string): Border | undefined {
  for (const { 0: own, index: at } of part.matchAll(CANDIDATE)) {
    const end = at + own.length;
    const behind = part.codePointAt(end);
    // The first character may be the half of one.
    if (at === 0 || behind === undefined) continue;
    if (isAlone(own) && !isJoined(own) && !isJoined(String.fromCodePoint(behind))) return { end, next: at };
  }
  return undefined;
}

function isAlone(character: string): boolean {
  return !IGNORED.test(character) && ![...normalized(character)].some(isPlainCharacter);
}

function isJoined(character: string): boolean {
  return IGNORED.test(character) || JOINED.test(character.normalize('NFKD'));
}
