import { TasktrailError } from '../../errors.ts';
import { RequestCount, recordProblem } from '../outline/limits.ts';
import type { RecordPath } from '../outline/outline.ts';
import { type ByteRange, Ranges } from '../outline/ranges.ts';
import { snakeName } from './field-names.ts';

/** Bytes between two stops of a scan. */
const STEP_BYTES = 65_536;

/** Bytes of a string that are looked at one by one, before its end is searched. Most strings are shorter. */
const SHORT_STRING = 32;

/** No name of a field is longer, also when each of its characters is escaped. */
const NAME_BYTES_MAX = 200;

/** Depths of the containers that lead to the records: object, list, object, list, object, list. The request is at 1. */
const RECORDS_DEPTH = 6;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const LIST_OPEN = 0x5b;
const LIST_CLOSE = 0x5d;
const OBJECT_OPEN = 0x7b;
const OBJECT_CLOSE = 0x7d;
const BLANK_MAX = 0x20;

/** A part of the request: the whole, a resource entry, or a scope entry. */
export interface ScannedPart extends ByteRange {
  end: number;
  /** Insides of the lists that lead to the records: they are read apart. */
  readonly cuts: ByteRange[];
  /** By the name that a list has in the text: its entries, of the last list with this name. */
  readonly lists: Map<string, ScannedList>;
}

export interface ScannedList {
  readonly entries: ScannedPart[];
  /** Index of the first record, and the one after the last. */
  from: number;
  to: number;
}

export interface ScannedJson {
  readonly request: ScannedPart;
  readonly records: Ranges;
  /** Reasons of the records that are too large to be read, by their index. */
  readonly rejected: ReadonlyMap<number, string>;
}

/**
 * Scans a request without building anything of it: counts, and finds the records. Stops regularly, so that other work can
 * run. Knows strings, brackets and commas only: all text that it separates is parsed later, and together is JSON exactly
 * when each part is. Throws `ERR_INPUT_INVALID` and `ERR_TOO_LARGE`.
 */
export function* scanJson(body: Buffer, path: RecordPath): Generator<void, ScannedJson> {
  const scan = new Scan(body, path);
  while (scan.step()) yield;
  return scan;
}

class Scan implements ScannedJson {
  readonly request: ScannedPart;
  readonly records: Ranges = new Ranges();
  readonly rejected: Map<number, string> = new Map();
  readonly #body: Buffer;
  readonly #count = new RequestCount();
  /** By level: the names of the list that leads to the records. */
  readonly #names: readonly ReadonlySet<string>[];
  /** The open containers: whether each is a list. */
  #isList = new Uint8Array(1024);
  #depth = 0;
  /** Depth of the innermost open container that leads to the records. */
  #known = 0;
  /** The open parts and lists that lead to the records. */
  readonly #parts: ScannedPart[] = [];
  readonly #lists: ScannedList[] = [];
  readonly #listStarts: number[] = [];
  #pos = 0;
  #isRequestBegun = false;
  #isInString = false;
  #stringStart = 0;
  /** Whether the next string is the name of a field. */
  #isNameNext = false;
  #name = '';
  /** Whether the current entry of the innermost known list has begun; and where it may have. */
  #isBegun = false;
  #entryStart = 0;
  #marks = 0;
  #recordMarks = 0;

  constructor(body: Buffer, { resources, scopes, records }: RecordPath) {
    this.#body = body;
    this.request = { start: 0, end: body.length, cuts: [], lists: new Map() };
    this.#names = [resources, scopes, records].map((name) => new Set([name, snakeName(name)]));
  }

