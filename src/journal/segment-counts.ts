/** A segment by its id and its present path. */
export interface SegmentFile {
  readonly id: string;
  readonly path: string;
}

/** A segment that this process writes. */
export interface WrittenSegment extends SegmentFile {
  /** Bytes that may be read; undefined: all. */
  readonly readableTo: number | undefined;
  /** Bytes in the end; undefined while it is appended to. */
  readonly size: number | undefined;
  /** Number of records in the end; undefined while it is appended to. */
  readonly entries: number | undefined;
}

/** A segment of an earlier process or thread. */
export interface LeftSegment extends WrittenSegment {
  /** Whether another process has written it. */
  readonly isClaimed?: boolean | undefined;
  /** By destination: how many of its records an earlier thread of this process has brought into the books. */
  readonly counted?: Readonly<Record<string, number>> | undefined;
}

/** What is known of a segment when it is found. */
export interface SegmentOrigin extends Pick<LeftSegment, 'isClaimed' | 'counted'> {
  /** Whether it is appended to. */
  readonly growing: boolean;
}

/** A place up to which the records of a segment are in the books. Plain data: a later thread goes on from there. */
export interface CountedPlace {
  readonly id: string;
  readonly destination: string;
  /** Number of records of the segment. */
  readonly index: number;
}

/** Records of a part of a segment whose line is complete: `bytes` may end within one. */
export function completeEntries(bytes: Buffer): number {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  return lines.filter((line) => !line.startsWith('C')).length;
}

/**
 * Which records of a segment are in the books, by destination. Each record has its number within the segment, so a batch that
 * is sent twice counts once, and so does one that was sent and not noted before the end of a thread.
 */
export class SegmentCounts {
  readonly #counted = new Map<string, number>();
  /** Records that were appended again, to another segment, after they had been counted. */
  readonly #again = new Map<string, number>();
  /** Undefined while it is not known how many records the segment has. */
  #total: number | undefined;

  /** Where a destination stands; undefined when nothing was counted for it. */
  counted(destination: string): number | undefined {
    return this.#counted.get(destination);
  }

  begin(destination: string, index: number): void {
    this.#counted.set(destination, index);
  }

  get total(): number | undefined {
    return this.#total;
  }

  /** The segment has so many records in the end. Called again when it was cut: the others come again in another one. */
  complete(total: number): void {
    this.#total = total;
    for (const [destination, counted] of this.#counted) {
      const excess = counted - total;
      if (excess <= 0) continue;
      this.#again.set(destination, (this.#again.get(destination) ?? 0) + excess);
      this.#counted.set(destination, total);
    }
  }

  /** Takes the records that come again out of the account. */
  takeAgain(destination: string): number {
    const again = this.#again.get(destination) ?? 0;
    this.#again.delete(destination);
    return again;
  }

  /** Records before `index` that are not in the books yet; they are from now on. */
  countTo(destination: string, index: number): number {
    const before = this.#counted.get(destination) ?? 0;
    // Lines beyond the end come again in the next segment: a write has failed half-way.
    const to = Math.min(index, this.#total ?? index);
    if (to <= before) return 0;
    this.#counted.set(destination, to);
    return to - before;
  }
}
