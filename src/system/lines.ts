import type { FileHandle } from 'node:fs/promises';

/**
 * The longest line that is held in memory. The content of a record is at most 1 MiB, six bytes a character when escaped;
 * the rest is room for its other fields.
 */
export const LINE_BYTES_MAX: number = 16 * 1_048_576;

export const NEWLINE = 0x0a;

/** Large enough that a read costs less than the lines in it, small enough to keep many readers cheap. */
const CHUNK_BYTES = 262_144;

/** A line of a file or stream. Offsets are bytes from the beginning of the input. */
export interface Line {
  /** Content without its newline, valid until the next piece is read; undefined when it is longer than the limit. */
  readonly bytes: Buffer | undefined;
  readonly start: number;
  /** Behind the newline, where the next line starts. */
  readonly end: number;
  /** False for the rest of the input behind its last newline: a line that is being written, or torn. */
  readonly isTerminated: boolean;
  /** Whether this is a part of a line that was longer than the limit, when long lines are split. */
  readonly isPart: boolean;
}

export interface LineLimits {
  /** Offset of the first byte. Default 0. */
  readonly from?: number;
  /** Default 16 MiB. At least 4, so that every UTF-8 character fits. */
  readonly bytesMax?: number;
  /** What becomes of a line over `bytesMax`: it loses its content (default), or it comes in several parts. */
  readonly longLines?: 'drop' | 'split';
}

/** Splits pieces of bytes into lines. Holds at most one line, whatever the input is. */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #splits: boolean;
  /** Copies of the pieces of a line whose newline has not come yet; none for a line over the limit. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #start: number;
  #isPart = false;

  constructor({ from = 0, bytesMax = LINE_BYTES_MAX, longLines = 'drop' }: LineLimits = {}) {
    this.#start = from;
    this.#bytesMax = bytesMax;
    this.#splits = longLines === 'split';
  }

  /** The lines that end in this piece. Their bytes may be views of it. */
  push(piece: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      lines.push(this.#take(this.#cut(piece.subarray(from, at), lines), true));
      this.#isPart = false;
      from = at + 1;
    }
    if (from < piece.length) this.#hold(this.#cut(piece.subarray(from), lines));
    return lines;
  }

  /** The rest behind the last newline, or undefined when there is none. */
  end(): Line | undefined {
    return this.#heldBytes === 0 ? undefined : this.#take(Buffer.alloc(0), false);
  }

  /** Takes full parts from a line that gets too long. Returns the rest, which fits. */
  #cut(piece: Buffer, lines: Line[]): Buffer {
    let rest = piece;
    while (this.#splits && this.#heldBytes + rest.length > this.#bytesMax) {
      const whole = Buffer.concat([...this.#held, rest.subarray(0, this.#bytesMax - this.#heldBytes)]);
      const length = wholeCharacters(whole);
      const taken = length - this.#heldBytes;
      this.#isPart = true;
      this.#held = [];
      this.#heldBytes = 0;
      // A character that was cut began in an earlier piece: its first bytes are held again.
      if (taken < 0) this.#hold(whole.subarray(length, length - taken));
      lines.push(this.#emit(whole.subarray(0, length), length, false));
      rest = rest.subarray(Math.max(0, taken));
    }
    return rest;
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    // Copied, because the reader reuses the memory of the piece.
    if (this.#heldBytes <= this.#bytesMax) this.#held.push(Buffer.from(piece));
    else this.#held = [];
  }

  #take(last: Buffer, isTerminated: boolean): Line {
    const length = this.#heldBytes + last.length;
    const isHeld = this.#heldBytes > 0;
    const bytes = length > this.#bytesMax ? undefined : isHeld ? Buffer.concat([...this.#held, last]) : last;
    this.#held = [];
    this.#heldBytes = 0;
    return this.#emit(bytes, length, isTerminated);
  }

  #emit(bytes: Buffer | undefined, length: number, isTerminated: boolean): Line {
    const start = this.#start;
    const end = start + length + (isTerminated ? 1 : 0);
    this.#start = end;
    return { bytes, start, end, isTerminated, isPart: this.#isPart };
  }
}

/** How many of these bytes are whole UTF-8 characters; all of them where the end is not valid UTF-8. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back < bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    // 10xxxxxx continues a character, 11xxxxxx starts one of as many bytes as it has leading ones.
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) return byte >= 0x100 - (0x80 >> back) ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/**
 * The lines of a file from `from` to `to` (default: the size while it is read), in batches of what one read gives. The
 * rest behind the last newline comes last, as a line that is not terminated. Ends early when the file gets shorter.
 */
export function readLines(file: FileHandle, options: ReadOptions = {}): AsyncGenerator<Line[]> {
  const { from = 0, to = Number.POSITIVE_INFINITY } = options;
  return splitLines(readPieces(file, from, to), options);
}

export interface ReadOptions extends LineLimits {
  /** Offset behind the last byte. Default: the end of the file. */
  readonly to?: number;
}

/** As `readLines`, for content that comes in pieces. A piece is done with when the next one is asked for. */
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
