import { fstatSync, readSync } from 'node:fs';
import { type Line, LineSplitter } from '../system/lines.ts';
import type { ReadMark } from './read-log.ts';

/** A line with its newline, which the last line may lack. `partial` marks a piece of a line over 16 MiB. */
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
  readonly #splitter = new LineSplitter({ longLines: 'split' });
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
    const rest = this.#splitter.end();
    if (rest !== undefined) this.#hand([rest]);
  }

  #read(bytesMax: number): Buffer | undefined {
    const count = readSync(this.#options.fd, this.#buffer, 0, bytesMax, this.#position);
    if (count === 0) return undefined;
    this.#position += count;
    return this.#buffer.subarray(0, count);
  }

  #hand(lines: readonly Line[]): void {
    for (const line of lines) {
      this.#options.onPiece({ ...pieceOf(line), line: this.#lines, timeMs: this.#lastMs });
      this.#lines += 1;
    }
  }
}

/** Invalid UTF-8 becomes U+FFFD; CR and a byte order mark are kept. */
export function pieceOf({ bytes, isTerminated, isPart }: Line): OutputPiece {
  return { text: (bytes?.toString('utf8') ?? '') + (isTerminated ? '\n' : ''), partial: isPart };
}
