import type { FileHandle } from 'node:fs/promises';
import { isJsonObject } from '../model/json.ts';

/** Large enough that a read costs less than the lines in it, small enough to keep many readers cheap. */
const CHUNK_BYTES = 262_144;

/** A line's content is at most 1 MiB, six bytes for each when escaped; twice that and more leaves room for its fields. */
const LINE_BYTES_MAX = 16 * 1_048_576;

const NEWLINE = 0x0a;

/** A line as it stands, without its newline; `undefined` for one that is too long to be held. */
export type RawLine = string | undefined;

/**
 * The first `size` bytes of a file as lines, a batch for each piece that is read, with memory for one piece and one
 * line. A last line without a newline comes too. Ends early when the file has become shorter.
 */
export function readLines(file: FileHandle, size: number): AsyncGenerator<RawLine[]> {
  return linesIn(readPieces(file, size));
}

/** As `readLines`, for content that comes in pieces; a piece is done with when the next one is asked for. */
export async function* linesIn(pieces: AsyncIterable<Buffer>): AsyncGenerator<RawLine[]> {
  const open = new OpenLine();
  for await (const piece of pieces) {
    const batch = splitLines(piece, open);
    if (batch.length > 0) yield batch;
  }
  if (open.started) yield [open.take()];
}

async function* readPieces(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size));
  for (let position = 0; position < size; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, size - position), position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

/** Whether a line is one that readers are given: an object. A torn or damaged one is not. */
export function isGoodLine(line: RawLine): line is string {
  if (line === undefined) return false;
  try {
    return isJsonObject(JSON.parse(line));
  } catch {
    // A SyntaxError: torn or damaged.
    return false;
  }
}

/** A line with nothing in it holds no record, so none is missing when it is left out. */
export function isBlankLine(line: RawLine): boolean {
  return line !== undefined && line.trim() === '';
}

function splitLines(chunk: Buffer, open: OpenLine): RawLine[] {
  const lines: RawLine[] = [];
  let start = 0;
  for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
    if (open.started) {
      open.add(chunk.subarray(start, end));
      lines.push(open.take());
    } else {
      lines.push(chunk.toString('utf8', start, end));
    }
    start = end + 1;
  }
  if (start < chunk.length) open.add(chunk.subarray(start));
  return lines;
}

/** The line whose newline has not been read yet. */
class OpenLine {
  #pieces: Buffer[] = [];
  #bytes = 0;

  get started(): boolean {
    return this.#bytes > 0;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    // Copied, because the chunk is read into again.
    if (this.#bytes <= LINE_BYTES_MAX) this.#pieces.push(Buffer.from(piece));
    else this.#pieces = [];
  }

  take(): RawLine {
    const line = this.#bytes > LINE_BYTES_MAX ? undefined : Buffer.concat(this.#pieces).toString('utf8');
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}
