import { closePart, MARGIN_CHARS, openPart, type TextPart } from './text-part.ts';

/** What is done where a hint stands. `at` is where it begins. */
export interface Hint<Action> {
  readonly text: string;
  /** What follows the text: one character of a set. */
  readonly next: Uint8Array | undefined;
  /** Where the three characters stand in it by which it is found. */
  readonly offset: number;
  readonly ignoreCase: boolean;
  /** Which characters may stand before it. The start of a text and characters beyond ASCII count as a blank. */
  readonly before: Uint8Array | undefined;
  readonly action: Action;
}

export interface HintOptions {
  readonly ignoreCase?: boolean;
  readonly before?: Uint8Array | undefined;
}

const SHORTEST = 3;
const CODE_BITS = 7;
const CODES = 1 << (CODE_BITS * SHORTEST);
const PAIRS = 1 << (CODE_BITS * 2);
const LAST_TWO = PAIRS - 1;

/** Rows of a new table. */
const ROWS_MIN = 64;

/** Beyond this a character is not ASCII: no hint holds one. */
const ASCII_MAX = 126;

/** Counts as standing before the start of a text. */
const BLANK = 0x20;

/**
 * Finds the places of many hints in one pass, which looks at every other place: a bit for each three characters says whether
 * a hint begins there or one place before. So the time for ordinary text does not depend on the number of rules.
 */
export class HintTable<Action> {
  /** All that were added. */
  readonly hints: Hint<Action>[] = [];
  readonly #near = new Int32Array(CODES / 32);
  /** A row for each two characters that a hint begins with. */
  readonly #rows = new Uint16Array(PAIRS);
  /** The list of a row and a third character: an index of `#lists`. */
  #cells = new Uint16Array(ROWS_MIN << CODE_BITS);
  #rowCount = 0;
  readonly #lists: Hint<Action>[][] = [[]];
  /** Which characters may come fourth, for each list. */
  #fourth = new Uint8Array(ROWS_MIN << CODE_BITS);

  constructor() {
    for (let char = 0; char < 128; char += 1) if (isOther(char)) this.#addSign(char);
  }

