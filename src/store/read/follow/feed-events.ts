import { TasktrailError } from '../../../errors.ts';
import type { StreamEvent } from '../../../model/event-stream.ts';
import type { FeedReader, PlacedFeedPage } from '../feed-reader.ts';
import type { Watch } from './change-signal.ts';
import type { StreamPart } from './tasks-stream.ts';

/** Events of one reading. */
const PAGE_ITEMS = 500;

/** Pages that are kept for the readers behind. */
const PAGES_MAX = 8;

/** An event of the feed and the place behind it. */
export interface FeedEvent {
  readonly text: string;
  readonly cursor: string;
}

export interface FeedPiece {
  readonly events: readonly FeedEvent[];
  readonly next: string;
}

/** The feed, read once for all readers at the same place. */
export class FollowedFeed {
  readonly #reader: FeedReader;
  readonly #pages = new Map<string, FeedPiece>();
  readonly #reading = new Map<string, Promise<FeedPiece>>();
  #watch: Watch | undefined;
  #readers = 0;

  constructor(reader: FeedReader) {
    this.#reader = reader;
  }

  enter(): Watch {
    this.#readers += 1;
    this.#watch ??= this.#reader.watch();
    return this.#watch;
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    this.#watch?.close();
    this.#watch = undefined;
    this.#pages.clear();
  }

  /** The cursor behind the last event. */
  end(): Promise<string> {
    return this.#reader.end();
  }

  /** `ERR_GONE` for a cursor whose events are no longer kept; `ERR_INPUT_INVALID` for what is no cursor. */
  read(after: string): Promise<FeedPiece> {
    const kept = this.#pages.get(after);
    if (kept !== undefined) return Promise.resolve(kept);
    const reading = this.#reading.get(after) ?? this.#load(after).finally(() => this.#reading.delete(after));
    this.#reading.set(after, reading);
    return reading;
  }

  async #load(after: string): Promise<FeedPiece> {
    const page = await this.#reader.read({ limit: PAGE_ITEMS, ...(after !== '' && { after }) });
    const piece = pieceOf(page);
    if (piece.next === after || piece.events.length === 0) return piece;
    this.#pages.set(after, piece);
    for (const [oldest] of this.#pages) if (this.#pages.size > PAGES_MAX) this.#pages.delete(oldest);
    return piece;
  }
}

function pieceOf({ items, cursors, nextCursor }: PlacedFeedPage): FeedPiece {
  return { events: items.map((text, at) => ({ text, cursor: cursors[at] ?? '' })), next: nextCursor };
}

/** The events of all workflows for one reader. */
export class FeedEvents implements StreamPart {
  readonly taskId: string | undefined = undefined;
  readonly #feed: FollowedFeed;
  readonly #watch: Watch;
  readonly #type: string | undefined;
  #after: string;
  #isLeft = false;

  /** `after`: a cursor, or `''` for the oldest event. */
  constructor(feed: FollowedFeed, after: string, type: string | undefined) {
    this.#feed = feed;
    this.#watch = feed.enter();
    this.#after = after;
    this.#type = type;
  }

  get place(): string {
    return this.#after;
  }

  get version(): number {
    return this.#watch.version;
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#watch.changed(seen, signal);
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#feed.leave();
  }

  async step(): Promise<readonly StreamEvent[] | 'end'> {
    for (;;) {
      const piece = await this.#read();
      if (piece === undefined) return [feedReset()];
      const isEnd = piece.next === this.#after;
      this.#after = piece.next;
      const events = this.#eventsOf(piece);
      if (events.length > 0) return events;
      if (isEnd) return 'end';
    }
  }

  async #read(): Promise<FeedPiece | undefined> {
    try {
      return await this.#feed.read(this.#after);
    } catch (error) {
      if (!(error instanceof TasktrailError) || error.code !== 'ERR_GONE') throw error;
      this.#after = '';
      return undefined;
    }
  }

  #eventsOf(piece: FeedPiece): readonly StreamEvent[] {
    const key = this.#type ?? '';
    const known = VIEWS.get(piece)?.get(key);
    if (known !== undefined) return known;
    const events = piece.events
      .filter(({ text }) => this.#type === undefined || eventTypeOf(text) === this.#type)
      .map(({ text, cursor }) => ({ event: 'event', data: text, id: cursor }));
    const views = VIEWS.get(piece) ?? new Map<string, readonly StreamEvent[]>();
    VIEWS.set(piece, views.set(key, events));
    return events;
  }
}

/** What readers have made of a piece, by the type of event. */
const VIEWS = new WeakMap<FeedPiece, Map<string, readonly StreamEvent[]>>();

/** The feed holds objects only. */
function eventTypeOf(text: string): unknown {
  return (JSON.parse(text) as { readonly event_type?: unknown }).event_type;
}

function feedReset(): StreamEvent {
  const reason = 'the events after this place are no longer kept: the oldest ones follow';
  return { event: 'reset', data: JSON.stringify({ reason }), id: undefined };
}
