import { beginningAtEnd, beginningInLine } from './beginning.ts';
import { decode } from './encoded.ts';
import { type Found, maskAll, maskOf, merged } from './mask.ts';
import { secretsIn } from './redact.ts';
import { isStrong, looksRandom } from './secret-value.ts';

/** Masks a text that comes in pieces, such as the lines of a program. What it returns depends only on the pieces so far. */
export interface PieceRedactor {
  /**
   * The piece with its secrets masked, at once: nothing is held back. Also the rest of a secret that an earlier piece
   * began: the lines of a key, the end of a token.
   */
  mask(piece: string): string;
}

/** Masks a stream. Unlike a `PieceRedactor` it holds back an unfinished line, so that no start of a secret gets out. */
export interface StreamRedactor {
  /** What can be passed on. */
  push(piece: string): string;
  /** What was held back: for the end of the stream, or when its reader waits for it. */
  flush(): string;
}

/** Around the border of two pieces: a token with its name. */
const BORDER_CHARS = 400;

/** More lines than any key has: then what comes is no key. */
const KEY_LINES_MAX = 1_000;

/** A line longer than this is passed on in parts. */
const HELD_CHARS_MAX = 256 * 1024;

/** Stays behind when a part of a long line is passed on. */
const HELD_CHARS_MIN = 8 * 1024;

/** The first word of a line, with a digit inside: what the rest of a token looks like. */
const TOKEN_REST = /^[ \t]{0,40}(?=[A-Za-z0-9_.+/=:~-]{6})[A-Za-z_.+/=:~-]{0,40}[0-9]/;

const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|^Private-MAC: ?[0-9a-f]{20,}/;
const KEY_HEADER =
  /^(?:Proc-Type|DEK-Info|Comment|Version|Charset|Hash|MessageID|Encryption|Public-Lines|Private-Lines|Private-MAC|Key-Derivation|Argon2-[A-Za-z]{1,16}): ?.{0,300}$/;
