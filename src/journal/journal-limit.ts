import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import type { JournalFull, JournalLimit } from '../model/journal-full.ts';
import { isJournalName, parseSegmentName, type SegmentState } from './segment-name.ts';
import { SEGMENT_FILE_BYTES_MAX } from './segment-reader.ts';
import { SEGMENT_BYTES_MAX } from './segment-writer.ts';

/** Segments are removed from this share of the bound on: their place is free when the next records come. */
const REMOVE_SHARE = 0.8;

/** Milliseconds for which a look at a full directory holds. */
const LOOK_MS = 50;

/** Pause after a look at a full directory, as a multiple of the time that it took. */
const LOOK_SHARE = 20;

/** Records are dropped by the segment; so many fit into the bound. */
const SEGMENTS_MIN = 16;

/** A segment in a directory that is too large. */
export interface FoundSegment {
  readonly name: string;
  readonly id: string;
  readonly state: SegmentState;
}

/** The settings that bound the journal. */
interface LimitSettings {
  readonly journalMax: number | undefined;
  readonly journalFull: JournalFull;
}

export function journalLimitOf({ journalMax, journalFull }: LimitSettings): JournalLimit | undefined {
  return journalMax === undefined ? undefined : { bytesMax: journalMax, full: journalFull };
}

interface BoundCalls {
  /** Returns how many records are lost. */
  remove(found: FoundSegment): Promise<number>;
  /** Whether a segment cannot be read: it is not removed either. */
  isAside(id: string): boolean;
}

interface BoundOptions {
  readonly directory: string;
  readonly books: Books;
  readonly limit?: JournalLimit | undefined;
}

/** Keeps the directory of a journal within its bound. */
export class JournalBound {
  readonly #options: BoundOptions;
  readonly #calls: BoundCalls;
  #running = false;
  #lost = 0;

  constructor(options: BoundOptions, calls: BoundCalls) {
    this.#options = options;
    this.#calls = calls;
  }

  /** Removes segments while there are too many bytes. Never rejects. */
  async keep(): Promise<void> {
    const { limit, directory, books } = this.#options;
    if (limit === undefined || this.#running) return;
    this.#running = true;
    try {
      const failed = await this.#removeAll(
        await segmentsOver(directory, limit, (id) => this.#calls.isAside(id)),
      );
      books.setNotice('journal bound', boundText(limit, this.#lost));
      books.setReason('journal bound', failed && notRemoved(failed));
    } catch (error) {
      books.setReason('journal bound', notRemoved(messageOf(error)));
    } finally {
      this.#running = false;
    }
  }

  /** Returns why one could not be removed. */
  async #removeAll(segments: readonly FoundSegment[]): Promise<string | undefined> {
    let failed: string | undefined;
    for (const found of segments) {
      try {
        this.#lost += await this.#calls.remove(found);
      } catch (error) {
        failed = messageOf(error);
      }
    }
    return failed;
  }
}

function notRemoved(reason: string): string {
  return `waiting records cannot be removed: ${reason}`;
}

function boundText({ full, bytesMax }: JournalLimit, records: number): string | undefined {
  if (records === 0) return undefined;
  return `it has reached TASK_LOGS_JOURNAL_MAX (${bytesMax} bytes): the ${full} records are dropped, ${records} so far`;
}

function segmentBytesOf(limit: JournalLimit | undefined): number {
  const bytes = Math.floor((limit?.bytesMax ?? Number.POSITIVE_INFINITY) / SEGMENTS_MIN);
  return Math.min(SEGMENT_BYTES_MAX, bytes);
}

/**
 * The segments to remove, so that the directory keeps its bound. All processes in a directory find the same ones, and each
 * removes its own. Segments to which a process appends are left out: they are small.
 */
async function segmentsOver(
  directory: string,
  limit: JournalLimit,
  isAside: (id: string) => boolean,
): Promise<readonly FoundSegment[]> {
  const found: (FoundSegment & { readonly bytes: number })[] = [];
  let sum = 0;
  for (const name of await namesOf(directory)) {
    const parsed = parseSegmentName(name);
    if (!isJournalName(name) || (parsed !== undefined && isAside(parsed.id))) continue;
    const bytes = await sizeOf(join(directory, name));
    sum += bytes;
    if (parsed === undefined) continue;
    const { id, state } = parsed;
    if (state !== 'open' || bytes >= segmentBytesOf(limit)) found.push({ name, id, state, bytes });
  }
  // Ids begin with the time.
  found.sort((a, b) => (a.id < b.id ? -1 : 1));
  if (limit.full === 'newest') found.reverse();
  const over: FoundSegment[] = [];
  for (const segment of found) {
    if (sum <= REMOVE_SHARE * limit.bytesMax) break;
    sum -= segment.bytes;
    over.push(segment);
  }
  return over;
}

/**
 * Whether a directory has reached its bound, for the thread that records: it may be faster than the removal of segments, and
 * a process that only records has none.
 */
function fullCheck(directory: string, limit: JournalLimit): () => boolean {
  let until = 0;
  return () => {
    if (performance.now() < until) return true;
    const startedAt = performance.now();
    const isFull = bytesIn(directory) > limit.bytesMax - segmentBytesOf(limit);
    // Asked for each new segment while there is room, and for each write while there is none.
    // A look at many files takes long: at most a twentieth of the time goes into looks.
    const now = performance.now();
    if (isFull) until = now + Math.max(LOOK_MS, LOOK_SHARE * (now - startedAt));
    return isFull;
  };
}

/** The options of a `SegmentWriter` in a directory with a bound. */
export function boundOf(directory: string, limit: JournalLimit | undefined): BoundWriterOptions {
  if (limit === undefined) return {};
  return { segmentBytesMax: segmentBytesOf(limit), isFull: fullCheck(directory, limit) };
}

interface BoundWriterOptions {
  readonly segmentBytesMax?: number;
  isFull?(): boolean;
}

function bytesIn(directory: string): number {
  try {
    const names = readdirSync(directory).filter(isJournalName);
    const sizes = names.map((name) => lstatSync(join(directory, name), { throwIfNoEntry: false }));
    return sizes.reduce((sum, stats) => sum + bytesOf(stats), 0);
  } catch {
    // Not made yet, or not readable: the write says so.
    return 0;
  }
}

async function namesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return bytesOf(await lstat(path));
  } catch {
    // Another process has renamed or removed it.
    return 0;
  }
}

/** Something else in the place of a segment takes no room from the records. */
function bytesOf(stats: Stats | undefined): number {
  return stats?.isFile() === true && stats.size <= SEGMENT_FILE_BYTES_MAX ? stats.size : 0;
}