  /** Is looked at wherever it stands. */
  #addSign(char: number): void {
    this.#near.fill(-1, (char << (2 * CODE_BITS)) >> 5, ((char + 1) << (2 * CODE_BITS)) >> 5);
    for (let first = 0; first < 128; first += 1) this.#addAny((first << CODE_BITS) | char);
  }

  /** A set in brackets in the text, `SK[0-9a-f]`, stands for each of its characters. */
  add(text: string, action: Action, { ignoreCase = false, before }: HintOptions = {}): void {
    const { fixed, next } = withoutLastSet(text);
    for (const one of spelledOut(fixed)) {
      const hint = ignoreCase ? one.toLowerCase() : one;
      this.#addHint({ text: hint, next, offset: 0, ignoreCase, before, action });
    }
  }

  /** Adds a text that is found by those three characters that other texts have least. */
  addRare(text: string, action: Action): void {
    const { fixed, next } = withoutLastSet(text);
    const starts = Array.from({ length: Math.max(1, fixed.length - SHORTEST) }, (_, at) => at);
    const common = (at: number): number => commonness(fixed.slice(at, at + SHORTEST + 1));
    const offset = starts.reduce((best, at) => (common(at) < common(best) ? at : best), 0);
    this.#addHint({ text: fixed, next, offset, ignoreCase: false, before: undefined, action });
  }

  /** Adds a text that is found by three characters that other texts are found by: each place to look at takes time. */
  addShared(text: string, action: Action, { ignoreCase = false }: HintOptions = {}): void {
    const { fixed, next } = withoutLastSet(text);
    const fresh = (at: number): number =>
      [fixed.slice(at), fixed.slice(at + 1)]
        .flatMap((part) => codesOf(part, ignoreCase))
        .filter((code) => !this.#isNear(code)).length;
    const starts = Array.from({ length: Math.max(1, fixed.length - SHORTEST) }, (_, at) => at);
    const offset = starts.reduce((best, at) => (fresh(at) < fresh(best) ? at : best), 0);
    this.#addHint({ text: fixed, next, offset, ignoreCase, before: undefined, action });
  }

  #isNear(code: number): boolean {
    return ((this.#near[code >> 5] as number) & (1 << (code & 31))) !== 0;
  }

  #addHint(hint: Hint<Action>): void {
    const { text, offset, ignoreCase, next } = hint;
    if (text.length >= MARGIN_CHARS) throw new Error(`a hint is too long: ${text}`);
    this.hints.push(hint);
    const part = text.slice(offset);
    for (const code of codesOf(part, ignoreCase)) {
      this.#addNear(code);
      const list = this.#listOf(code);
      this.#addFourth(code, part, hint);
      // The longest first: `sk-proj-` before `sk-`.
      list.splice(list.findIndex(({ text: other }) => other.length < text.length) >>> 0, 0, hint);
      if (part.length > SHORTEST || next !== undefined) continue;
      if (isSign(part.charCodeAt(0))) this.#addSign(part.charCodeAt(0));
      else this.#addAny(code & LAST_TWO);
    }
    if (part.length > SHORTEST) for (const code of codesOf(part.slice(1), ignoreCase)) this.#addNear(code);
    else if (next !== undefined) this.#addNext(codesOf(part, ignoreCase), next);
  }

  #listOf(code: number): Hint<Action>[] {
    const pair = code >> CODE_BITS;
    let row = this.#rows[pair] as number;
    if (row === 0) {
      // The first row is that of pairs without a hint.
      this.#rowCount += 1;
      row = this.#rowCount;
      this.#rows[pair] = row;
      this.#cells = withRow(this.#cells, row);
    }
    const cell = (row << CODE_BITS) | (code & 127);
    if (this.#cells[cell] === 0) {
      const list = this.#lists.push([]) - 1;
      this.#cells[cell] = list;
      this.#fourth = withRow(this.#fourth, list);
    }
    return this.#lists[this.#cells[cell] as number] as Hint<Action>[];
  }

  #addFourth(code: number, part: string, { next, ignoreCase }: Hint<Action>): void {
    const row = this.#rows[code >> CODE_BITS] as number;
    const first = (this.#cells[(row << CODE_BITS) | (code & 127)] as number) << CODE_BITS;
    if (part.length > SHORTEST) {
      for (const char of formsOf(part.charAt(SHORTEST), ignoreCase))
        this.#fourth[first + char.charCodeAt(0)] = 1;
    } else for (let char = 0; char < 128; char += 1) this.#fourth[first + char] ||= next?.[char] ?? 1;
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
    const part = openPart(text);
    try {
      for (let at = 0; at < text.length; ) {
        part.moveTo(at);
        at = this.#scanPart(part, at, on);
      }
    } finally {
      closePart(part);
    }
  }

  /** Returns where to go on: behind the part when a secret reaches over its end. */
  #scanPart(part: TextPart, from: number, on: ScanHandlers<Action>): number {
    const near = this.#near;
    const { units, low, stop } = part;
    let at = from;
    while (at < stop) {
      const first = units[at - low] as number;
      const second = units[at - low + 1] as number;
      const third = units[at - low + 2] as number;
      const code = (((first << CODE_BITS) | second) << CODE_BITS) | third;
      if ((first | second | third) < 128 && ((near[code >> 5] as number) & (1 << (code & 31))) === 0) at += 2;
      else at = this.#look(part, at, on);
    }
    return at;
  }

  /** Looks at the place before `at`, at `at` and, unless a hint stood there, at what comes next. Returns where to go on. */
  #look(part: TextPart, at: number, on: ScanHandlers<Action>): number {
    const { units, low } = part;
    const first = units[at - low] as number;
    const second = units[at - low + 1] as number;
    let next = at > low ? this.#ask(part, at - 1, on) : 0;
    if (next > at + 1) return next;
    if (isOther(first) && on.seesOthers) {
      next = on.onOther(first, at);
      if (next > at) return next;
    }
    next = this.#ask(part, at, on);
    if (next > at + 2) return next;
    if (isOther(second)) {
      next = on.seesOthers ? on.onOther(second, at + 1) : 0;
      if (next > at + 1) return next;
    } else if (isSign(second)) {
      next = this.#ask(part, at + 1, on);
      if (next > at + 2) return next;
    }
    return at + 2;
  }

  /** `start` where no hint stands. */
  #ask(part: TextPart, start: number, on: ScanHandlers<Action>): number {
    const { units, low } = part;
    const first = units[start - low] as number;
    const second = units[start - low + 1] as number;
    const third = units[start - low + 2] as number;
    if ((first | second | third) >= 128) return start;
    const row = this.#rows[(first << CODE_BITS) | second] as number;
    const list = this.#cells[(row << CODE_BITS) | third] as number;
    if (list === 0 || start + 2 >= part.text.length) return start;
    // Beyond ASCII it is no character of a hint.
    const fourth = (units[start - low + 3] as number) & 127;
    if (this.#fourth[(list << CODE_BITS) | fourth] === 0) return start;
    return this.#askAll(this.#lists[list] as Hint<Action>[], { part, start, on });
  }

  #askAll(hints: readonly Hint<Action>[], { part, start, on }: Place<Action>): number {
    for (const hint of hints) {
      const begin = start - hint.offset;
      if (!(on.isLook || mayStandBehind(part, begin, hint)) || !standsAt(part, begin, hint)) continue;
      const end = begin + hint.text.length + (hint.next === undefined ? 0 : 1);
      const next = on.onHint(hint.action, begin, end);
      if (next > start) return next;
    }
    return start;
  }
}

