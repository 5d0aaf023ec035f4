import { type Decoded, decode, isInvisible, mapped } from './encoded.ts';
import { BEHIND, type HintPlaces } from './hint-places.ts';
import { HintTable, type ScanHandlers } from './hints.ts';
import { type Found, merged } from './mask.ts';
import { findNamed, mayBeKey, nameAround } from './named-value.ts';
import { endOfPlainString } from './plain-string.ts';
import { findInTable } from './table.ts';
import { isTokenCode, isWordCode } from './words.ts';
import { endOfRest, joinedAround, startOfLine } from './wrapped.ts';

/** Encodings inside encodings. */
export const DEPTH_MAX = 3;

/** A secret with its name, on both sides of an encoded character. */
const REGION_CHARS = 512;

/** A terminal is wider: a shorter line was not wrapped. */
const WRAPPED_CHARS_MIN = 40;

/** How far hints in a run that was decoded already are skipped. */
const OVERLAP_CHARS = 512;

export type Action = (search: Search, start: number, end: number) => number;

/** The hints of all forms, which `find.ts` adds. */
export const table: HintTable<Action> = new HintTable<Action>();

/** One pass over a text. */
export class Search implements ScanHandlers<Action> {
  text: string;
  readonly depth: number;
  /** Only forms, no names and no line breaks: a text that was joined. */
  readonly formsOnly: boolean;
  found: Found[] | undefined;
  /** End of the last secret: nothing before it belongs to another. */
  from = 0;
  nameEnd = 0;
  /** Up to where base64 was decoded, for each place in a group of four characters. */
  readonly base64Ends: [number, number, number, number] = [0, 0, 0, 0];
  /** As `base64Ends`, for hexadecimal digits. */
  readonly hexEnds: [number, number] = [0, 0];
  joinedEnd = 0;
  /** Where the rest of a token ends that began on an earlier line. */
  restEnd = 0;
  /** Up to where a table, a statement and a key with several secrets were read: each is read once. */
  readonly readEnds: [number, number, number] = [0, 0, 0];
  regions: { start: number; end: number }[] | undefined;
  /** Control characters and those beyond ASCII mean something here. */
  seesOthers: boolean;
  /** The text is JSON, and the question is only whether it is worth decoding. */
  isProbe = false;
  /** A name, or an escape that hides letters: the strings must be looked at one by one. */
  mustDecode = false;
  /** Only where hints stand is asked, of those that end behind `notedFrom`. */
  isLook = false;
  notedFrom = 0;
  firstHint: number = BEHIND;
  lastHint = -1;

  constructor(text: string, depth: number, formsOnly: boolean) {
    this.text = text;
    this.depth = depth;
    this.formsOnly = formsOnly;
    this.seesOthers = !formsOnly && (depth < DEPTH_MAX || text.includes('\n'));
  }

  /** For the next text. Most texts are a short line, for which a new object costs as much as the scan. */
  reset(text: string, isProbe: boolean): void {
    this.text = text;
    this.found = undefined;
    this.from = 0;
    this.nameEnd = 0;
    this.base64Ends[0] = this.base64Ends[1] = this.base64Ends[2] = this.base64Ends[3] = 0;
    this.hexEnds[0] = this.hexEnds[1] = 0;
    this.joinedEnd = 0;
    this.restEnd = 0;
    this.readEnds[0] = this.readEnds[1] = this.readEnds[2] = 0;
    this.regions = undefined;
    this.isProbe = isProbe;
    this.mustDecode = false;
    this.firstHint = BEHIND;
    this.lastHint = -1;
  }

  run(): readonly Found[] {
    table.scan(this.text, this);
    if (this.mustDecode) return NONE;
    if (this.regions !== undefined) for (const region of this.regions) this.#decodeRegion(region);
    if (this.found === undefined) return NONE;
    return this.found.length === 1 ? this.found : merged(this.found);
  }

  onHint(action: Action, start: number, end: number): number {
    if (start < this.from) return start;
    if (action !== nameAction) this.note(start, start, end);
    return this.isLook && action !== nameAction ? start : action(this, start, end);
  }

