import { beginningAtEnd, beginningInLine, NEXT_CHARS } from './beginning.ts';
import { extraMayCross } from './extra-rules.ts';
import { hintsIn } from './find.ts';
import { BEHIND, type HintPlaces } from './hint-places.ts';
import type { Found } from './mask.ts';
import { extraIn, secretsIn } from './redact.ts';
import { isStrong, looksRandom } from './secret-value.ts';
import { isTokenCode } from './words.ts';

/** Around the border of two pieces: a token with its name. */
const BORDER_CHARS = 400;

/** No hint is longer. */
const EDGE_CHARS = 48;

/** A longer line is cut to its end. Not each time: the pieces of a line are joined only when they are searched. */
const LINE_CHARS_MAX = 4 * BORDER_CHARS;

/** The longest form that a word begins. */
const WORD_CHARS_MAX = 200;

/** No hint that has its last characters in what may follow begins earlier. */
const LAST_CHARS = 16;

/** The first word of a line, with a digit inside: what the rest of a token looks like. */
const TOKEN_REST = /^[ \t]{0,40}(?=[A-Za-z0-9_.+/=:~-]{6})[A-Za-z_.+/=:~-]{0,40}[0-9]/;

const NONE: readonly Found[] = [];

/**
 * The end of a text that comes in pieces: what the next piece may complete. Most pieces complete nothing. Where neither the
 * end of what came, nor the piece, nor the place where they meet has a hint of a secret, nothing is searched again.
 */
export class Border {
  /** The line that came last, as it came, or at least its end. Of a complete line only the last word and the line break. */
  #line = '';
  /** The line is complete. */
  #isLine = false;
  /** Its last characters without the line break. */
  #edge = '';
  /** Characters from the last hint to the end of what came. */
  #sinceHint = BEHIND;
  /** A secret reaches up to the end of what came. */
  #isOpen = false;
  readonly #hints: HintPlaces = { first: BEHIND, last: -1 };
  /** Of the end of what came and the beginning of the piece. */
  readonly #joint: HintPlaces = { first: BEHIND, last: -1 };