/** The rows with room for this one: each growth copies them all, so they double. */
function withRow<Rows extends Uint8Array | Uint16Array>(rows: Rows, row: number): Rows {
  if ((row + 1) << CODE_BITS <= rows.length) return rows;
  const grown =
    rows instanceof Uint8Array ? new Uint8Array(2 * rows.length) : new Uint16Array(2 * rows.length);
  grown.set(rows);
  return grown as Rows;
}

interface Place<Action> {
  readonly part: TextPart;
  readonly start: number;
  readonly on: ScanHandlers<Action>;
}

/** Small letters and the blank, the rarest first. */
const COMMON = 'zqjxkvbwygpfmucdlhrsnioate ';

/** Stand in words of logs and source code. */
const USUAL =
  /use|ser|con|com|end|ing|ion|ent|the|and|for|ate|ord|wor|typ|str|ret|pro|exp|imp|fun|err|res|req|nam|val|set|get|id=|ted|age|inf|nfi|fig|onf|net|int|und/i;

const USUAL_COST = 100;

/** How often a text of a few characters occurs in other texts, as a figure to compare. */
function commonness(text: string): number {
  const cost = USUAL.test(text) ? USUAL_COST : 0;
  return [...text].reduce((sum, char) => sum + COMMON.indexOf(char) + 1, cost);
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
  /** Whether `onOther` is called. */
  readonly seesOthers: boolean;
  /** Hints are asked for whatever stands before them: a text of which one part is also searched alone. */
  readonly isLook: boolean;
  onHint(action: Action, start: number, end: number): number;
  onOther(char: number, at: number): number;
}

/** Whether the hint stands at `at`. Its three characters at `offset` were found there. */
function standsAt(part: TextPart, at: number, hint: Hint<unknown>): boolean {
  const { text, next, offset, ignoreCase } = hint;
  const end = at + text.length;
  if (at < 0 || end > part.text.length) return false;
  const { units, low } = part;
  const from = at - low;
  for (let index = offset + SHORTEST; index < text.length; index += 1) {
    const char = units[from + index] as number;
    const wanted = text.charCodeAt(index);
    if (char !== wanted && (!ignoreCase || (char | 32) !== wanted)) return false;
  }
  for (let index = 0; index < offset; index += 1) {
    const char = units[from + index] as number;
    const wanted = text.charCodeAt(index);
    if (char !== wanted && (!ignoreCase || (char | 32) !== wanted)) return false;
  }
  return next === undefined || (end < part.text.length && next[units[end - low] as number] === 1);
}

/** Whether the hint at `at` may stand behind the character before it. */
function mayStandBehind({ units, low }: TextPart, at: number, { before }: Hint<unknown>): boolean {
  if (before === undefined) return true;
  return (before[at === 0 ? BLANK : (units[at - low - 1] as number)] ?? before[BLANK]) !== 0;
}

function codesOf(text: string, ignoreCase: boolean): readonly number[] {
  let codes = [0];
  for (let at = 0; at < SHORTEST && at < text.length; at += 1) {
    const char = text.charAt(at);
    // Most hints have one form, and there are thousands.
    if (ignoreCase) {
      const forms = formsOf(char, true);
      codes = codes.flatMap((code) => forms.map((form) => (code << CODE_BITS) | form.charCodeAt(0)));
    } else codes[0] = ((codes[0] as number) << CODE_BITS) | char.charCodeAt(0);
  }
  return codes;
}

function formsOf(char: string, ignoreCase: boolean): readonly string[] {
  return ignoreCase ? [...new Set([char.toLowerCase(), char.toUpperCase()])] : [char];
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
