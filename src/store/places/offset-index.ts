import type { Line } from '../../system/lines.ts';
import { addHash, type LineSum, lineHash, NO_LINES } from './line-hash.ts';

/** A place is kept after this many lines or bytes: the bytes that are read before a wanted line fit into few reads. */
const STEP_LINES = 256;
const STEP_BYTES = 65_536;

/** Sums of lines are kept at these distances. */
const SUM_LINES = 4_096;

/** Start of a line. */
export interface LineStart {
  /** Lines before it, all kinds counted. */
  readonly line: number;
  readonly offset: number;
}

/** Numbers and byte offsets of the lines of one file, from its beginning: hashes of all of them, and the start of some. */
export class OffsetIndex {
  #hashes: Uint32Array;
  #lines = 0;
  #size = 0;
  /** Line and offset of each known start, one after the other. */
  #starts: Float64Array;
  #startCount = 1;
  /** What the first 0, `SUM_LINES`, ... lines add up to. */
  readonly #sums: LineSum[] = [NO_LINES];

  constructor(parts?: IndexParts) {
    this.#hashes = parts?.hashes ?? new Uint32Array(256);
    this.#lines = parts?.hashes.length ?? 0;
    this.#size = parts?.size ?? 0;
    this.#starts = parts?.starts ?? new Float64Array(2);
    this.#startCount = this.#starts.length / 2;
  }

  get lines(): number {
    return this.#lines;
  }

  /** Bytes of the file that the index covers: whole lines. */
  get size(): number {
    return this.#size;
  }

  /** Memory in bytes. */
  get bytes(): number {
    return this.#hashes.byteLength + this.#starts.byteLength;
  }

  get parts(): IndexParts {
    return {
      hashes: this.#hashes.subarray(0, this.#lines),
      starts: this.#starts.subarray(0, 2 * this.#startCount),
      size: this.#size,
    };
  }

  /** Adds the line that starts where the last one ended. */
  add({ bytes, end }: Line): void {
    this.addHash(lineHash(bytes), end);
  }

  /** `add` for a line whose hash is known. */
  addHash(hash: number, end: number): void {
    const last = 2 * this.#startCount - 2;
    const isFar =
      this.#lines - (this.#starts[last] ?? 0) >= STEP_LINES ||
      this.#size - (this.#starts[last + 1] ?? 0) >= STEP_BYTES;
    if (this.#startCount === 0 || isFar) this.#addStart();
    if (this.#lines === this.#hashes.length) {
      const larger = new Uint32Array(roomAfter(this.#lines));
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#lines] = hash;
    this.#lines += 1;
    this.#size = end;
  }

  #addStart(): void {
    const at = 2 * this.#startCount;
    if (at === this.#starts.length) {
      const larger = new Float64Array(2 * roomAfter(this.#startCount));
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[at] = this.#lines;
    this.#starts[at + 1] = this.#size;
    this.#startCount += 1;
  }

  hashAt(line: number): number {
    return this.#hashes[line] ?? 0;
  }

  /** The last known start of a line at or before this one. */
  startBefore(line: number): LineStart {
    let low = 0;
    let high = this.#startCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[2 * middle] ?? 0) <= line) low = middle;
      else high = middle - 1;
    }
    return { line: this.#starts[2 * low] ?? 0, offset: this.#starts[2 * low + 1] ?? 0 };
  }

  /** Number of the last line with this hash before `below`; -1 without one. */
  lastWith(hash: number, below: number = this.#lines): number {
    return below <= 0 ? -1 : this.#hashes.lastIndexOf(hash, Math.min(below, this.#lines) - 1);
  }

  /** Numbers of the lines from `from` on that have one of these hashes. */
  *allWith(hashes: ReadonlySet<number>, from: number): Generator<number> {
    if (hashes.size === 0) return;
    // Most lines are ruled out by one bit.
    const bits = new Uint8Array(8_192);
    for (const hash of hashes)
      bits[(hash & 0xffff) >>> 3] = (bits[(hash & 0xffff) >>> 3] ?? 0) | (1 << (hash & 7));
    for (let line = from; line < this.#lines; line += 1) {
      const hash = this.#hashes[line] ?? 0;
      if (((bits[(hash & 0xffff) >>> 3] ?? 0) & (1 << (hash & 7))) !== 0 && hashes.has(hash)) yield line;
    }
  }

  /** What the first lines add up to. */
  sum(to: number): LineSum {
    const step = Math.min(Math.floor(to / SUM_LINES), Math.floor(this.#lines / SUM_LINES));
    while (this.#sums.length <= step) {
      const from = this.#sums.length - 1;
      this.#sums.push(this.#sumOf(this.#sums[from] ?? NO_LINES, from * SUM_LINES, (from + 1) * SUM_LINES));
    }
    return this.#sumOf(this.#sums[step] ?? NO_LINES, step * SUM_LINES, Math.min(to, this.#lines));
  }

  #sumOf(start: LineSum, from: number, to: number): LineSum {
    let sum = start;
    for (let line = from; line < to; line += 1) sum = addHash(sum, this.#hashes[line] ?? 0);
    return sum;
  }
}

/** Half as much again: twice as much would hold as much memory again for a file that grows by a few lines. */
function roomAfter(count: number): number {
  return count + (count >>> 1) + 256;
}

/** The content of an index. */
export interface IndexParts {
  readonly hashes: Uint32Array;
  /** Line and offset of each start, one after the other. */
  readonly starts: Float64Array;
  readonly size: number;
}
