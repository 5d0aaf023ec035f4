import type { FileHandle } from 'node:fs/promises';

/**
 * Longest line held in memory, in bytes. The content of a record is at most 1 MiB, or six bytes a character when
 * escaped; the rest is room for its other fields.
 */
export const LINE_BYTES_MAX: number = 16 * 1_048_576;

export const NEWLINE = 0x0a;

/** Large enough that a read costs less than the lines in it, small enough to keep many readers cheap. */
const CHUNK_BYTES = 262_144;

/** A line of a file or stream. Offsets are bytes from the beginning of the input. */
export interface Line {
  /**
   * Content without its newline; undefined when the line is longer than the limit. May point into a shared buffer:
   * valid until the next piece is read.
   */
  readonly bytes: Buffer | undefined;
  readonly start: number;
  /** Offset of the next line. */
  readonly end: number;
  /** False for data after the last newline: a line that is being written, or a torn one. */
  readonly isTerminated: boolean;
  /** Whether this is one part of a line over the limit. Only with `longLines: 'split'`. */
  readonly isPart: boolean;
}

export interface LineLimits {
  /** Offset of the first byte. Default 0. */
  readonly from?: number;
  /** Default 16 MiB. At least 4, so that every UTF-8 character fits. */
  readonly bytesMax?: number;
  /** What happens to a line over `bytesMax`: it is returned without content (default) or in several parts. */
  readonly longLines?: 'drop' | 'split';
}

/** Splits a byte stream into lines. Buffers at most one line. */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #splits: boolean;
  /** Copies of the pieces of the unfinished line; empty for a line over the limit. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #start: number;
  #isPart = false;

  constructor({ from = 0, bytesMax = LINE_BYTES_MAX, longLines = 'drop' }: LineLimits = {}) {
    this.#start = from;
    this.#bytesMax = bytesMax;
    this.#splits = longLines === 'split';
  }

  /** Returns the lines that end in this piece. Their bytes may be views of it. */
  push(piece: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      lines.push(this.#finishLine(this.#cut(piece.subarray(from, at), lines), true));
      this.#isPart = false;
      from = at + 1;
    }
    if (from < piece.length) this.#buffer(this.#cut(piece.subarray(from), lines));
    return lines;
  }

  /** Returns the data after the last newline, or undefined when there is none. */
  end(): Line | undefined {
    return this.#pieceBytes === 0 ? undefined : this.#finishLine(Buffer.alloc(0), false);
  }

  /** Emits full parts of a line over the limit. Returns the remainder, which fits. */
  #cut(piece: Buffer, lines: Line[]): Buffer {
    let rest = piece;
    while (this.#splits && this.#pieceBytes + rest.length > this.#bytesMax) {
      const whole = Buffer.concat([...this.#pieces, rest.subarray(0, this.#bytesMax - this.#pieceBytes)]);
      const length = wholeCharacters(whole);
      const taken = length - this.#pieceBytes;
      this.#isPart = true;
      this.#pieces = [];
      this.#pieceBytes = 0;
      // The cut character began in an earlier piece: its first bytes start the next part.
      if (taken < 0) this.#buffer(whole.subarray(length, length - taken));
      lines.push(this.#emit(whole.subarray(0, length), length, false));
      rest = rest.subarray(Math.max(0, taken));
    }
    return rest;
  }

  #buffer(piece: Buffer): void {
    this.#pieceBytes += piece.length;
    // Copied: the reader reuses the buffer of the piece.
    if (this.#pieceBytes <= this.#bytesMax) this.#pieces.push(Buffer.from(piece));
    else this.#pieces = [];
  }

  #finishLine(last: Buffer, isTerminated: boolean): Line {
    const length = this.#pieceBytes + last.length;
    const isBuffered = this.#pieceBytes > 0;
    const bytes =
      length > this.#bytesMax ? undefined : isBuffered ? Buffer.concat([...this.#pieces, last]) : last;
    this.#pieces = [];
    this.#pieceBytes = 0;
    return this.#emit(bytes, length, isTerminated);
  }

  #emit(bytes: Buffer | undefined, length: number, isTerminated: boolean): Line {
    const start = this.#start;
    const end = start + length + (isTerminated ? 1 : 0);
    this.#start = end;
    return { bytes, start, end, isTerminated, isPart: this.#isPart };
  }
}

/** Length of the prefix that ends on a UTF-8 character boundary; the full length when the end is not valid UTF-8. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back < bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    // 10xxxxxx continues a character; 11xxxxxx starts one, and its leading ones give the number of bytes.
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) return byte >= 0x100 - (0x80 >> back) ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/**
 * Lines of a file from offset `from` to `to` (default: the end of the file), one batch for each read. Data after the
 * last newline comes last, as an unterminated line. Stops early when the file is truncated.
 */
export function readLines(file: FileHandle, options: ReadOptions = {}): AsyncGenerator<Line[]> {
  const { from = 0, to = Number.POSITIVE_INFINITY } = options;
  return splitLines(readPieces(file, from, to), options);
}

export interface ReadOptions extends LineLimits {
  /** End offset, exclusive. Default: the end of the file. */
  readonly to?: number;
}

/** `readLines` for a stream of pieces. A piece may be reused once the next one is requested. */
export async function* splitLines(
  pieces: AsyncIterable<Buffer>,
  limits: LineLimits = {},
): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(limits);
  for await (const piece of pieces) {
    const lines = splitter.push(piece);
    if (lines.length > 0) yield lines;
  }
  const rest = splitter.end();
  if (rest !== undefined) yield [rest];
}

async function* readPieces(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(0, to - from)));
  for (let position = from; position < to; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, to - position), position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}