  /** `start`: with what stands before the hint and belongs to it. */
  note(start: number, hint: number, end: number): void {
    if (end <= this.notedFrom) return;
    this.firstHint = Math.min(this.firstHint, start);
    this.lastHint = Math.max(this.lastHint, hint);
  }

  onOther(char: number, at: number): number {
    if (char === 10) return at + 1 < this.text.length && !this.isLook ? this.onBreak(at) : at;
    if (char === 13 || !isInvisible(char)) return at;
    this.note(at, at, at + 1);
    if (this.isLook) return at;
    if (this.isProbe) return this.needDecoding();
    this.addRegion(at);
    return at;
  }

  /** The question is answered: the strings must be looked at one by one. */
  needDecoding(): number {
    this.mustDecode = true;
    return BEHIND;
  }

  /** Whether encodings inside this text are not looked at. */
  get isDeepest(): boolean {
    return this.depth >= DEPTH_MAX;
  }

  tell(hints: HintPlaces): void {
    hints.first = this.firstHint;
    hints.last = this.lastHint;
  }

  add(secret: Found): number {
    let end = this.#push(secret);
    // An escaped line break behind a secret begins with its last character for the table, which was passed.
    while (!this.formsOnly && this.text.charCodeAt(end) === 92 && this.from === end) {
      const next = this.onBreak(end);
      if (next <= end) break;
      end = next;
    }
    return end;
  }

  #push(secret: Found): number {
    this.found ??= [];
    this.found.push(secret);
    this.from = Math.max(this.from, secret.end);
    return secret.end;
  }

  addRegion(at: number): void {
    if (this.depth >= DEPTH_MAX || this.formsOnly) return;
    const last = this.regions?.at(-1);
    if (last !== undefined && at - REGION_CHARS <= last.end) last.end = at + REGION_CHARS;
    else {
      this.regions ??= [];
      this.regions.push({ start: Math.max(0, at - REGION_CHARS), end: at + REGION_CHARS });
    }
  }

  /** `at` is the line feed, or the letter of an escaped one. */
  onBreak(at: number): number {
    if (this.formsOnly) return at;
    const { text } = this;
    let start = at;
    if (text[start - 1] === '\r') start -= 1;
    while (start > 0 && text[start - 1] === '\\' && at - start < 9) start -= 1;
    const isBehind = this.from === start || this.restEnd === start;
    if (!isBehind && (start === 0 || !isTokenCode(text.charCodeAt(start - 1)))) return at;
    if (this.found !== undefined && isBehind && start > 0) {
      const isWrapped =
        start >= WRAPPED_CHARS_MIN && !text.slice(start - WRAPPED_CHARS_MIN, start).includes('\n');
      const end = endOfRest(text, start, isWrapped);
      const last = this.found.at(-1);
      const next = startOfLine(text, start);
      if (end > next && last !== undefined && !this.#isOther(next, end)) {
        return this.#pushRest({ start: next, end, kind: last.kind }, next);
      }
    }
    if (start < this.joinedEnd || isBehind) return at;
    const joined = joinedAround(text, start, this.from);
    if (joined === undefined) return at;
    this.joinedEnd = joined.end - Math.min(OVERLAP_CHARS / 2, joined.end - start - 1);
    this.#addAcross(joined, joined.breaks);
    return at;
  }

  /** Another secret of its own, with its form or its name. */
  #isOther(start: number, end: number): boolean {
    const name = nameAround(this.text, start, start);
    const isNamed = name.kind !== undefined && /[=:]/.test(this.text[name.end] ?? '');
    return isNamed || formIn(this.text.slice(start, end)) !== undefined;
  }

  /** The line from `next` on is searched too: what looks like a rest may be the start of another secret. */
  #pushRest(secret: Found, next: number): number {
    this.#push(secret);
    this.from = next;
    this.restEnd = secret.end;
    return next;
  }

  /** Several secrets of one text, which is searched too: `from` stays where it is. */
  addAll(secrets: readonly Found[]): void {
    for (const secret of secrets) {
      if (secret.start < this.from) continue;
      this.found ??= [];
      this.found.push(secret);
    }
  }

  /** The lines are searched too: `from` stays where it is. */
  #addAcross(joined: Decoded, breaks: readonly number[]): void {
    for (const secret of new Search(joined.text, DEPTH_MAX, true).run()) {
      const first = breaks.find((place) => secret.start < place && secret.end > place);
      if (first === undefined || isWhole(joined.text.slice(secret.start, first))) continue;
      const place = { ...mapped(secret, joined), kind: secret.kind };
      this.found ??= [];
      this.found.push(place);
      this.restEnd = place.end;
    }
  }

  #decodeRegion({ start, end }: { start: number; end: number }): void {
    const { text } = this;
    let from = start;
    // Not in the middle of a word: its end could look like the start of a token.
    while (from > 0 && from < start + REGION_CHARS / 2 && isWordCode(text.charCodeAt(from - 1))) from += 1;
    const part = text.slice(from, end);
    const decoded = decode(part);
    if (decoded.text === part) return;
    for (const secret of new Search(decoded.text, this.depth + 1, false).run()) {
      const place = mapped(secret, decoded);
      this.add({ start: from + place.start, end: from + place.end, kind: secret.kind });
    }
  }
}

