/** What is done where a hint stands. `at` is where it begins. */
interface Hint<Action> {
  readonly text: string;
  /** What follows the text: one character of a set. */
  readonly next: Uint8Array | undefined;
  /** Where the three characters stand in it by which it is found. */
  readonly offset: number;
  readonly ignoreCase: boolean;
  readonly action: Action;
}

const SHORTEST = 3;
const CODE_BITS = 7;
const CODES = 1 << (CODE_BITS * SHORTEST);
const LAST_TWO = (1 << (CODE_BITS * 2)) - 1;

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
 * Finds the places of many hints in one pass, which looks at every other place: a bit for each three characters says whether
 * a hint begins there or one place before. So the time for ordinary text does not depend on the number of rules.
 */
export class HintTable<Action> {
  readonly #near = new Int32Array(CODES / 32);
  readonly #bits = new Int32Array(CODES / 32);
  readonly #hints = new Map<number, Hint<Action>[]>();

  constructor() {
    for (let char = 0; char < 128; char += 1) if (isOther(char)) this.#addSign(char);
  }

  /** Is looked at wherever it stands. */
  #addSign(char: number): void {
    this.#near.fill(-1, (char << (2 * CODE_BITS)) >> 5, ((char + 1) << (2 * CODE_BITS)) >> 5);
    for (let first = 0; first < 128; first += 1) this.#addAny((first << CODE_BITS) | char);
  }

  /** A set in brackets in the text, `SK[0-9a-f]`, stands for each of its characters. */
  add(text: string, action: Action, ignoreCase = false): void {
    const { fixed, next } = withoutLastSet(text);
    for (const one of spelledOut(fixed)) {
      this.#addHint({ text: ignoreCase ? one.toLowerCase() : one, next, offset: 0, ignoreCase, action });
    }
  }

  /** Adds a text that is found by its rarest three characters: those with the fewest lower-case letters. */
  addRare(text: string, action: Action): void {
    const { fixed, next } = withoutLastSet(text);
    const starts = Array.from({ length: Math.max(1, fixed.length - SHORTEST) }, (_, at) => at);
    const common = (at: number): number => fixed.slice(at, at + SHORTEST + 1).replace(/[^a-z]/g, '').length;
    const offset = starts.reduce((best, at) => (common(at) < common(best) ? at : best), 0);
    this.#addHint({ text: fixed, next, offset, ignoreCase: false, action });
  }

  #addHint(hint: Hint<Action>): void {
    const { text, offset, ignoreCase, next } = hint;
    const part = text.slice(offset);
    for (const code of codesOf(part, ignoreCase)) {
      this.#bits[code >> 5] = (this.#bits[code >> 5] as number) | (1 << (code & 31));
      this.#near[code >> 5] = (this.#near[code >> 5] as number) | (1 << (code & 31));
      const list = this.#hints.get(code);
      if (list === undefined) this.#hints.set(code, [hint]);
      // The longest first: `sk-proj-` before `sk-`.
      else list.splice(list.findIndex(({ text: other }) => other.length < text.length) >>> 0, 0, hint);
      if (part.length > SHORTEST || next !== undefined) continue;
      if (isSign(part.charCodeAt(0))) this.#addSign(part.charCodeAt(0));
      else this.#addAny(code & LAST_TWO);
    }
    if (part.length > SHORTEST) for (const code of codesOf(part.slice(1), ignoreCase)) this.#addNear(code);
    else if (next !== undefined) this.#addNext(codesOf(part, ignoreCase), next);
  }

  #addNext(codes: readonly number[], next: Uint8Array): void {
    for (const code of codes)
      for (const [char, isMeant] of next.entries())
        if (isMeant === 1) this.#addNear(((code & LAST_TWO) << CODE_BITS) | char);
  }

  #addNear(code: number): void {
    this.#near[code >> 5] = (this.#near[code >> 5] as number) | (1 << (code & 31));
  }

  /** Two characters, whatever comes next. */
  #addAny(pair: number): void {
    this.#near.fill(-1, (pair << CODE_BITS) >> 5, ((pair + 1) << CODE_BITS) >> 5);
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
    const near = this.#near;
    const last = text.length - 2;
    let at = 0;
    while (at < last) {
      const first = text.charCodeAt(at);
      const second = text.charCodeAt(at + 1);
      const third = text.charCodeAt(at + 2);
      const code = (((first << CODE_BITS) | second) << CODE_BITS) | third;
      if ((first | second | third) < 128 && ((near[code >> 5] as number) & (1 << (code & 31))) === 0) at += 2;
      else at = this.#look(text, at, on);
    }
    while (at < text.length) at = this.#look(text, at, on);
  }

  #scanChunks(text: string, on: ScanHandlers<Action>): void {
    const level = scansOpen;
    scansOpen += 1;
    try {
      const { units, buffer } = charsOf(level);
      for (let from = 0; from < text.length; ) {
        const to = Math.min(text.length, from + CHUNK_CHARS);
        buffer.write(text.length <= CHUNK_CHARS ? text : text.slice(from, to), 0, (to - from) * 2, 'utf16le');
        if (IS_BIG_ENDIAN) buffer.subarray(0, (to - from) * 2).swap16();
        from = this.#scanChunk(text, { units, from, to }, on);
      }
    } finally {
      scansOpen -= 1;
    }
  }

  /** Returns where to go on: behind the chunk when a secret reaches over its end. */
  #scanChunk(
    text: string,
    { units, from, to }: { readonly units: Uint16Array; readonly from: number; readonly to: number },
    on: ScanHandlers<Action>,
  ): number {
    const near = this.#near;
    const last = to - 2;
    let at = from;
    while (at < last) {
      const first = units[at - from] as number;
      const second = units[at - from + 1] as number;
      const third = units[at - from + 2] as number;
      const code = (((first << CODE_BITS) | second) << CODE_BITS) | third;
      if ((first | second | third) < 128 && ((near[code >> 5] as number) & (1 << (code & 31))) === 0) at += 2;
      else at = this.#look(text, at, on);
    }
    while (at < to) at = this.#look(text, at, on);
    return at;
  }

  /** Looks at the place before `at`, at `at` and, unless a hint stood there, at what comes next. Returns where to go on. */
  #look(text: string, at: number, on: ScanHandlers<Action>): number {
    const first = text.charCodeAt(at);
    const second = at + 1 < text.length ? text.charCodeAt(at + 1) : 0x20;
    let next = at > 0 ? this.#ask(text, at - 1, on) : 0;
    if (next > at + 1) return next;
    if (isOther(first)) {
      next = on.onOther(first, at);
      if (next > at) return next;
    }
    next = this.#ask(text, at, on);
    if (next > at + 2) return next;
    if (isOther(second)) {
      next = on.onOther(second, at + 1);
      if (next > at + 1) return next;
    } else if (isSign(second)) {
      next = this.#ask(text, at + 1, on);
      if (next > at + 2) return next;
    }
    return at + 2;
  }

  /** `start` where no hint stands. */
  #ask(text: string, start: number, on: ScanHandlers<Action>): number {
    const first = text.charCodeAt(start);
    const second = text.charCodeAt(start + 1);
    const third = text.charCodeAt(start + 2);
    // Not a number at the end of the text.
    if (!((first | second | third) < 128) || start + 2 >= text.length) return start;
    const code = (((first << CODE_BITS) | second) << CODE_BITS) | third;
    if (((this.#bits[code >> 5] as number) & (1 << (code & 31))) === 0) return start;
    for (const hint of this.#hints.get(code) ?? []) {
      const begin = start - hint.offset;
      if (!standsAt(text, begin, hint)) continue;
      const end = begin + hint.text.length + (hint.next === undefined ? 0 : 1);
      const next = on.onHint(hint.action, begin, end);
      if (next > start) return next;
    }
    return start;
  }
}

/** Begins an encoded character: `%`, `&`, `\\`. */
function isSign(char: number): boolean {
  return char === 37 || char === 38 || char === 92;
}

function isOther(char: number): boolean {
  return (char < 32 && char !== 9) || char > ASCII_MAX;
}

/** Text behind the first three characters is compared; a set at its end is not spelled out. */
function withoutLastSet(text: string): { fixed: string; next: Uint8Array | undefined } {
  const found = /^(.*)\[([^\]]+)\]$/s.exec(text);
  const fixed = found?.[1] ?? text;
  if (found === null || fixed.replace(/\[[^\]]*\]/g, '?').length < SHORTEST)
    return { fixed: text, next: undefined };
  const set = new Uint8Array(128);
  for (const char of spelledOut(`[${found[2]}]`)) set[char.charCodeAt(0)] = 1;
  return { fixed, next: set };
}

export interface ScanHandlers<Action> {
  onHint(action: Action, start: number, end: number): number;
  onOther(char: number, at: number): number;
}

function standsAt(text: string, at: number, { text: hint, next, ignoreCase }: Hint<unknown>): boolean {
  if (at < 0 || (next !== undefined && next[text.charCodeAt(at + hint.length)] !== 1)) return false;
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
