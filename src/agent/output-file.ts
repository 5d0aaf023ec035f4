import { fstatSync, readSync } from 'node:fs';
import type { ReadMark } from './read-log.ts';

/** A line with its newline (the last one may lack it), or, `partial`, a piece of a line beyond the bound. */
export interface OutputPiece {
  readonly text: string;
  readonly partial: boolean;
}

/** A piece, and what whoever reads the file again must know of it. */
export interface ReadPiece extends OutputPiece {
  /** Among the pieces of the file, from 0. */
  readonly line: number;
  readonly timeMs: number;
}

/**
 * Ten times the longest line seen from an agent (a tool's output of 1.5 MB in one JSON string), and still small
 * enough that a program which never prints a newline cannot fill the memory.
 */
const LINE_CHARS_MAX = 16 * 1024 * 1024;

export const CHUNK_BYTES: number = 64 * 1024;

export interface OutputFileOptions {
  /** Open for reading, from its beginning. */
  readonly fd: number;
  readonly now: () => number;
  /** Before the pieces of a stretch are handed out. */
  onRead(mark: ReadMark, bytes: Uint8Array): void;
  onPiece(piece: ReadPiece): void;
}

/**
 * A growing file, read stretch by stretch. By looking, not by fs.watch: that is silent on network and some container
 * mounts, merges changes, and would need the looking beside it all the same. Reads are synchronous: what was just
 * written is in the system's memory, and a thread's round trip costs ten times the read.
 */
export class OutputFile {
  readonly #options: OutputFileOptions;
  readonly #splitter = new LineSplitter();
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #position = 0;
  #lines = 0;
  #lastMs = 0;

  constructor(options: OutputFileOptions) {
    this.#options = options;
  }

  get position(): number {
    return this.#position;
  }

  /** Reads the next stretch, of at most so many bytes, and says how many there were: 0 at the end. */
  next(bytesMax: number = CHUNK_BYTES): number {
    const bytes = this.#read(Math.min(bytesMax, CHUNK_BYTES));
    if (bytes === undefined) return 0;
    // A clock that steps back must not put a later line before an earlier one.
    this.#lastMs = Math.max(this.#lastMs, this.#options.now());
    this.#options.onRead({ endBytes: this.#position, timeMs: this.#lastMs }, bytes);
    this.#hand(this.#splitter.push(bytes));
    return bytes.length;
  }

  /** Reads what was read before, up to a mark; false when the file is shorter than it was. */
  again({ endBytes, timeMs }: ReadMark): boolean {
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    while (this.#position < endBytes) {
      const bytes = this.#read(Math.min(CHUNK_BYTES, endBytes - this.#position));
      if (bytes === undefined) return false;
      this.#hand(this.#splitter.push(bytes));
    }
    return true;
  }

  /** The size that it has now: where it ends, when its writer has. */
  size(): number {
    return fstatSync(this.#options.fd).size;
  }

  /** Hands out the last line, when it has no newline. */
  end(): void {
    this.#lastMs = Math.max(this.#lastMs, this.#options.now());
    this.#hand(this.#splitter.end());
  }

  #read(bytesMax: number): Buffer | undefined {
    const count = readSync(this.#options.fd, this.#buffer, 0, bytesMax, this.#position);
    if (count === 0) return undefined;
    this.#position += count;
    return this.#buffer.subarray(0, count);
  }

  #hand(pieces: readonly OutputPiece[]): void {
    for (const piece of pieces) {
      const line = this.#lines;
      this.#lines += 1;
      this.#options.onPiece({ ...piece, line, timeMs: this.#lastMs });
    }
  }
}

/** Bytes in, lines out. Invalid UTF-8 becomes U+FFFD; nothing else of the text is changed, CR and BOM included. */
export class LineSplitter {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #lineCharsMax: number;
  #held: string[] = [];
  #heldChars = 0;
  #cut = false;

  /** `lineCharsMax` is at least 2, so that a surrogate pair fits. */
  constructor(lineCharsMax: number = LINE_CHARS_MAX) {
    this.#lineCharsMax = lineCharsMax;
  }

  push(bytes: Uint8Array): readonly OutputPiece[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The last line, when it has no newline. */
  end(): readonly OutputPiece[] {
    const pieces = this.#split(this.#decoder.decode());
    if (this.#heldChars > 0) pieces.push(this.#take());
    return pieces;
  }

  #split(text: string): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    let start = 0;
    for (;;) {
      const newline = text.indexOf('\n', start);
      if (newline < 0) break;
      this.#hold(text.slice(start, newline + 1), pieces);
      pieces.push(this.#take());
      this.#cut = false;
      start = newline + 1;
    }
    if (start < text.length) this.#hold(text.slice(start), pieces);
    return pieces;
  }

  #hold(text: string, pieces: OutputPiece[]): void {
    let rest = text;
    while (this.#heldChars + rest.length > this.#lineCharsMax) {
      const end = wholeCharacters(rest, this.#lineCharsMax - this.#heldChars);
      this.#keep(rest.slice(0, end));
      this.#cut = true;
      pieces.push(this.#take());
      rest = rest.slice(end);
    }
    this.#keep(rest);
  }

  #keep(text: string): void {
    this.#held.push(text);
    this.#heldChars += text.length;
  }

  #take(): OutputPiece {
    const piece = { text: this.#held.join(''), partial: this.#cut };
    this.#held = [];
    this.#heldChars = 0;
    return piece;
  }
}

/** At most `length`, one less where that would cut a surrogate pair in two. */
function wholeCharacters(text: string, length: number): number {
  const last = text.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length;
}
