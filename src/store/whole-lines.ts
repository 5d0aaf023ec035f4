import type { FileHandle } from 'node:fs/promises';

const CHUNK_BYTES = 262_144;

/** No line that the store writes is longer; what is must not take the process down. */
const LINE_BYTES_MAX = 16 * 1_048_576;

const NEWLINE = 0x0a;

export interface WholeLine {
  /** Without its newline, until the next piece is asked for; undefined for a line that is too long to be held. */
  readonly bytes: Buffer | undefined;
  /** Where in the file the next one begins. */
  readonly end: number;
}

export interface Piece {
  readonly lines: readonly WholeLine[];
  /** How much was read for it. */
  readonly bytes: number;
}

/**
 * The lines of a file from an offset on, up to its last newline: what comes after that is still being written, or torn.
 * Memory for one piece and one line.
 */
export async function* readWholeLines(file: FileHandle, from: number): AsyncGenerator<Piece> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  // Of a line that began in an earlier piece.
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for (let position = from; ; ) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return;
    const bytes = chunk.subarray(0, bytesRead);
    const lines: WholeLine[] = [];
    let start = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, start)) {
      const last = bytes.subarray(start, at);
      const length = begunBytes + last.length;
      const whole = begunBytes === 0 ? last : Buffer.concat([...begun, last]);
      lines.push({ bytes: length > LINE_BYTES_MAX ? undefined : whole, end: position + at + 1 });
      begun = [];
      begunBytes = 0;
      start = at + 1;
    }
    begunBytes += bytesRead - start;
    // Copied, because the chunk is read into again.
    if (begunBytes <= LINE_BYTES_MAX) begun.push(Buffer.from(bytes.subarray(start)));
    else begun = [];
    position += bytesRead;
    yield { lines, bytes: bytesRead };
  }
}
