import { unreadable } from '../../file-errors.ts';
import { lineHash } from '../../places/line-hash.ts';
import { movesDone, readMoves } from '../../places/moves.ts';
import type { OffsetIndex } from '../../places/offset-index.ts';
import { BEGINNING, type Place, placeText, type Resumption, resume } from '../../places/place.ts';
import { openBytes, pathIdentity, type StoredBytes } from '../../places/stored-bytes.ts';
import type { NamedFile } from '../../stored-file.ts';
import { storedText } from '../../task-file.ts';
import { SentCopies } from '../sent-copies.ts';
import type { Indexes } from '../window/indexes.ts';

/** Lines are read in batches of about this size: some wait for slow readers, so they are small. */
const BATCH_BYTES = 65_536;

/** Batches that are kept for the readers behind, in bytes. The last one is kept whatever its size. */
const KEPT_BYTES_MAX = 1_048_576;

/** Readers of the same lines come for them within this time; a batch is not kept longer. */
const KEPT_MS = 2_000;

/** Places of readers that were found in one file. */
const RESUMED_MAX = 64;

/** A line of a batch. */
export interface Entry {
  readonly text: string;
  readonly number: number;
}

/** Whole lines of a file. Readers at the same place get the same one. */
export interface Batch {
  readonly line: number;
  /** The valid lines. */
  readonly entries: readonly Entry[];
  /** Of all lines. */
  readonly hashes: readonly number[];
  readonly end: number;
  readonly bytes: number;
  /** What readers have made from it. */
  readonly views: Map<string, unknown>;
}

/** One file in the place of the path. Another one comes when the store puts the lines in order, or gzips them. */
export class Arrangement {
  /** Undefined while there is no file. */
  readonly bytes: StoredBytes | undefined;
  readonly identity: string | undefined;
  /** Number of rewritings before it. */
  readonly number: number;
  readonly moves: Awaited<ReturnType<typeof readMoves>>;
  /** At the last look. Infinite for a file that another program has gzipped, before it was read. */
  size = 0;
  readonly #batches = new Map<number, Batch>();
  readonly #reading = new Map<number, Promise<Batch | undefined>>();
  #keptBytes = 0;
  /** A line without its newline, and up to where it was searched. */
  #unfinished: { readonly from: number; size: number } | undefined;
  readonly #resumed = new Map<string, Promise<Resumption | undefined>>();
  /** Where a file that another program has gzipped ends. */
  #end = Number.POSITIVE_INFINITY;
  #isLeft = false;
  #users = 0;
  #forgetting: NodeJS.Timeout | undefined;

  constructor(bytes: StoredBytes | undefined, moves: Awaited<ReturnType<typeof readMoves>>) {
    this.bytes = bytes;
    this.identity = bytes?.identity;
    this.moves = moves;
    this.number = moves.length;
  }

  /** The lines from an offset on. Undefined at the end. */
  read(line: number, from: number): Promise<Batch | undefined> {
    const kept = this.#batches.get(from);
    if (kept !== undefined) return Promise.resolve(kept);
    if (from >= this.size) return Promise.resolve(undefined);
    const reading = this.#reading.get(from) ?? this.#load(line, from);
    this.#reading.set(from, reading);
    return reading;
  }

