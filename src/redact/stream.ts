import { Border } from './border.ts';
import { decode } from './encoded.ts';
import { type Found, maskAll, maskOf, merged } from './mask.ts';

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

/** More lines than any key has: then what comes is no key. */
const KEY_LINES_MAX = 1_000;

/** A line longer than this is passed on in parts. */
const HELD_CHARS_MAX = 256 * 1024;

/** Stays behind when a part of a long line is passed on. */
const HELD_CHARS_MIN = 8 * 1024;

const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|^Private-MAC: ?[0-9a-f]{20,}/;
const KEY_HEADER =
  /^(?:Proc-Type|DEK-Info|Comment|Version|Charset|Hash|MessageID|Encryption|Public-Lines|Private-Lines|Private-MAC|Key-Derivation|Argon2-[A-Za-z]{1,16}): ?.{0,300}$/;
/** What a log or a listing puts before a line stays; the line itself is base64. */
const KEY_LINE = /(?:^|[\s>|:"'+])([A-Za-z0-9+/]{32,}={0,2})[\s"',\\]*$/;
const KEY_LAST_LINE = /(?:^|[\s>|:"'+])([A-Za-z0-9+/]{1,31}={0,2})[\s"',\\]*$/;

export function createPieceRedactor(): PieceRedactor {
  return new Pieces();
}

/** As a `PieceRedactor`, and says whether a key is open behind what came. */
export interface KeyRedactor extends PieceRedactor {
  readonly isInKey: boolean;
}

export function createKeyRedactor(): KeyRedactor {
  return new Pieces();
}

export function createStreamRedactor(): StreamRedactor {
  return new Stream(new Pieces());
}

class Pieces implements KeyRedactor {
  /** Lines of the key that is open; undefined outside of one. */
  #keyLines: number | undefined;
  /** Where the body stands in a line of this key: behind what a log puts before each line. */
  #column = 0;
  readonly #border = new Border();

  get isInKey(): boolean {
    return this.#keyLines !== undefined;
  }

  mask(piece: string): string {
    if (piece === '') return '';
    if (this.#keyLines !== undefined) return this.#maskKey(piece);
    // What looks like the rest of a token may be the start of another secret: the piece is searched whole.
    const { own, across } = this.#border.search(piece);
    let found = across.length === 0 ? own : merged([...own, ...across]);
    const beginning = this.#border.beginning(piece, found.at(-1));
    if (beginning !== undefined) found = [...found, beginning];
    this.#border.add(piece, found.at(-1)?.end === piece.length);
    if (opensKey(piece, own.at(-1))) this.#openKey(piece);
    return found.length === 0 ? piece : maskAll(piece, found);
  }

  #openKey(piece: string): void {
    const body = KEY_LINE.exec(decode(lastLineOf(piece)).text);
    this.#keyLines = body === null ? 0 : 1;
    this.#column = body === null ? 0 : body[0].indexOf(body[1] ?? '') + body.index;
    this.#border.clear();
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
