import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../errors.ts';
import { ChangeSignal } from '../../store/read/follow/change-signal.ts';
import type { VictoriaLogs } from '../client.ts';
import { GotLines } from './got-lines.ts';
import { type Copies, newOnes, readCopies } from './line-copies.ts';
import {
  compareArrivals,
  type LineKey,
  missingLines,
  type NumberedLine,
  namesSince,
  readNumbered,
} from './numbered-rows.ts';
import { nanos, type RowScope } from './row-scope.ts';

/** A line becomes visible within this time after a service took it, by the clocks of any two services. */
export const LATE_MS = 60_000;

/** Steps of the time up to which all is got: readers in step then have the same place. */
const STEP_MS = 10_000;

/** Lines of one reading, and bytes of their texts. */
const PIECE_LINES = 500;
const PIECE_BYTES = 1_048_576;

/** Pieces that are kept for readers who are not far behind, and how long. Others read again. */
const KEPT_BYTES = 1_048_576;
const KEPT_MS = 10_000;

/** Places that lead to a piece. */
const PLACES_MAX = 1_000;

/** Pieces that readers at one other place share. */
const READ_MAX = 64;
const READ_MS = 2_000;

/** A line and the place of a reader that has got it. */
export interface PlacedRow {
  readonly line: NumberedLine;
  readonly place: string;
}

export interface RowPiece {
  readonly lines: readonly PlacedRow[];
  /** The place behind it. */
  readonly next: string;
}

interface Kept extends RowPiece {
  readonly bytes: number;
  readonly atMs: number;
}

/** What lines of a scope are shown as: a text, or not at all. */
export type ShowLines = (lines: readonly NumberedLine[]) => Promise<readonly NumberedLine[]>;

export interface FollowedRowsOptions {
  readonly logs: VictoriaLogs;
  readonly scope: RowScope;
  /** Milliseconds since the epoch, as the services stamp lines. */
  readonly now: () => number;
  /** Undefined: repeats of a line are lines. */
  readonly show: ShowLines | undefined;
}

