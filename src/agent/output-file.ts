import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A line with its newline (the last one may lack it), or, `partial`, a piece of a line beyond the bound. */
export interface OutputPiece {
  readonly text: string;
  readonly partial: boolean;
}

/**
 * Ten times the longest line seen from an agent (a tool's output of 1.5 MB in one JSON string), and still small
 * enough that a program which never prints a newline cannot fill the memory.
 */
const LINE_CHARS_MAX = 16 * 1024 * 1024;

/** Live enough for a person who watches, and 20 reads a second cost nothing measurable. */
const POLL_MS = 50;

const CHUNK_BYTES = 64 * 1024;

export interface FollowOptions {
  /** Aborted when the writer has exited: what is in the file then is read, and following ends. */
  readonly exited: AbortSignal;
  readonly pollMs?: number;
}

/**
 * Reads a growing file to the end that it has when its writer exits. By polling, not fs.watch: that is silent on
 * network and some container mounts, merges changes, and would need the polling beside it all the same.
 */
export async function followFile(
  file: FileHandle,
  options: FollowOptions,
  onPiece: (piece: OutputPiece) => void,
): Promise<void> {
  const { exited, pollMs = POLL_MS } = options;
  const splitter = new LineSplitter();
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let position = 0;
  async function readUpTo(bytes: number): Promise<number> {
    const { bytesRead } = await file.read(buffer, 0, Math.min(bytes, CHUNK_BYTES), position);
    position += bytesRead;
    for (const piece of splitter.push(buffer.subarray(0, bytesRead))) onPiece(piece);
    return bytesRead;
  }
  while (!exited.aborted) {
    if ((await readUpTo(CHUNK_BYTES)) === 0) await pause(pollMs, exited);
  }
  // A process that the writer left behind may go on writing for ever: the size at the exit is the end.
  const { size } = await file.stat();
  while (position < size) {
    if ((await readUpTo(size - position)) === 0) break;
  }
  for (const piece of splitter.end()) onPiece(piece);
}

async function pause(ms: number, until: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal: until });
  } catch (error) {
    // The AbortError that ends the pause early.
    if (!until.aborted) throw error;
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