  /** Looks how long the file is now. */
  async measure(): Promise<void> {
    const { bytes } = this;
    this.size = bytes === undefined ? 0 : ((await bytes.size()) ?? this.#end);
  }

  /** `resume` in this file. After a sorting all readers come with a few places. */
  resume(place: Place, index: OffsetIndex): Promise<Resumption | undefined> {
    const key = placeText(place);
    const found = this.#resumed.get(key) ?? resume(place, index, this.moves);
    if (this.#resumed.size < RESUMED_MAX) this.#resumed.set(key, found);
    return found;
  }

  /** Whether another file has taken its place: nothing more is read from this one. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Keeps the file open while `work` reads it by itself. */
  async use(work: () => Promise<void>): Promise<void> {
    this.#users += 1;
    try {
      await work();
    } finally {
      this.#users -= 1;
      await this.#closeIfLeft();
    }
  }

  /** Closes the file once what is being read has been read. */
  leave(): void {
    this.#isLeft = true;
    void this.#closeIfLeft();
  }

  async #load(line: number, from: number): Promise<Batch | undefined> {
    try {
      const batch = await this.#readBatch(line, from);
      if (batch !== undefined) this.#keep(from, batch);
      return batch;
    } finally {
      this.#reading.delete(from);
      await this.#closeIfLeft();
    }
  }

  async #closeIfLeft(): Promise<void> {
    if (this.#isLeft && this.#reading.size === 0 && this.#users === 0)
      await this.bytes?.close().catch(() => undefined);
  }

  async #readBatch(line: number, from: number): Promise<Batch | undefined> {
    const { bytes } = this;
    if (bytes === undefined || this.#isLeft) return undefined;
    if (this.#unfinished?.from === from && !(await this.#isFinished(bytes))) return undefined;
    const copies = new SentCopies();
    const entries: Entry[] = [];
    const hashes: number[] = [];
    let end = from;
    for await (const lines of bytes.lines(from)) {
      for (const one of lines) {
        if (!one.isTerminated) break;
        const text = storedText(one);
        if (text !== undefined) {
          copies.add(text);
          entries.push({ text, number: line + hashes.length });
        }
        hashes.push(lineHash(one.bytes));
        end = one.end;
        if (end - from >= BATCH_BYTES) break;
      }
      if (end - from >= BATCH_BYTES) break;
    }
    if (hashes.length === 0) {
      this.#unfinished = { from, size: this.size };
      if (bytes.isGzipped) this.#end = from;
      return undefined;
    }
    const kept = entries.filter(({ text }) => !copies.has(text));
    return { line, entries: kept, hashes, end, bytes: end - from, views: new Map() };
  }

  /** A line of many megabytes that grows is not read again with each of its pieces. */
  async #isFinished(bytes: StoredBytes): Promise<boolean> {
    const unfinished = this.#unfinished;
    if (unfinished === undefined || this.size < unfinished.size) return true;
    if (bytes.isGzipped) return false;
    for await (const lines of bytes.lines(unfinished.size)) if (lines[0]?.isTerminated === true) return true;
    unfinished.size = this.size;
    return false;
  }

  #keep(from: number, batch: Batch): void {
    this.#batches.set(from, batch);
    this.#keptBytes += batch.bytes;
    for (const [offset, { bytes }] of this.#batches) {
      if (this.#keptBytes <= KEPT_BYTES_MAX || this.#batches.size === 1) break;
      this.#batches.delete(offset);
      this.#keptBytes -= bytes;
    }
    this.#forgetting ??= setTimeout(() => this.#forget(), KEPT_MS).unref();
  }

  #forget(): void {
    this.#forgetting = undefined;
    this.#resumed.clear();
    this.#batches.clear();
    this.#keptBytes = 0;
  }
}

/** A line file that several readers follow: each piece of it is read once for all of them. */
export class LineSource {
  readonly #file: NamedFile;
  readonly #indexes: Indexes;
  #present = new Arrangement(undefined, []);
  #isClosed = false;
  #looked: { readonly version: number; readonly found: Promise<Arrangement> } | undefined;

  constructor(file: NamedFile, indexes: Indexes) {
    this.#file = file;
    this.#indexes = indexes;
  }

  /** The file as it was at the first call with this version, or later. */
  look(version: number): Promise<Arrangement> {
    if (this.#looked?.version !== version) {
      const before = this.#looked?.found.catch(() => undefined);
      const looked = { version, found: this.#look(before) };
      this.#looked = looked;
      // A failure is no answer for those who come later.
      looked.found.catch(() => {
        if (this.#looked === looked) this.#looked = undefined;
      });
    }
    return this.#looked.found;
  }

  /** The index of an arrangement's lines. */
  async indexOf({ bytes }: Arrangement): Promise<OffsetIndex | undefined> {
    return bytes === undefined ? undefined : this.#indexes.of(this.#file, bytes);
  }

  /** The place behind all whole lines that the file has now. */
  async end(version: number): Promise<Place> {
    const arrangement = await this.look(version);
    let place = BEGINNING;
    await arrangement.use(async () => {
      const index = await this.indexOf(arrangement);
      const lines = index?.lines ?? 0;
      if (index !== undefined && lines > 0)
        place = { prefixes: [{ arrangement: arrangement.number, lines }], sum: index.sum(lines) };
    });
    return place;
  }

  close(): void {
    this.#isClosed = true;
    this.#present.leave();
  }

  async #look(before: Promise<unknown> | undefined): Promise<Arrangement> {
    await before;
    if (this.#isClosed) return this.#present;
    try {
      const identity = await pathIdentity(this.#file.path);
      if (identity !== this.#present.identity || (await this.#isCut())) await this.#open();
      await this.#present.measure();
      return this.#present;
    } catch (error) {
      throw unreadable(this.#file.what, error);
    }
  }

  /** By another program, or by a store that starts and finds half a line. */
  async #isCut(): Promise<boolean> {
    const size = await this.#present.bytes?.size();
    return size !== undefined && size < this.#present.size;
  }

  async #open(): Promise<void> {
    const bytes = await openBytes(this.#file);
    // After the file is open: the store writes the history first.
    let moves = await readMoves(this.#file.path);
    if (bytes !== undefined && moves.length > 0) {
      const index = await this.#indexes.of(this.#file, bytes);
      moves = movesDone(moves, index);
    }
    this.#present.leave();
    this.#present = new Arrangement(bytes, moves);
    // Closed meanwhile.
    if (this.#isClosed) this.#present.leave();
  }
}
