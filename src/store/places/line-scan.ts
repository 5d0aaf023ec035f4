import { LINE_BYTES_MAX, NEWLINE } from '../../system/lines.ts';
import { EVENT_ID, idTextHash, lineHash } from './line-hash.ts';
import type { OffsetIndex } from './offset-index.ts';

/** A text of this size stays in the young part of the heap. */
const BLOCK_BYTES = 65_536;

/**
 * Adds whole lines to an index, as `OffsetIndex.add` for each of them, several times as fast: one text is searched for many lines,
 * and no object is made for a line.
 */
export class LineScan {
  readonly #index: OffsetIndex;
  /** The unfinished line; empty for one over the limit. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  constructor(index: OffsetIndex) {
    this.#index = index;
  }

  /** Takes the bytes that follow those of the index and of earlier pieces. Keeps no view of them. */
  push(piece: Buffer): void {
    let from = this.#pieceBytes > 0 ? this.#finishLine(piece) : 0;
    const end = piece.lastIndexOf(NEWLINE) + 1;
    while (from < end) {
      const limit = Math.min(from + BLOCK_BYTES, end);
      // A longer line is a block of its own.
      const last = piece.lastIndexOf(NEWLINE, limit - 1);
      const to = (last >= from ? last : piece.indexOf(NEWLINE, limit)) + 1;
      this.#addBlock(piece, from, to);
      from = to;
    }
    if (from < piece.length) this.#buffer(piece.subarray(from));
  }

  /** Returns where the next line begins. */
  #finishLine(piece: Buffer): number {
    const end = piece.indexOf(NEWLINE);
    if (end < 0) {
      this.#buffer(piece);
      return piece.length;
    }
    const bytes = this.#pieceBytes + end;
    const line =
      bytes > LINE_BYTES_MAX ? undefined : Buffer.concat([...this.#pieces, piece.subarray(0, end)], bytes);
    this.#index.addHash(lineHash(line), this.#index.size + bytes + 1);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return end + 1;
  }

  #buffer(piece: Buffer): void {
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes <= LINE_BYTES_MAX) this.#pieces.push(Buffer.from(piece));
    else this.#pieces = [];
  }

  /** Whole lines of the piece. */
  #addBlock(piece: Buffer, from: number, to: number): void {
    const text = piece.toString('latin1', from, to);
    const start = this.#index.size;
    let name = -1;
    for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
      if (name < at) name = nextName(text, at);
      const behind = name + EVENT_ID.length;
      let hash: number | undefined;
      if (name < end) {
        name = nextName(text, behind);
        // Twice in the line: only parsing tells which one counts.
        const quote = name < end ? -1 : text.indexOf('"', behind);
        if (quote < end) hash = idTextHash(text, behind, quote);
      }
      hash ??= lineHash(piece.subarray(from + at, from + end));
      this.#index.addHash(hash, start + end + 1);
    }
  }
}

function nextName(text: string, from: number): number {
  const at = text.indexOf(EVENT_ID, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}