/** What a log or a listing puts before a line stays; the line itself is base64. */
const KEY_LINE = /(?:^|[\s>|:"'+])([A-Za-z0-9+/]{32,}={0,2})[\s"',\\]*$/;
const KEY_LAST_LINE = /(?:^|[\s>|:"'+])([A-Za-z0-9+/]{1,31}={0,2})[\s"',\\]*$/;

export function createPieceRedactor(): PieceRedactor {
  return new Pieces();
}

export function createStreamRedactor(): StreamRedactor {
  return new Stream(new Pieces());
}

class Pieces implements PieceRedactor {
  /** Lines of the key that is open; undefined outside of one. */
  #keyLines: number | undefined;
  /** Where the body stands in a line of this key: behind what a log puts before each line. */
  #column = 0;
  /** The end of what came, as it came. */
  #tail = '';
  /** A secret reaches up to the end of what came. */
  #isOpen = false;

  mask(piece: string): string {
    if (piece === '') return '';
    if (this.#keyLines !== undefined) return this.#maskKey(piece);
    const border = this.#tail === '' ? [] : this.#acrossBorder(piece);
    // What looks like the rest of a token may be the start of another secret: the piece is searched whole.
    const own = secretsIn(piece);
    const found = this.#withBeginning(piece, border.length === 0 ? own : merged([...own, ...border]));
    this.#tail = tailOf(this.#tail, piece);
    this.#isOpen = found.at(-1)?.end === piece.length;
    if (opensKey(piece, own.at(-1))) {
      const body = KEY_LINE.exec(decode(lastLineOf(piece)).text);
      this.#keyLines = body === null ? 0 : 1;
      this.#column = body === null ? 0 : body[0].indexOf(body[1] ?? '') + body.index;
      this.#tail = '';
    }
    return found.length === 0 ? piece : maskAll(piece, found);
  }

  /** Secrets of the piece that only show together with what came before. The rest of one begins at 0. */
  #acrossBorder(piece: string): readonly Found[] {
    const whole = this.#tail;
    const isLine = whole.endsWith('\n');
    const tail = whole.replace(/\\?\r?\n$/, '');
    const head = piece.slice(0, BORDER_CHARS);
    // An ordinary word goes on with no token.
    if (isLine && !TOKEN_REST.test(head)) return [];
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

  /**
   * With what is most likely the start of a secret at the very end of the piece: its rest comes in the next one. In an
   * unfinished line its first characters are enough.
   */
  #withBeginning(text: string, found: readonly Found[]): readonly Found[] {
    const isLine = text.endsWith('\n');
    const end = isLine ? text.trimEnd().length : text.length;
    const last = found.at(-1);
    if (end === 0 || (last !== undefined && last.end >= end)) return found;
    const before = isLine ? '' : this.#tail.slice(this.#tail.lastIndexOf('\n') + 1);
    const whole = before + text.slice(0, end);
    const begin = isLine ? beginningInLine(whole) : beginningAtEnd(whole);
    if (begin === undefined) return found;
    const start = Math.max(0, begin.start - before.length);
    if (last !== undefined && start < last.end) return found;
    return [...found, { start, end, kind: begin.kind }];
  }

  #maskKey(piece: string): string {
    let masked = '';
    let at = 0;
    while (at < piece.length) {
      const next = piece.indexOf('\n', at) + 1 || piece.length;
      const line = this.#keyLine(piece.slice(at, next));
      // The key is over: what follows is text again.
      if (line === undefined) return masked + this.mask(piece.slice(at));
      masked += line;
      at = next;
      if (this.#keyLines === undefined)
        return at < piece.length ? masked + this.mask(piece.slice(at)) : masked;
    }
    return masked;
  }

  /** The line masked; undefined when it is no line of a key. */
  #keyLine(line: string): string | undefined {
    const text = decode(line).text;
    const lines = (this.#keyLines ?? 0) + 1;
    this.#keyLines = lines;
    if (KEY_END.test(text)) {
      this.#keyLines = undefined;
      return maskedLine(line);
    }
    if (lines > KEY_LINES_MAX) {
      this.#keyLines = undefined;
      return undefined;
    }
    const plain = text.trim();
    if (plain === '') return line;
    const body = KEY_LINE.exec(text)?.[1];
    if (body !== undefined) {
      this.#column = text.lastIndexOf(body);
      return line.includes(body) ? line.replace(body, maskOf('private-key')) : maskedLine(line);
    }
    if (KEY_HEADER.test(plain)) return maskedLine(line);
    const last = KEY_LAST_LINE.exec(text)?.[1];
    if (
      last !== undefined &&
      lines > 1 &&
      text.lastIndexOf(last) === this.#column &&
      /[0-9+/=]|[a-z][A-Z]/.test(last)
    )
      return maskedLine(line);
    this.#keyLines = undefined;
    return undefined;
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

class Stream implements StreamRedactor {
  readonly #pieces: PieceRedactor;
  #held = '';

  constructor(pieces: PieceRedactor) {
    this.#pieces = pieces;
  }

  push(piece: string): string {
    // What is held has no line break: a long line in many small pieces is not searched again for each of them.
    const lineEnd = piece.lastIndexOf('\n') + 1;
    let to = lineEnd === 0 ? 0 : this.#held.length + lineEnd;
    this.#held += piece;
    if (to === 0 && this.#held.length > HELD_CHARS_MAX) to = cutOf(this.#held);
    return to === 0 ? '' : this.#passOn(to);
  }

  flush(): string {
    return this.#held === '' ? '' : this.#passOn(this.#held.length);
  }

  #passOn(to: number): string {
    const text = this.#held.slice(0, to);
    this.#held = this.#held.slice(to);
    return this.#pieces.mask(text);
  }
}

/** Between words, so that no secret is cut; anywhere where there is no blank. */
function cutOf(text: string): number {
  const last = text.length - HELD_CHARS_MIN;
  const blank = text.lastIndexOf(' ', last);
  const cut = blank > HELD_CHARS_MIN ? blank : last;
  const code = text.charCodeAt(cut);
  return code >= 0xdc00 && code <= 0xdfff ? cut - 1 : cut;
}

function lastLineOf(text: string): string {
  const lines = text.trimEnd();
  return lines.slice(lines.lastIndexOf('\n') + 1);
}

function maskedLine(line: string): string {
  return maskOf('private-key') + (/\r?\n$/.exec(line)?.[0] ?? '');
}

/** Whether a key begins in this text and does not end in it. */
function opensKey(text: string, last: Found | undefined): boolean {
  if (last === undefined || last.kind !== 'private-key') return false;
  if (text.slice(last.end).trim() !== '') return false;
  const { text: key } = decode(text.slice(last.start, last.end));
  return !/-----END [A-Z0-9 ]{0,40}PRIVATE|Private-MAC/.test(key) && /-----BEGIN |PuTTY-User/.test(key);
}

/** What may begin a secret at the end of what came: its last line, or the last word when the line is over. */
function tailOf(tail: string, piece: string): string {
  if (piece.endsWith('\n')) {
    const line = (tail.endsWith('\n') ? '' : tail) + piece;
    return /[A-Za-z0-9_.+/=:~-]+\\?\r?\n$/.exec(line.slice(-BORDER_CHARS))?.[0] ?? '';
  }
  const text = (piece.length < BORDER_CHARS && !tail.endsWith('\n') ? tail + piece : piece).slice(
    -BORDER_CHARS,
  );
  return text.slice(text.lastIndexOf('\n') + 1);
}