  /** Scans some bytes. False when the end is reached. */
  step(): boolean {
    const body = this.#body;
    const stop = Math.min(this.#pos + STEP_BYTES, body.length);
    while (this.#pos < stop) {
      if (this.#isInString) {
        this.#skipString(stop);
        continue;
      }
      const byte = body[this.#pos] ?? 0;
      if (byte <= BLANK_MAX) {
        this.#pos += 1;
        continue;
      }
      if (byte !== COMMA && byte !== LIST_CLOSE) this.#begin(byte);
      if (byte === QUOTE) {
        this.#isInString = true;
        this.#stringStart = this.#pos;
      } else if (byte === OBJECT_OPEN || byte === LIST_OPEN) this.#open(byte === LIST_OPEN);
      else if (byte === OBJECT_CLOSE || byte === LIST_CLOSE) this.#close(byte === LIST_CLOSE);
      else if (byte === COMMA) this.#separate();
      this.#pos += 1;
    }
    if (stop < body.length) return true;
    if (this.#depth > 0 || this.#isInString) throw malformed('unexpected end');
    return false;
  }

  /** Something that is no blank: the first of it begins an entry of a list. */
  #begin(byte: number): void {
    if (this.#depth === 0) this.#beginRequest(byte);
    if (this.#isBegun || this.#depth !== this.#known || this.#known === 0 || this.#known % 2 === 1) return;
    this.#isBegun = true;
    this.#recordMarks = 0;
    if (this.#known === RECORDS_DEPTH) {
      this.#count.addRecord();
      return;
    }
    this.#count.addEntry();
    const part = { start: this.#entryStart, end: 0, cuts: [], lists: new Map() };
    this.#lists.at(-1)?.entries.push(part);
    this.#parts.push(part);
  }

  #beginRequest(byte: number): void {
    if (this.#isRequestBegun) throw malformed('unexpected text after the request');
    if (byte !== OBJECT_OPEN) throw malformed('the request is not an object');
    this.#isRequestBegun = true;
  }

  #open(isList: boolean): void {
    this.#mark();
    const level = (this.#depth - 1) / 2;
    const leads =
      this.#depth === this.#known &&
      (this.#depth % 2 === 0 ? !isList : isList && this.#names[level]?.has(this.#name) === true) &&
      this.#depth < RECORDS_DEPTH;
    if (this.#depth === this.#isList.length) {
      const larger = new Uint8Array(2 * this.#depth);
      larger.set(this.#isList);
      this.#isList = larger;
    }
    this.#isList[this.#depth] = isList ? 1 : 0;
    this.#depth += 1;
    if (!leads) return;
    this.#known = this.#depth;
    if (!isList) {
      if (this.#known === 1) this.#parts.push(this.request);
      this.#isNameNext = true;
      return;
    }
    const list = { entries: [], from: this.records.length, to: this.records.length };
    const lists = this.#parts.at(-1)?.lists;
    if (lists?.has(this.#name)) this.#count.addEntry();
    // Of fields with the same name the last one counts, as in JSON.parse.
    lists?.set(this.#name, list);
    this.#lists.push(list);
    this.#listStarts.push(this.#pos + 1);
    this.#startEntry();
  }

  #close(isList: boolean): void {
    if (this.#depth === 0 || this.#isList[this.#depth - 1] !== (isList ? 1 : 0)) {
      throw malformed(`unexpected ${isList ? ']' : '}'}`);
    }
    if (this.#depth === this.#known) {
      if (isList) this.#closeList();
      this.#known -= 1;
      // The end of the request ends its part; that of an entry comes with its list.
      if (this.#known === 0) this.#parts.pop();
      // The list around an entry has begun this entry.
      else if (!isList) this.#isBegun = true;
      else this.#isNameNext = false;
    }
    this.#depth -= 1;
  }

  #closeList(): void {
    const list = this.#lists.pop();
    const start = this.#listStarts.pop() ?? 0;
    if (this.#isBegun) this.#endEntry();
    else if (this.#entryStart !== start) throw malformed('a comma before the end of an array');
    if (list !== undefined) list.to = this.records.length;
    this.#parts.at(-1)?.cuts.push({ start, end: this.#pos });
  }

  #separate(): void {
    this.#mark();
    if (this.#depth !== this.#known || this.#known === 0) return;
    if (this.#known % 2 === 1) this.#isNameNext = true;
    else {
      if (!this.#isBegun) throw malformed('an array has nothing before a comma');
      this.#endEntry();
      this.#startEntry();
    }
  }

  #startEntry(): void {
    this.#isBegun = false;
    this.#entryStart = this.#pos + 1;
  }

  #endEntry(): void {
    if (this.#known !== RECORDS_DEPTH) {
      const part = this.#parts.pop();
      if (part !== undefined) part.end = this.#pos;
      return;
    }
    const size = { bytes: this.#pos - this.#entryStart, values: this.#recordMarks / 2 };
    const problem = recordProblem(size);
    if (problem !== undefined) this.rejected.set(this.records.length, problem);
    this.records.push(this.#entryStart, this.#pos);
  }

  /** An attribute has four marks, as it has two messages in protobuf. */
  #mark(): void {
    this.#marks += 1;
    this.#recordMarks += 1;
    if (this.#marks % 2 === 0) this.#count.addValue();
  }

  #skipString(stop: number): void {
    const body = this.#body;
    let at = this.#pos === this.#stringStart ? this.#pos + 1 : this.#pos;
    while (at < stop) {
      for (const short = Math.min(at + SHORT_STRING, stop); at < short; at += 1) {
        const byte = body[at];
        if (byte === BACKSLASH) at += 1;
        else if (byte === QUOTE) {
          this.#endString(at);
          return;
        }
      }
      const quote = body.indexOf(QUOTE, at);
      if (quote < 0) throw malformed('unexpected end');
      let slashes = quote;
      while (slashes > at && body[slashes - 1] === BACKSLASH) slashes -= 1;
      if ((quote - slashes) % 2 === 0) {
        this.#endString(quote);
        return;
      }
      at = quote + 1;
    }
    this.#pos = at;
  }

  #endString(quote: number): void {
    this.#pos = quote + 1;
    this.#isInString = false;
    if (!this.#isNameNext || this.#depth !== this.#known) return;
    this.#isNameNext = false;
    const isShort = quote - this.#stringStart < NAME_BYTES_MAX;
    this.#name = isShort ? nameOf(this.#body.toString('utf8', this.#stringStart, quote + 1)) : '';
  }
}

/** A name may be written with escapes. */
function nameOf(json: string): string {
  if (!json.includes('\\')) return json.slice(1, -1);
  try {
    return String(JSON.parse(json));
  } catch {
    // Not JSON: parsing the part that it is in says so.
    return '';
  }
}

export function malformed(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `malformed JSON: ${message}`);
}
