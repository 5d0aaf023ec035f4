import { fstatSync, readSync } from 'node:fs';
import type { ReadMark } from './read-log.ts';

/** A line with its newline, which the last line may lack. `partial` marks a piece of a line over the length limit. */
export interface OutputPiece {
  readonly text: string;
  readonly partial: boolean;
}

/** A piece with the position that identifies its records. */
export interface ReadPiece extends OutputPiece {
  /** Index of the piece in the file, from 0. */
  readonly line: number;
  readonly timeMs: number;
}

/**
 * Ten times the longest line seen from an agent (a tool's output of 1.5 MB in one JSON string). Bounds the memory for a
 * program that never prints a newline.
 */
const LINE_CHARS_MAX = 16 * 1024 * 1024;

export const CHUNK_BYTES: number = 64 * 1024;

export interface OutputFileOptions {
  /** Open for reading. */
  readonly fd: number;
  readonly now: () => number;
  /** Called for each read before its pieces are passed to `onPiece`. */
  onRead(mark: ReadMark, bytes: Uint8Array): void;
  onPiece(piece: ReadPiece): void;
}

/**
 * Reads a growing file in chunks. Polled, because fs.watch reports nothing on network mounts and some container mounts.
 * Reads are synchronous: fresh data is in the page cache, and a round trip through the thread pool costs more than the read.
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

  /** Reads the next chunk and returns its length; 0 at the end of the file. */
  next(bytesMax: number = CHUNK_BYTES): number {
    const bytes = this.#read(Math.min(bytesMax, CHUNK_BYTES));
    if (bytes === undefined) return 0;
    // Times never decrease, also when the clock is set back: lines are ordered by time.
    this.#lastMs = Math.max(this.#lastMs, this.#options.now());
    this.#options.onRead({ endBytes: this.#position, timeMs: this.#lastMs }, bytes);
    this.#hand(this.#splitter.push(bytes));
    return bytes.length;
  }

  /** Repeats an earlier read. False when the file has become shorter. */
  again({ endBytes, timeMs }: ReadMark): boolean {
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    while (this.#position < endBytes) {
      const bytes = this.#read(Math.min(CHUNK_BYTES, endBytes - this.#position));
      if (bytes === undefined) return false;
      this.#hand(this.#splitter.push(bytes));
    }
    return true;
  }

  /** Current size in bytes. */
  size(): number {
    return fstatSync(this.#options.fd).size;
  }

  /** Passes on a last line without a newline. */
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

/** Splits bytes into lines. Invalid UTF-8 becomes U+FFFD; CR and a byte order mark are kept. */
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

  /** Returns a last line without a newline. */
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

/** `length`, or one less when a cut there would split a surrogate pair. */
function wholeCharacters(text: string, length: number): number {
  const last = text.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length;
}