  /** The secrets of the piece itself, and then those that only show together with what came before. */
  search(piece: string): { readonly own: readonly Found[]; readonly across: readonly Found[] } {
    const goesOn = this.#line !== '' && !(this.#isLine && !TOKEN_REST.test(piece));
    const edge = goesOn ? this.#edge : '';
    const own = this.#own(piece, edge);
    const mayCross = goesOn && (this.#isOpen || this.#mayCross(piece, edge));
    this.#noteHints(piece, edge, own);
    return { own, across: mayCross ? this.#across(piece) : NONE };
  }

  /**
   * What is most likely the start of a secret at the very end of the piece, which the search found nothing at: its rest
   * comes in the next one. In an unfinished line its first characters are enough. Comes after `search`.
   */
  beginning(piece: string, last: Found | undefined): Found | undefined {
    const isLine = piece.endsWith('\n');
    const end = isLine ? piece.trimEnd().length : piece.length;
    if (end === 0 || (last !== undefined && last.end >= end) || !this.#mayBegin(piece, end)) return undefined;
    const before = isLine || this.#isLine ? '' : this.#tail();
    const whole = before + piece.slice(0, end);
    const begin = isLine ? beginningInLine(whole) : beginningAtEnd(whole);
    if (begin === undefined) return undefined;
    const start = Math.max(0, begin.start - before.length);
    return last !== undefined && start < last.end ? undefined : { start, end, kind: begin.kind };
  }

  /** `isOpen`: a secret reaches up to its end. */
  add(piece: string, isOpen: boolean): void {
    this.#isOpen = isOpen;
    const line = piece.lastIndexOf('\n') + 1;
    if (line > 0 && line < piece.length) this.#line = piece.slice(line);
    else this.#line = this.#isLine ? piece : this.#line + piece;
    this.#isLine = line === piece.length;
    if (this.#isLine) {
      this.#line = lastWordOf(this.#line);
      this.#edge = withoutBreak(this.#line).slice(-EDGE_CHARS);
      return;
    }
    if (this.#line.length > LINE_CHARS_MAX) this.#line = this.#line.slice(-BORDER_CHARS);
    this.#edge = (piece.length < EDGE_CHARS ? this.#line : piece).slice(-EDGE_CHARS);
  }

  /** Nothing of what came goes on. */
  clear(): void {
    this.#line = '';
    this.#isLine = false;
    this.#edge = '';
    this.#sinceHint = BEHIND;
    this.#isOpen = false;
  }

  #tail(): string {
    return this.#line.length > BORDER_CHARS ? this.#line.slice(-BORDER_CHARS) : this.#line;
  }

  /** Secrets of the piece itself. Sets `#hints` and `#joint`. */
  #own(piece: string, edge: string): readonly Found[] {
    this.#hints.first = BEHIND;
    this.#hints.last = -1;
    if (piece.length > EDGE_CHARS) {
      const own = secretsIn(piece, this.#hints);
      this.#lookAt(piece, edge);
      return own;
    }
    // One look at both is enough.
    this.#lookAt(piece, edge);
    const break_ = piece.indexOf('\n');
    const isPlain = this.#joint.last < 0 && (break_ < 0 || break_ === piece.length - 1);
    return isPlain ? extraIn(piece) : secretsIn(piece);
  }

  /** For hints over the border; in a short piece for all. */
  #lookAt(piece: string, edge: string): void {
    this.#joint.last = -1;
    const isShort = piece.length <= EDGE_CHARS;
    if (edge === '' && !isShort) return;
    // With one blank inside, or with dashes.
    const isWhole = edge.includes('--') || piece.startsWith('-');
    const from = isWhole ? 0 : Math.max(0, edge.lastIndexOf(' ', edge.lastIndexOf(' ') - 1));
    const to = isWhole || isShort ? EDGE_CHARS : endOfSecondBlank(piece);
    hintsIn(edge.slice(from) + piece.slice(0, to), edge.length - from, this.#joint);
    if (this.#joint.last < 0) return;
    this.#joint.first += from;
    this.#joint.last += from;
    // All others are hints of the piece.
    if (!isShort && this.#joint.first >= edge.length) this.#joint.last = -1;
  }

  #mayCross(piece: string, edge: string): boolean {
    const first = Math.min(
      this.#hints.first,
      this.#joint.last < 0 ? BEHIND : this.#joint.first - edge.length,
    );
    if (first < 0 || this.#sinceHint <= Math.min(this.#line.length, BORDER_CHARS)) return true;
    const word = endOfToken(piece);
    // A complete line ends in a word: only a word goes on.
    if (first < (this.#isLine ? word : BORDER_CHARS)) return true;
    return isBrokenAt(piece, word, edge) || extraMayCross(edge, piece, () => this.#whole(piece));
  }

  #whole(piece: string): string {
    return withoutBreak(this.#tail()) + piece.slice(0, BORDER_CHARS);
  }

  #noteHints(piece: string, edge: string, own: readonly Found[]): void {
    const joint = this.#joint.last < 0 ? -BEHIND : this.#joint.last - edge.length;
    const last = Math.max(
      joint,
      this.#hints.last < 0 ? -BEHIND : this.#hints.last,
      own.at(-1)?.end ?? -BEHIND,
    );
    this.#sinceHint = Math.min(BEHIND, this.#sinceHint + piece.length, piece.length - last);
  }

  /** The rest of a secret begins at 0. */
  #across(piece: string): readonly Found[] {
    const isLine = this.#isLine;
    const tail = withoutBreak(this.#tail());
    const head = piece.slice(0, BORDER_CHARS);
    let found = placedIn(tail, head, isLine);
    if (found.at(-1)?.end === head.length && head.length < piece.length)
      found = placedIn(tail, piece, isLine);
    const rest = this.#endOfOpen(piece);
    if (rest > (found[0]?.start === 0 ? found[0].end : 0)) return [{ start: 0, end: rest, kind: 'rest' }];
    return found.map((one) => (one.start === 0 ? { ...one, kind: 'rest' } : one));
  }

  /** The middle of a token that is longer than what is kept. */
  #endOfOpen(piece: string): number {
    if (!this.#isOpen) return 0;
    const word = /^[A-Za-z0-9_.+/=~-]*/.exec(piece)?.[0] ?? '';
    return isStrong(word) || looksRandom(word) ? word.length : 0;
  }

  #mayBegin(piece: string, end: number): boolean {
    if (end < piece.length || piece.endsWith('\n'))
      return this.#sinceHint <= WORD_CHARS_MAX + piece.length - end;
    const before = this.#isLine ? 0 : this.#line.length;
    if (this.#sinceHint <= Math.min(BORDER_CHARS, before + piece.length)) return true;
    if (isBrokenBefore(piece)) return true;
    if (!isTokenCode(piece.charCodeAt(end - 1))) return false;
    const last = (piece.length < LAST_CHARS && !this.#isLine ? this.#edge + piece : piece).slice(-LAST_CHARS);
    hintsIn(last + NEXT_CHARS, last.length, this.#joint);
    return this.#joint.last >= 0;
  }
}

/** Of the secrets of two pieces those that reach into the second, as places in it. */
function placedIn(tail: string, piece: string, isLine: boolean): readonly Found[] {
  return secretsIn(tail + piece).flatMap(({ start, end, kind }) => {
    if (end <= tail.length || (isLine && start >= tail.length)) return [];
    const place = { start: Math.max(0, start - tail.length), end: end - tail.length, kind };
    // The line break between them is no part of the secret.
    return place.start === 0 && piece.slice(0, place.end).trim() === '' ? [] : [place];
  });
}

/** The first word is broken at its end, and goes on in the next line. */
function isBrokenAt(piece: string, end: number, edge: string): boolean {
  const code = piece.charCodeAt(end);
  if (code !== 10 && code !== 13 && code !== 92) return false;
  if (end === 0 && !isTokenCode(edge.charCodeAt(edge.length - 1))) return false;
  return piece.slice(end).trim() !== '';
}

/** What stands behind the last line break is one word: it may go on what stands before. */
function isBrokenBefore(piece: string): boolean {
  const line = piece.lastIndexOf('\n') + 1;
  if (line === 0) return false;
  let start = piece.length;
  while (start > line && isTokenCode(piece.charCodeAt(start - 1))) start -= 1;
  return start < piece.length && piece.slice(line, start).trim() === '';
}

/** Behind the second blank of a piece, not counting one that it begins with. */
function endOfSecondBlank(piece: string): number {
  const first = piece.indexOf(' ', 1);
  const second = first < 0 ? -1 : piece.indexOf(' ', first + 1);
  return second < 0 ? EDGE_CHARS : Math.min(EDGE_CHARS, second + 1);
}

function endOfToken(text: string): number {
  let end = 0;
  while (end < text.length && end < BORDER_CHARS && isTokenCode(text.charCodeAt(end))) end += 1;
  return end;
}

/** The last word of a complete line with the line break; nothing when another character stands before the break. */
function lastWordOf(line: string): string {
  const end = withoutBreak(line).length;
  let start = end;
  const lowest = Math.max(0, line.length - BORDER_CHARS);
  while (start > lowest && isTokenCode(line.charCodeAt(start - 1))) start -= 1;
  return start === end ? '' : line.slice(start);
}

function withoutBreak(line: string): string {
  let end = line.length;
  if (line.charCodeAt(end - 1) !== 10) return line;
  end -= 1;
  if (line.charCodeAt(end - 1) === 13) end -= 1;
  if (line.charCodeAt(end - 1) === 92) end -= 1;
  return line.slice(0, end);
}
