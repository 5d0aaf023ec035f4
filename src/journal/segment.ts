import { lstat, lutimes, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { parseObject } from '../model/json.ts';
import { readText } from '../system/durable.ts';
import { PRIVATE_FILE } from '../system/files/modes.ts';
import { writeNewText } from '../system/files/new-file.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { cursorFileName } from './cursor-files.ts';
import { SegmentCounts } from './segment-counts.ts';
import { formatSegmentName, type SegmentState } from './segment-name.ts';
import { SegmentReader } from './segment-reader.ts';

/** A few destinations with an offset each. Something larger is not ours, and not read. */
const CURSORS_BYTES_MAX = 65_536;

export interface SegmentPlace {
  readonly directory: string;
  readonly id: string;
  readonly path: string;
  /** Keys of the destinations of this process. */
  readonly known: readonly string[];
  /** True while this process appends to it. */
  readonly growing: boolean;
  readonly onBadLine: () => void;
  /**
   * For a segment of an earlier process, before its first record is read: how many records it has, and how many of them
   * each destination had received.
   */
  readonly onCounted?: (records: number, before: ReadonlyMap<string, number>) => void;
}

/** A segment with a reader and a cursor for each destination. */
export class Segment {
  readonly id: string;
  /** Bytes that may be read; undefined: all. */
  readableTo: number | undefined;
  /** Undefined while this process appends to it. */
  #size: number | undefined;
  readonly #place: SegmentPlace;
  #path: string;
  #cursors: Record<string, number> = {};
  #loaded: Promise<void> = Promise.resolve();
  #lastSave: Promise<void> = Promise.resolve();
  /** A save that has not started yet: it covers every cursor set until it starts. */
  #nextSave: Promise<void> | undefined;
  readonly #readers = new Map<string, Promise<SegmentReader>>();
  readonly #finished = new Set<string>();
  readonly counts: SegmentCounts = new SegmentCounts();
  #counting: Promise<void> | undefined;
  #isCounted = false;
  /** The whole lines that were counted so far. */
  #seen = { records: 0, next: 0 };
  /** Its files are removed: no cursor is written any more. */
  #isRemoved = false;
  /** From the header; undefined until the first read. */
  #destinations: readonly string[] | undefined;
  /**
   * Invalid lines before this offset are counted already: several readers pass the same line, and one may read it
   * again.
   */
  #badCountedTo = 0;

  constructor(place: SegmentPlace) {
    this.id = place.id;
    if (!place.growing) this.#size = 0;
    this.#place = place;
    this.#path = place.path;
  }

  /** Nothing is appended any more. */
  complete(size: number): void {
    this.#size = size;
  }

  /** Whether all of it may be read, and nothing is appended any more. */
  get isComplete(): boolean {
    return this.#size !== undefined && (this.readableTo ?? this.#size) >= this.#size;
  }

  /** Reads the cursors of an earlier owner, before anything else is read. */
  loadCursors(): void {
    this.#loaded = this.#load();
  }

  /** Invalid cursors mean sending again, which record ids make harmless. */
  async #load(): Promise<void> {
    try {
      const path = this.#cursorPath();
      if ((await lstat(path)).size > CURSORS_BYTES_MAX) return;
      const value = parseObject(await readText(path)) ?? {};
      for (const [destination, offset] of Object.entries(value)) {
        if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0)
          this.#cursors[destination] = offset;
      }
    } catch {
      // Not written yet, or torn by a crash.
    }
  }

  /** The reader of a destination; undefined when the segment is not for this destination or its file is gone. */
  async reader(destination: string): Promise<SegmentReader | undefined> {
    await this.count();
    if (this.#finished.has(destination)) return undefined;
    let reader = this.#readers.get(destination);
    if (reader === undefined) {
      reader = SegmentReader.open(this.#path, this.#cursors[destination] ?? 0, (offset) => {
        if (offset < this.#badCountedTo) return;
        this.#badCountedTo = offset + 1;
        this.#place.onBadLine();
      });
      this.#readers.set(destination, reader);
    }
    try {
      const opened = await reader;
      // At position 0 the header has not been read yet.
      if (opened.header === undefined && opened.position === 0) await opened.read(1);
      this.#destinations ??= opened.header?.destinations;
    } catch (error) {
      this.#readers.delete(destination);
      await reader.then((opened) => opened.close()).catch(() => undefined);
      if (errnoOf(error) !== 'ENOENT') throw error;
      this.#finished.add(destination);
      return undefined;
    }
    if (this.#destinations !== undefined && !this.#destinations.includes(destination)) {
      await this.finish(destination);
      return undefined;
    }
    return reader;
  }

  /** Counts a segment of an earlier process, once. Rejects when it cannot be read; then the next call tries again. */
  async count(): Promise<void> {
    await this.#loaded;
    if (this.#isCounted || this.#place.onCounted === undefined) return;
    this.#counting ??= this.#countAll(this.#place.onCounted).finally(() => {
      this.#counting = undefined;
    });
    await this.#counting;
  }

  async #countAll(onCounted: NonNullable<SegmentPlace['onCounted']>): Promise<void> {
    let reader: SegmentReader;
    try {
      reader = await SegmentReader.open(this.#path, 0, () => {});
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      this.#isCounted = true;
      return;
    }
    try {
      await reader.read(1);
      this.#destinations ??= reader.header?.destinations;
      const cursors = Object.entries(this.#cursors);
      const { records, next, before } = await reader.count(
        0,
        cursors.map(([, offset]) => offset),
      );
      this.#seen = { records, next };
      const received = new Map(cursors.map(([destination], index) => [destination, before[index] ?? 0]));
      // It is not for the destinations that its header does not name.
      if (this.#destinations !== undefined)
        for (const name of this.#place.known)
          if (!this.#destinations.includes(name)) received.set(name, records);
      this.#isCounted = true;
      onCounted(records, received);
    } finally {
      await reader.close();
    }
  }

  /** Number of records that a destination has not received. Reads only what was not counted before. */
  async countPending(destination: string): Promise<number> {
    const reader = await this.reader(destination);
    if (reader === undefined) return 0;
    // Cut after a failed sync, it is counted again.
    if (this.#size !== undefined && this.#size > 0 && this.#size < this.#seen.next)
      this.#seen = { records: 0, next: 0 };
    const { records, next } = this.#seen;
    const more = await reader.count(next);
    if (this.#seen.next === next) this.#seen = { records: records + more.records, next: more.next };
    return Math.max(0, this.#seen.records - reader.index);
  }

  /** Number of readable records before the place of a destination; undefined when it has no reader. */
  async indexOf(destination: string): Promise<number | undefined> {
    return (await this.#readers.get(destination)?.catch(() => undefined))?.index;
  }

  /** Stores that the destination has received everything before `next`. */
  async advance(destination: string, next: number): Promise<void> {
    if (this.#isRemoved) return;
    await (await this.#readers.get(destination))?.advance(next);
    this.#cursors[destination] = next;
    // Several senders save at the same time: one write runs at a time and covers all earlier changes.
    this.#nextSave ??= this.#lastSave.then(() => {
      this.#nextSave = undefined;
      return this.#saveCursors();
    });
    const saved = this.#nextSave;
    this.#lastSave = saved.catch(() => {});
    await saved;
  }

  async #saveCursors(): Promise<void> {
    // It was asked for before the removal.
    if (this.#isRemoved) return;
    const path = this.#cursorPath();
    // Replaced by a rename, so that a crash leaves the old or the new cursors.
    await writeNewText(`${path}.tmp`, JSON.stringify(this.#cursors), PRIVATE_FILE);
    await rename(`${path}.tmp`, path);
  }

  async finish(destination: string): Promise<void> {
    if (this.#finished.has(destination)) return;
    this.#finished.add(destination);
    const reader = this.#readers.get(destination);
    this.#readers.delete(destination);
    await (await reader)?.close();
  }

  /** Removes it, though destinations have not received all of it. */
  async drop(): Promise<void> {
    this.#isRemoved = true;
    await this.#lastSave;
    await this.#closeReaders();
    await rm(this.#path, { force: true });
    await this.#removeCursors();
  }

  /** Offset up to which all of these destinations have received it. */
  deliveredTo(destinations: readonly string[]): number {
    return Math.min(...destinations.map((destination) => this.#cursors[destination] ?? 0));
  }

  /** Whether all of these destinations are finished. */
  isFinishedFor(destinations: readonly string[]): boolean {
    return destinations.every((destination) => this.#finished.has(destination));
  }

  /**
   * Finishes the destinations that have nothing left to read; true when all of them are finished. For a complete
   * segment.
   */
  async finishIfDrained(destinations: readonly string[]): Promise<boolean> {
    for (const destination of destinations) {
      const reader = await this.reader(destination);
      if (reader === undefined) continue;
      if ((await reader.read(1)).entries.length > 0) return false;
      await this.finish(destination);
    }
    return true;
  }

  /** Shows other hosts that the owner is alive. */
  async touch(): Promise<void> {
    const now = new Date();
    try {
      await lutimes(this.#path, now, now);
    } catch {
      // Gone or read-only. Another process may claim and send it too, which record ids make harmless.
    }
  }

  /**
   * Deletes the segment when every destination in its header has received it; otherwise releases it for a process
   * that knows the others.
   */
  async forget(known: readonly string[]): Promise<'deleted' | 'left'> {
    // Its cursors would be written again after their removal.
    await this.#lastSave;
    await this.#closeReaders();
    if (await this.#isPendingElsewhere(known)) {
      await this.release();
      return 'left';
    }
    this.#isRemoved = true;
    await rm(this.#path, { force: true });
    await this.#removeCursors();
    return 'deleted';
  }

  /** Whether a destination that this process does not know has not received the whole segment. */
  async #isPendingElsewhere(known: readonly string[]): Promise<boolean> {
    const others = (this.#destinations ?? []).filter((destination) => !known.includes(destination));
    if (others.length === 0) return false;
    try {
      const { size } = await lstat(this.#path);
      return others.some((destination) => (this.#cursors[destination] ?? 0) < size);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return false;
    }
  }

  /** Leaves the segment to the next process. */
  async release(): Promise<void> {
    await this.#closeReaders();
    await this.#rename('closed');
  }

  #pathAs(state: SegmentState): string {
    return join(this.#place.directory, formatSegmentName({ id: this.id, owner: ownIdentity(), state }));
  }

  async #rename(state: SegmentState): Promise<void> {
    const to = this.#pathAs(state);
    try {
      await rename(this.#path, to);
      this.#path = to;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  async #closeReaders(): Promise<void> {
    const readers = [...this.#readers.values()];
    this.#readers.clear();
    for (const reader of await Promise.allSettled(readers)) {
      if (reader.status === 'fulfilled') await reader.value.close();
    }
  }

  async #removeCursors(): Promise<void> {
    try {
      await rm(this.#cursorPath(), { force: true });
    } catch (error) {
      // A folder in its place is not ours.
      if (errnoOf(error) !== 'ERR_FS_EISDIR') throw error;
    }
  }

  #cursorPath(): string {
    return join(this.#place.directory, cursorFileName(this.id));
  }
}
