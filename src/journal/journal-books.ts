import type { Tally } from '../books.ts';
import { namesIn } from '../system/files/optional-files.ts';
import type { AppenderOptions } from './appender.ts';
import type { Segment } from './segment.ts';
import type { CountedPlace, SegmentCounts } from './segment-counts.ts';
import type { Batch } from './segment-reader.ts';

/** Forgotten segments whose counts are kept: a sync that fails later appends a part of the last ones again. */
const FORGOTTEN_MAX = 64;

export interface JournalOptions extends Omit<AppenderOptions, 'deliveredTo'> {
  /**
   * Called before this journal takes responsibility for a segment, and when it has none any more: whatever runs this journal
   * may end before its process does, and others would take the segments for owned.
   */
  onSegment?(id: string, path: string | undefined): void;
  /** Called before a cursor passes records or a segment is removed: what was counted about them is not counted again. */
  beforeAdvance?(): void;
}

/** Brings what becomes of the records of a journal into the books, each record once for each destination. */
export class JournalBooks {
  readonly #options: JournalOptions;
  readonly #again = new Map<string, number>();
  readonly #forgotten = new Map<string, SegmentCounts>();
  /** Places that have changed since they were taken. */
  #places = new Map<string, CountedPlace>();

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /**
   * A segment of an earlier process was read: `before` of its records each destination has received. `counted`: how far an
   * earlier thread of this process has come.
   */
  claimed(
    { id, counts }: Segment,
    read: { readonly records: number; readonly before: ReadonlyMap<string, number> },
    counted: Readonly<Record<string, number>> = {},
  ): void {
    const { books, destinations } = this.#options;
    for (const destination of destinations) {
      const index = counted[destination] ?? read.before.get(destination) ?? 0;
      counts.begin(destination, index);
      if (counted[destination] !== undefined) continue;
      this.#note({ id, destination, index });
      if (read.records > index) books.countClaimed(destination, read.records - index);
    }
    counts.complete(read.records);
  }

  /** Nothing is appended to a segment any more, which has so many records. */
  complete(id: string, records: number, segment: Segment | undefined): void {
    const counts = segment?.counts ?? this.#forgotten.get(id);
    if (counts === undefined) return;
    counts.complete(records);
    for (const destination of this.#options.destinations)
      this.#again.set(destination, (this.#again.get(destination) ?? 0) + counts.takeAgain(destination));
  }

  /** Counts the outcome of a batch; nothing when it is counted already. */
  settle(segment: Segment, destination: string, { index, entries }: Batch, tally: Tally): void {
    this.#count(segment, destination, index + entries.length, tally);
  }

  /** The destination has read a segment to its end, or cannot: what is not counted then is delivered, or lost. */
  async settleRest(segment: Segment, destination: string, readable: number | undefined): Promise<void> {
    const { books } = this.#options;
    const { counts } = segment;
    const { total } = counts;
    if (total === undefined) return;
    // An earlier thread has sent them, and ended before it could say so.
    if (readable !== undefined) this.#count(segment, destination, Math.min(readable, total), emptyTally());
    const rest = total - (counts.counted(destination) ?? 0);
    if (rest <= 0) return;
    const isLeft = readable === undefined && (await this.#isTaken(segment));
    const lost = counts.countTo(destination, total);
    if (lost === 0) return;
    this.#note({ id: segment.id, destination, index: total });
    if (isLeft) books.countLeft(destination, lost);
    else books.countLost(destination, readable === undefined ? 'segment_gone' : 'damaged', lost);
  }

  /** The segment is removed because the journal is full. Returns the number of records that a destination loses most. */
  drop(segment: Segment): number {
    const { books, destinations } = this.#options;
    let most = 0;
    for (const destination of destinations) {
      const lost = segment.counts.countTo(destination, segment.counts.total ?? 0);
      if (lost === 0) continue;
      this.#note({ id: segment.id, destination, index: segment.counts.total ?? 0 });
      books.countLost(destination, 'journal_full', lost);
      most = Math.max(most, lost);
    }
    return most;
  }

  forget({ id, counts }: Segment): void {
    this.#forgotten.set(id, counts);
    const [oldest] = this.#forgotten.keys();
    if (this.#forgotten.size > FORGOTTEN_MAX && oldest !== undefined) this.#forgotten.delete(oldest);
  }

  /** The places that have changed since the last call. */
  takePlaces(): readonly CountedPlace[] {
    const places = [...this.#places.values()];
    this.#places = new Map();
    return places;
  }

  #count(segment: Segment, destination: string, index: number, tally: Tally): void {
    const fresh = segment.counts.countTo(destination, index);
    if (fresh === 0) return;
    this.#note({ id: segment.id, destination, index });
    const again = Math.min(this.#again.get(destination) ?? 0, fresh);
    if (again > 0) this.#again.set(destination, (this.#again.get(destination) ?? 0) - again);
    this.#options.books.countTally(destination, sized(tally, fresh - again));
  }

  #note(place: CountedPlace): void {
    this.#places.set(`${place.id} ${place.destination}`, place);
  }

  /** Whether the segment has another name now: another process has claimed it. */
  async #isTaken({ id }: Segment): Promise<boolean> {
    const names = await namesIn(this.#options.directory).catch((): string[] => []);
    return names.some((name) => name.startsWith(`${id}~`));
  }
}

export function emptyTally(): Tally {
  return { delivered: 0, unsent: 0, dropped: new Map() };
}

/** The tally for another number of records: more were delivered by an earlier thread, fewer because some are counted. */
function sized(tally: Tally, records: number): Tally {
  let rest = records;
  const take = (count: number): number => {
    const taken = Math.min(count, rest);
    rest -= taken;
    return taken;
  };
  // Losses first: of what is counted already, most was delivered.
  const dropped = new Map([...tally.dropped].map(([reason, count]) => [reason, take(count)]));
  const unsent = take(tally.unsent);
  return { delivered: rest, unsent, dropped };
}