const NONE: readonly Found[] = [];

const holdsNone = (text: string): boolean => new Search(text, 0, false).run().length === 0;

export function nameAction(search: Search, start: number, end: number): number {
  const { text } = search;
  if (search.formsOnly || start < search.nameEnd) return start;
  // A `key` needs a word before it.
  if (end - start === 3 && (text.charCodeAt(start) | 32) === 107 && !mayBeKey(text, start)) {
    // What stands before it, or behind it, may be cut.
    if (start === 0 || start < search.notedFrom || end === text.length) search.note(start, start, end);
    return start;
  }
  const name = nameAround(text, start, search.from);
  search.nameEnd = Math.max(end, name.end);
  // A name that is cut may be another one.
  if (
    name.kind !== undefined ||
    name.start === 0 ||
    name.start < search.notedFrom ||
    name.end === text.length
  )
    search.note(name.start, start, Math.max(end, name.end));
  if (name.kind === undefined || search.isLook) return start;
  if (search.isProbe) return endOfPlainString(text, start, holdsNone) ?? search.needDecoding();
  const found = findNamed(search.text, { ...name, kind: name.kind });
  if (found === undefined) return tableAction(search, start, name);
  return search.add(search.depth < DEPTH_MAX ? withForm(text, found) : found);
}

/** The name of a column. */
function tableAction(
  search: Search,
  start: number,
  name: { readonly start: number; readonly end: number },
): number {
  if (start < search.readEnds[0]) return start;
  const table = findInTable(search.text, name, search.readEnds[0]);
  if (table === undefined) return start;
  search.readEnds[0] = table.end;
  search.addAll(table.found);
  return start;
}

/** With the kind of its form, which says more than a name. A form with a `|` inside goes on behind a value that ends there. */
export function withForm(text: string, { start, end, kind }: Found): Found {
  const max = start + OVERLAP_CHARS;
  const form = firstForm(text.slice(start, text[end] === '|' ? max : Math.min(end, max)));
  if (form === undefined || start + form.start >= end) return { start, end, kind };
  return { start, end: Math.max(end, start + form.end), kind: form.kind };
}

/** Whether a word is a token by itself: what the next line begins with is most likely no part of it. */
function isWhole(word: string): boolean {
  const first = firstForm(word);
  return first !== undefined && first.start === 0 && first.end === word.length;
}

function firstForm(value: string): Found | undefined {
  return new Search(value, DEPTH_MAX, true).run()[0];
}

/** The kind of a value that has a form too says more than its name. */
export function formIn(value: string): string | undefined {
  return firstForm(value)?.kind;
}
