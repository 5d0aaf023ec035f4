/** What is done where a hint stands. `at` is where it begins. */
export interface Hint<Action> {
  readonly text: string;
  readonly ignoreCase: boolean;
  readonly action: Action;
}

const SHORTEST = 3;
const CODE_BITS = 7;
const CODES = 1 << (CODE_BITS * SHORTEST);
const CODES_MASK = CODES - 1;

/** Beyond this a character is not ASCII: no hint holds one. */
const ASCII_MAX = 126;

/** A text is copied in pieces of this size: the units of an array are read several times faster than those of a string. */
const CHUNK_CHARS = 16 * 1024;

/** Shorter texts are read as they are: the copy would cost more. */
const SHORT_CHARS = 96;

const IS_BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

interface Chars {
  readonly units: Uint16Array;
  /** The same memory, for writing. */
  readonly buffer: Buffer;
}

interface Chunk {
  readonly chars: Uint16Array;
  readonly from: number;
  readonly to: number;
  /** The last characters before the chunk. */
  readonly code: number;
}

/** A scan may begin while another stands at a hint: each has an array of its own. */
const arrays: Chars[] = [];
let scansOpen = 0;

function charsOf(level: number): Chars {
  const known = arrays[level];
  if (known !== undefined) return known;
  const units = new Uint16Array(CHUNK_CHARS);
  const fresh = { units, buffer: Buffer.from(units.buffer) };
  arrays[level] = fresh;
  return fresh;
}

/**
 * Finds the places of many hints in one pass: a bit for each three characters says whether a hint begins with them. So the
 * time for ordinary text does not depend on the number of rules.
 */
export class HintTable<Action> {
  readonly #bits = new Int32Array(CODES / 32);
  readonly #hints = new Map<number, Hint<Action>[]>();
  /** The last characters of the chunk before, of the scan that is going on. */
  #code = 0;

  /** A set in brackets in the text, `SK[0-9a-f]`, stands for each of its characters. */
  add(text: string, action: Action, ignoreCase = false): void {
    for (const one of spelledOut(text)) {
      const hint = { text: ignoreCase ? one.toLowerCase() : one, ignoreCase, action };
      for (const code of codesOf(one, ignoreCase)) {
        this.#bits[code >> 5] = (this.#bits[code >> 5] ?? 0) | (1 << (code & 31));
        const list = this.#hints.get(code);
        if (list === undefined) this.#hints.set(code, [hint]);
        // The longest first: `sk-proj-` before `sk-`.
        else list.splice(list.findIndex(({ text: other }) => other.length < hint.text.length) >>> 0, 0, hint);
      }
    }
  }

  /**
   * Calls `onHint` where a hint stands, and `onOther` for line breaks, control characters and characters beyond ASCII. Each
   * returns where to go on; `at` or less means that nothing was found there.
   */
  scan(text: string, on: ScanHandlers<Action>): void {
    if (text.length <= SHORT_CHARS) this.#scanShort(text, on);
    else this.#scanChunks(text, on);
  }

  #scanShort(text: string, on: ScanHandlers<Action>): void {
    const bits = this.#bits;
    const { length } = text;
    let code = 0;
    for (let at = 0; at < length; at += 1) {
      const char = text.charCodeAt(at);
      if (char > ASCII_MAX || char < 32) {
        code = 0;
        if (char === 9) continue;
        const next = on.onOther(char, at);
        if (next > at) at = next - 1;
        continue;
      }
      code = ((code << CODE_BITS) | char) & CODES_MASK;
      if (((bits[code >> 5] as number) & (1 << (code & 31))) === 0) continue;
      const next = this.#ask(text, { code, start: at - 2 }, on);
      if (next <= at) continue;
      at = next - 1;
      code = 0;
    }
  }

  #scanChunks(text: string, on: ScanHandlers<Action>): void {
    const level = scansOpen;
    scansOpen += 1;
    try {
      const { units, buffer } = charsOf(level);
      this.#code = 0;
      for (let from = 0; from < text.length; ) {
        const to = Math.min(text.length, from + CHUNK_CHARS);
        buffer.write(text.length <= CHUNK_CHARS ? text : text.slice(from, to), 0, (to - from) * 2, 'utf16le');
        if (IS_BIG_ENDIAN) buffer.subarray(0, (to - from) * 2).swap16();
        from = this.#scanChunk(text, { chars: units, from, to, code: this.#code }, on);
      }
    } finally {
      scansOpen -= 1;
    }
  }

  /** Returns where to go on: behind the chunk when a secret reaches over its end. */
  #scanChunk(text: string, chunk: Chunk, on: ScanHandlers<Action>): number {
    const bits = this.#bits;
    const { chars, from, to } = chunk;
    let { code } = chunk;
    let at = from;
    for (; at < to; at += 1) {
      const char = chars[at - from] as number;
      if (char > ASCII_MAX || char < 32) {
        code = 0;
        if (char === 9) continue;
        const next = on.onOther(char, at);
        if (next > at) at = next - 1;
        continue;
      }
      code = ((code << CODE_BITS) | char) & CODES_MASK;
      if (((bits[code >> 5] as number) & (1 << (code & 31))) === 0) continue;
      const next = this.#ask(text, { code, start: at - 2 }, on);
      if (next <= at) continue;
      at = next - 1;
      code = 0;
    }
    this.#code = code;
    return at;
  }

  #ask(text: string, { code, start }: { code: number; start: number }, on: ScanHandlers<Action>): number {
    for (const hint of this.#hints.get(code) ?? []) {
      if (!standsAt(text, start, hint)) continue;
      const next = on.onHint(hint.action, start, start + hint.text.length);
      if (next > start) return next;
    }
    return start;
  }
}

export interface ScanHandlers<Action> {
  onHint(action: Action, start: number, end: number): number;
  onOther(char: number, at: number): number;
}

function standsAt(text: string, at: number, { text: hint, ignoreCase }: Hint<unknown>): boolean {
  if (!ignoreCase) return text.startsWith(hint, at);
  if (at + hint.length > text.length) return false;
  for (let index = SHORTEST; index < hint.length; index += 1) {
    const char = text.charCodeAt(at + index);
    const wanted = hint.charCodeAt(index);
    if (char !== wanted && (char | 32) !== wanted) return false;
  }
  return true;
}

function codesOf(text: string, ignoreCase: boolean): number[] {
  let codes = [0];
  for (const char of text.slice(0, SHORTEST)) {
    const forms = ignoreCase ? new Set([char.toLowerCase(), char.toUpperCase()]) : [char];
    codes = codes.flatMap((code) => [...forms].map((form) => (code << CODE_BITS) | form.charCodeAt(0)));
  }
  return codes;
}

const SET = /\[([^\]]+)\]/;

/** One text for each character of each set in brackets. */
export function spelledOut(text: string): readonly string[] {
  const set = SET.exec(text);
  if (set === null) return [text];
  const chars = (set[1] ?? '').replace(/(.)-(.)/g, (_all, first: string, last: string) =>
    rangeOf(first, last),
  );
  return [...chars].flatMap((char) => spelledOut(text.replace(SET, char)));
}

function rangeOf(first: string, last: string): string {
  const from = first.charCodeAt(0);
  return String.fromCharCode(
    ...Array.from({ length: last.charCodeAt(0) - from + 1 }, (_, index) => from + index),
  );
}
