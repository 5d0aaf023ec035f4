import { renameSync } from 'node:fs';
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { parseObject } from '../model/json.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { cursorFileName, formatSegmentName, type SegmentState } from './segment-name.ts';
import { SegmentReader } from './segment-reader.ts';

export interface SegmentPlace {
  readonly directory: string;
  readonly id: string;
  readonly path: string;
  /** Whether this process still appends to it. */
  readonly growing: boolean;
  readonly onBadLine: () => void;
}

/** One segment as its senders see it: a reader and a cursor for each destination. */
export class Segment {
  readonly id: string;
  growing: boolean;
  readonly #place: SegmentPlace;
  #path: string;
  #cursors: Record<string, number> = {};
  #lastSave: Promise<void> = Promise.resolve();
  /** Not begun yet: whoever comes now is told of by it. */
  #nextSave: Promise<void> | undefined;
  readonly #readers = new Map<string, Promise<SegmentReader>>();
  readonly #finished = new Set<string>();
  /** From its header; undefined as long as nobody has read it. */
  #destinations: readonly string[] | undefined;
  /** Bad lines before it are counted: readers pass the same line, and a reader may pass it again. */
  #badCountedTo = 0;

  constructor(place: SegmentPlace) {
    this.id = place.id;
    this.growing = place.growing;
    this.#place = place;
    this.#path = place.path;
  }

  /** Reads the cursors that an earlier owner left; unreadable ones mean sending again, which ids make harmless. */
  async loadCursors(): Promise<void> {
    try {
      const value = parseObject(await readFile(this.#cursorPath(), 'utf8')) ?? {};
      for (const [destination, offset] of Object.entries(value)) {
        if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0)
          this.#cursors[destination] = offset;
      }
    } catch {
      // None yet, or torn by a crash.
    }
  }

  /** The destination's reader, or undefined when this segment is not meant for it or the file is gone. */
  async reader(destination: string): Promise<SegmentReader | undefined> {
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
      // A position of 0 has not seen the header; a first read does.
      if (opened.header === undefined && opened.position === 0) await opened.read(1);
      this.#destinations ??= opened.header?.destinations;
    } catch (error) {
      this.#readers.delete(destination);
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

  /** The destination has everything up to `next`. */
  async advance(destination: string, next: number): Promise<void> {
    await (await this.#readers.get(destination))?.advance(next);
    this.#cursors[destination] = next;
    // Senders of several destinations come at once: one write at a time, which tells of all that came before it.
    this.#nextSave ??= this.#lastSave.then(() => {
      this.#nextSave = undefined;
      return this.#saveCursors();
    });
    const saved = this.#nextSave;
    this.#lastSave = saved.catch(() => {});
    await saved;
  }

  async #saveCursors(): Promise<void> {
    const path = this.#cursorPath();
    // A rename, so that a crash leaves the old cursors or the new ones.
    await writeFile(`${path}.tmp`, JSON.stringify(this.#cursors), { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  }

  async finish(destination: string): Promise<void> {
    if (this.#finished.has(destination)) return;
    this.#finished.add(destination);
    const reader = this.#readers.get(destination);
    this.#readers.delete(destination);
    await (await reader)?.close();
  }

  /** Whether this process has nothing more to do with it, of the destinations that it knows. */
  isFinishedFor(destinations: readonly string[]): boolean {
    return destinations.every((destination) => this.#finished.has(destination));
  }

  /** Whether nothing is left to read for any of these; then it is finished. For a segment that grows no more. */
  async finishWhatIsRead(destinations: readonly string[]): Promise<boolean> {
    for (const destination of destinations) {
      const reader = await this.reader(destination);
      if (reader === undefined) continue;
      if ((await reader.read(1)).entries.length > 0) return false;
      await this.finish(destination);
    }
    return true;
  }

  /** Tells other hosts that its owner lives. */
  async touch(): Promise<void> {
    const now = new Date();
    try {
      await utimes(this.#path, now, now);
    } catch {
      // Gone or read-only: whoever comes to hold it as well sends it again, and ids make that harmless.
    }
  }

  /** Deletes a segment that every destination in its header has; otherwise leaves it to a process that knows them. */
  async forget(known: readonly string[]): Promise<'deleted' | 'left'> {
    await this.#closeReaders();
    if (await this.#isWantedBeside(known)) {
      await this.release();
      return 'left';
    }
    await rm(this.#path, { force: true });
    await rm(this.#cursorPath(), { force: true });
    return 'deleted';
  }

  /** Whether a destination that we do not know has not had it all. */
  async #isWantedBeside(known: readonly string[]): Promise<boolean> {
    const others = (this.#destinations ?? []).filter((destination) => !known.includes(destination));
    if (others.length === 0) return false;
    try {
      const { size } = await stat(this.#path);
      return others.some((destination) => (this.#cursors[destination] ?? 0) < size);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return false;
    }
  }

  /** Leaves it to whoever finds it. */
  async release(): Promise<void> {
    await this.#closeReaders();
    await this.#rename('closed');
  }

  /** As `release`, for the end of a process or thread. What refuses keeps its name, which tells the same in time. */
  releaseSync(): void {
    try {
      renameSync(this.#path, this.#pathAs('closed'));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
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

  #cursorPath(): string {
    return join(this.#place.directory, cursorFileName(this.id));
  }
}