/** Lines that are read once for all readers of a task, or of the events of all workflows. */
export class FollowedRows {
  readonly scope: RowScope;
  readonly signal: ChangeSignal = new ChangeSignal();
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #show: ShowLines | undefined;
  #got = new GotLines();
  #opening: Promise<void> | undefined;
  readonly #pieces: Kept[] = [];
  #bytes = 0;
  /** Number of the first piece that is kept. */
  #first = 0;
  /** The number of the piece behind a place. */
  readonly #places = new LRUCache<string, number>({ max: PLACES_MAX });
  readonly #read = new LRUCache<string, Promise<RowPiece>>({
    max: READ_MAX,
    ttl: READ_MS,
    ttlAutopurge: true,
  });

  constructor({ logs, scope, now, show }: FollowedRowsOptions) {
    this.#logs = logs;
    this.scope = scope;
    this.#now = now;
    this.#show = show;
  }

  /** What this process has seen. */
  get got(): GotLines {
    return this.#got;
  }

  /** Resolves when what is there now is known: what is added later comes in pieces. */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  get isDeduped(): boolean {
    return this.#show !== undefined;
  }

  /** Adds lines that have become visible. `copies`: of those that may be repeats. */
  async add(found: readonly NumberedLine[], copies: Copies): Promise<readonly NumberedLine[]> {
    const fresh = found.filter((line) => !this.#got.has(line)).sort(compareArrivals);
    for (let at = 0; at < fresh.length; at += PIECE_LINES) {
      const lines = fresh.slice(at, at + PIECE_LINES);
      const placed = await this.#placed(lines, copies, this.#got);
      this.#got = this.#got.with(lines);
      const bytes = placed.reduce((sum, { line }) => sum + (line.text?.length ?? 0) + 200, 0);
      this.#pieces.push({ lines: placed, next: this.#got.text, bytes, atMs: performance.now() });
      this.#bytes += bytes;
      this.#places.set(this.#got.text, this.#end);
    }
    if (fresh.length > 0) this.signal.wake();
    return fresh;
  }

  /** Lines that are too many to be kept: readers read them themselves. */
  pass(lines: readonly NumberedLine[] | readonly LineKey[]): void {
    this.#got = this.#got.with(lines);
    this.#first = this.#end + 1;
    this.#pieces.length = 0;
    this.#bytes = 0;
    this.#places.clear();
    this.#places.set(this.#got.text, this.#end);
    this.signal.wake();
  }

  /** All that came before has been looked for at this time. */
  looked(nowMs: number): void {
    const until = settledBefore(nowMs);
    if (until > this.#got.until) {
      this.#got = this.#got.upTo(until);
      this.#places.set(this.#got.text, this.#end);
    }
    const oldMs = performance.now() - KEPT_MS;
    for (let first = this.#pieces[0]; first !== undefined; first = this.#pieces[0]) {
      if (this.#bytes <= KEPT_BYTES && first.atMs >= oldMs) break;
      this.#pieces.shift();
      this.#first += 1;
      this.#bytes -= first.bytes;
    }
  }

  /** The lines behind a place. Throws `ERR_INPUT_INVALID` for what is none. */
  async read(after: string): Promise<RowPiece> {
    const number = this.#places.get(after);
    if (number === this.#end) return { lines: [], next: this.#got.text };
    const kept = number === undefined ? undefined : this.#pieces[number - this.#first];
    if (kept !== undefined) return kept;
    const got = GotLines.parse(after);
    if (got === undefined) throw new TasktrailError('ERR_INPUT_INVALID', 'after: is no place');
    const key = `${after} ${this.#got.text}`;
    const reading = this.#read.get(key) ?? this.#readBehind(got);
    this.#read.set(key, reading);
    reading.catch(() => this.#read.delete(key));
    return reading;
  }

  /** The number of the next piece. */
  get #end(): number {
    return this.#first + this.#pieces.length;
  }

  async #open(): Promise<void> {
    const until = settledBefore(this.#now());
    const names = await namesSince(this.#logs, this.scope, until);
    this.#got = new GotLines(until).with(names);
    this.#places.set(this.#got.text, this.#end);
  }

  /** For a reader at any place: from VictoriaLogs, up to what this process has seen. */
  async #readBehind(got: GotLines): Promise<RowPiece> {
    const seen = this.#got;
    const { lines: keys, until } = await missingLines(this.#logs, {
      ...{ scope: this.scope, got, limit: PIECE_LINES, nowMs: this.#now() },
    });
    const wanted = firstBytes(keys.filter((key) => seen.has(key)));
    const isCut = wanted.length < keys.filter((key) => seen.has(key)).length;
    const read = await readNumbered(this.#logs, this.scope, wanted);
    const copies = this.isDeduped ? await readCopies(this.#logs, this.scope, read) : new Map<string, never>();
    // Up to where all is got: the times before the last line, which may have come together with others.
    const settled = isCut ? wanted.at(-1)?.arrived : until;
    const placed = await this.#placed(read, copies, got, seen.until);
    if (settled === undefined && !isCut) return { lines: placed, next: this.#behindAll(got, read, seen) };
    const to = before(settled ?? '');
    return { lines: placed, next: got.with(wanted).upTo(to < seen.until ? to : seen.until).text };
  }

  /** The place of a reader that has got all that this process has seen, and may have got more from another one. */
  #behindAll(got: GotLines, read: readonly NumberedLine[], seen: GotLines): string {
    const nothingIsLeft = Date.parse(seen.until) >= Date.parse(got.until) + 3 * LATE_MS;
    if (nothingIsLeft || seen.covers(got)) return seen.text;
    return got.with(read).and(seen).text;
  }

  async #placed(
    lines: readonly NumberedLine[],
    copies: Copies,
    before: GotLines,
    settled?: string,
  ): Promise<readonly PlacedRow[]> {
    const fresh = this.isDeduped ? newOnes(lines, copies, before) : new Set(lines);
    const shown = new Map(
      (this.#show === undefined ? lines : await this.#show(lines.filter((line) => fresh.has(line)))).map(
        (line) => [`${line.run} ${line.seq}`, line],
      ),
    );
    const placed: PlacedRow[] = [];
    let got = before;
    let last = '';
    for (const line of lines) {
      // The lines before have come, whatever becomes visible later.
      if (settled !== undefined && line.arrived !== last && last <= settled) got = got.upTo(last);
      last = line.arrived;
      got = got.with([line]);
      const one = shown.get(`${line.run} ${line.seq}`);
      if (one !== undefined) placed.push({ line: one, place: got.text });
    }
    return placed;
  }
}

/** Lines that came before this are all visible. */
function settledBefore(nowMs: number): string {
  return nanos(Math.floor((nowMs - LATE_MS) / STEP_MS) * STEP_MS);
}

/** Just before a time. */
function before(arrived: string): string {
  const ms = Date.parse(arrived);
  return Number.isFinite(ms) ? nanos(ms - 1) : '';
}

function firstBytes(keys: readonly LineKey[]): readonly LineKey[] {
  let bytes = 0;
  const end = keys.findIndex(({ row }, at) => {
    bytes += Number(row.bytes);
    return at > 0 && bytes > PIECE_BYTES;
  });
  return end < 0 ? keys : keys.slice(0, end);
}
