import type { FileHandle } from 'node:fs/promises';

/** Large enough that scanning is bound by parsing, small enough not to be felt. */
const READ_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

/** A line that is not blank, and where it stands: `end` is behind its newline. */
export interface ScannedLine {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Hands over each line of a file, in order, and resolves with where the last newline ends: what comes after it is torn.
 * Memory for one piece and one line.
 */
export async function scanLines(file: FileHandle, onLine: (line: ScannedLine) => void): Promise<number> {
  const chunk = Buffer.allocUnsafe(READ_BYTES);
  let position = 0;
  let lineStart = 0;
  // Pieces of a line that began in an earlier chunk.
  let open: Buffer[] = [];
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, READ_BYTES, position);
    if (bytesRead === 0) return lineStart;
    const bytes = chunk.subarray(0, bytesRead);
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      const last = bytes.subarray(from, at);
      const text = (open.length === 0 ? last : Buffer.concat([...open, last])).toString('utf8');
      const end = position + at + 1;
      if (text !== '') onLine({ text, start: lineStart, end });
      open = [];
      lineStart = end;
      from = at + 1;
    }
    // Copied, because the chunk is read into again.
    if (from < bytesRead) open.push(Buffer.from(bytes.subarray(from)));
    position += bytesRead;
  }
}
