import { addHash } from '../../places/line-hash.ts';
import { BEGINNING, merged, type Place, placeText } from '../../places/place.ts';
import type { Arrangement, Batch, LineSource } from './line-source.ts';

/** A line and the place of a reader that has got it. */
export interface PlacedLine {
  readonly text: string;
  /** `placeText`. */
  readonly place: string;
}

/**
 * `reset`: what the reader has got cannot be told from what it has not. `again`: the file was replaced meanwhile. `end`: nothing
 * more at this version.
 */
export type Step = readonly PlacedLine[] | 'reset' | 'again' | 'end';

interface View {
  readonly lines: readonly PlacedLine[];
  readonly place: Place;
}

/** Place of one reader in one file. */
export class LineCursor {
  readonly #source: LineSource;
  #place: Place;
  #arrangement: Arrangement | undefined;
  #line = 0;
  #offset = 0;
  #isPassed: ((line: number) => boolean) | undefined;
  #until = 0;
  #text: string;

  constructor(source: LineSource, place: Place) {
    this.#source = source;
    this.#place = place;
    this.#text = placeText(place);
  }

  /** `placeText` of the place. */
  get place(): string {
    return this.#text;
  }

  /** Begins again. */
  reset(): void {
    this.#place = BEGINNING;
    this.#text = '';
    this.#arrangement = undefined;
  }

  /** Whether the present file has the place of the reader. */
  async isKept(version: number): Promise<boolean> {
    const arrangement = await this.#source.look(version);
    return arrangement === this.#arrangement || this.#arrive(arrangement);
  }

  /** The next lines. An empty list: only lines that are no records were passed. */
  async next(version: number): Promise<Step> {
    if (!(await this.isKept(version))) return 'reset';
    const arrangement = this.#arrangement;
    if (arrangement === undefined) return 'end';
    const batch = await arrangement.read(this.#line, this.#offset);
    if (batch === undefined) return arrangement.isLeft ? 'again' : 'end';
    return this.#take(batch);
  }

  /** Finds the place in a file that is new to this reader. False when it has none. */
  async #arrive(arrangement: Arrangement): Promise<boolean> {
    if (arrangement.bytes === undefined) {
      this.#arrangement = undefined;
      // A file that begins after the reader did is read from its start.
      return this.#place.prefixes.length === 0;
    }
    this.#isPassed = undefined;
    this.#until = 0;
    this.#line = 0;
    this.#offset = 0;
    if (this.#place.prefixes.length > 0) {
      let isFound = false;
      try {
        await arrangement.use(async () => {
          isFound = await this.#resume(arrangement);
        });
      } catch (error) {
        // Closed before it was used: another file has taken its place, and the next look finds that.
        if (!arrangement.isLeft) throw error;
        this.#arrangement = undefined;
        return true;
      }
      if (!isFound) return false;
    }
    this.#arrangement = arrangement;
    return true;
  }

  async #resume(arrangement: Arrangement): Promise<boolean> {
    const index = await this.#source.indexOf(arrangement);
    const found = index && (await arrangement.resume(this.#place, index));
    if (index === undefined || found === undefined) return false;
    this.#place = found.place;
    this.#text = placeText(found.place);
    this.#isPassed = found.isPassed;
    this.#until = found.until;
    await this.#goTo(arrangement, found.line, index.startBefore(found.line));
    return true;
  }

  async #goTo(
    { bytes }: Arrangement,
    line: number,
    start: { readonly line: number; readonly offset: number },
  ): Promise<void> {
    this.#line = start.line;
    this.#offset = start.offset;
    if (bytes === undefined || this.#line >= line) return;
    for await (const lines of bytes.lines(start.offset)) {
      for (const one of lines) {
        this.#line += 1;
        this.#offset = one.end;
        if (this.#line >= line) return;
      }
    }
  }

  #take(batch: Batch): readonly PlacedLine[] {
    const key = this.#isPassed === undefined ? this.#text : undefined;
    // Made by a cursor at the same place.
    const known = key === undefined ? undefined : (batch.views.get(key) as View | undefined);
    const view = known ?? this.#viewOf(batch);
    if (key !== undefined && known === undefined) batch.views.set(key, view);
    this.#line = batch.line + batch.hashes.length;
    this.#offset = batch.end;
    this.#place = view.place;
    this.#text = placeText(view.place);
    if (this.#line >= this.#until) this.#isPassed = undefined;
    return view.lines;
  }

  #viewOf(batch: Batch): View {
    const arrangement = this.#arrangement?.number ?? 0;
    const isPassed = this.#isPassed;
    const lines: PlacedLine[] = [];
    let { sum, prefixes } = this.#place;
    let entry = 0;
    for (const [at, hash] of batch.hashes.entries()) {
      const number = batch.line + at;
      const isOld = isPassed?.(number) === true;
      if (!isOld) sum = addHash(sum, hash);
      const present = { arrangement, lines: number + 1 };
      prefixes = number + 1 >= this.#until ? [present] : merged(prefixes, present);
      const found = batch.entries[entry];
      if (found?.number !== number) continue;
      entry += 1;
      if (!isOld) lines.push({ text: found.text, place: placeText({ prefixes, sum }) });
    }
    return { lines, place: { prefixes, sum } };
  }
}
