import type { StreamEvent } from '../../../model/event-stream.ts';
import { type JsonObject, parseObject } from '../../../model/json.ts';
import type { StoredWorkflow } from '../../../model/workflow.ts';
import type { Watch } from './change-signal.ts';
import type { FeedPiece, FollowedFeed } from './feed-events.ts';
import type { StreamPart } from './tasks-stream.ts';
import { checksum } from './tasks-stream.ts';

/** What a reader of a workflow has got. */
export interface WorkflowPlace {
  /** Events of the workflow's own file, of those that are not behind the place in the feed; undefined: all of them. */
  readonly events: number | undefined;
  /** Cursor of the feed. */
  readonly feed: string;
  readonly state: number;
  readonly isOver: boolean;
}

const PLACE = /^([0-9a-z]{1,9}|f)\.([0-9a-z]{1,7})\.([01])\.([A-Za-z0-9_-]{1,4000})$/;

export function parseWorkflowPlace(text: string): WorkflowPlace | undefined {
  const found = PLACE.exec(text);
  if (found === null) return undefined;
  const [, events = '', state = '', isOver, feed = ''] = found;
  return {
    events: events === 'f' ? undefined : Number.parseInt(events, 36),
    feed,
    state: Number.parseInt(state, 36),
    isOver: isOver === '1',
  };
}

/**
 * The events of one workflow for one reader: first those of its file, then those that the feed brings. The feed is never put
 * in another order, so that a place in it stays one.
 */
export class WorkflowEvents implements StreamPart {
  readonly taskId: string | undefined = undefined;
  readonly #id: string;
  readonly #feed: FollowedFeed;
  readonly #watch: Watch;
  readonly #read: (moment: string) => Promise<StoredWorkflow | undefined>;
  /** Those of the file that are left. */
  #stored: readonly string[] | undefined;
  #events: number | undefined;
  /** Ids of events that were sent from the file. The feed may get them after the file. */
  readonly #sent = new Set<unknown>();
  #after: string;
  #state: number;
  #isOver: boolean;
  #isChanged = true;
  #isGone = false;
  #isLeft = false;
  #workflow: StoredWorkflow | undefined;

  constructor(parts: {
    readonly id: string;
    readonly feed: FollowedFeed;
    /** Readers that have got the same of the feed share one reading. */
    readonly read: (moment: string) => Promise<StoredWorkflow | undefined>;
    readonly start: WorkflowPlace;
  }) {
    this.#id = parts.id;
    this.#feed = parts.feed;
    this.#watch = parts.feed.enter();
    this.#read = parts.read;
    this.#events = parts.start.events;
    this.#after = parts.start.feed;
    this.#state = parts.start.state;
    this.#isOver = parts.start.isOver;
  }

  get place(): string {
    return this.#placeAt(this.#after);
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

  async step(): Promise<readonly StreamEvent[] | 'end' | 'over'> {
    if (this.#isGone) return 'over';
    if (this.#isChanged) {
      this.#isChanged = false;
      this.#workflow = await this.#read(`${this.#watch.version} ${this.#after}`);
      if (this.#workflow === undefined) return this.#gone();
    }
    const state = this.#stateEvents();
    if (state !== undefined) return state;
    if (this.#events !== undefined) {
      const stored = await this.#storedEvents(this.#events);
      if (stored !== undefined) return stored;
    }
    const live = await this.#liveEvents();
    if (live !== undefined) return live;
    return this.#endEvents();
  }

  #stateEvents(): readonly StreamEvent[] | undefined {
    const text = JSON.stringify(this.#workflow?.state);
    const sum = checksum(text);
    if (sum === this.#state) return undefined;
    this.#state = sum;
    if (this.#workflow?.state.completed_at == null) this.#isOver = false;
    return [{ event: 'metadata', data: text, id: this.place }];
  }

  async #storedEvents(from: number): Promise<readonly StreamEvent[] | undefined> {
    this.#stored ??= (await this.#eventsBefore()).slice(from);
    const events = this.#stored.map((data, at) => {
      this.#events = from + at + 1;
      return { event: 'event', data, id: this.place };
    });
    this.#events = undefined;
    this.#stored = undefined;
    const last = events.pop();
    if (last === undefined) return undefined;
    return [...events, { ...last, id: this.place }];
  }

  /** The events of the file without those behind the place in the feed, which come from there. */
  async #eventsBefore(): Promise<readonly string[]> {
    const later = new Set<unknown>();
    for (let after = this.#after; ; ) {
      const { events, next } = await this.#feed.read(after);
      for (const { text } of events) later.add(parseObject(text)?.event_id);
      if (next === after) break;
      after = next;
    }
    const events = this.#workflow?.events ?? [];
    const before = events.filter((event) => !later.has(event.event_id));
    for (const event of before) this.#sent.add(event.event_id);
    return before.map((event) => JSON.stringify(event));
  }

  async #liveEvents(): Promise<readonly StreamEvent[] | undefined> {
    for (;;) {
      const piece = await this.#feed.read(this.#after);
      const isEnd = piece.next === this.#after;
      const events = this.#eventsOf(piece);
      this.#after = piece.next;
      if (events.length > 0) {
        this.#isChanged = true;
        return events;
      }
      if (isEnd) return undefined;
    }
  }

  #eventsOf({ events }: FeedPiece): readonly StreamEvent[] {
    const name = JSON.stringify(this.#id);
    return events
      .filter(({ text }) => text.includes(name) && this.#isNew(parseObject(text)))
      .map(({ text, cursor }) => ({ event: 'event', data: text, id: this.#placeAt(cursor) }));
  }

  #isNew(event: JsonObject | undefined): boolean {
    return event?.workflow_id === this.#id && !this.#sent.delete(event.event_id);
  }

  async #endEvents(): Promise<readonly StreamEvent[] | 'end' | 'over'> {
    const state = this.#workflow?.state;
    if (state === undefined || state.completed_at === null) return 'end';
    if (!this.#isOver) {
      this.#isOver = true;
      const data = JSON.stringify({ workflow_id: this.#id, status: state.status });
      return [{ event: 'end', data, id: this.place }];
    }
    // Written when late events are no longer expected.
    if (this.#workflow?.document === undefined) this.#isChanged = true;
    return this.#workflow?.document === undefined ? 'end' : 'over';
  }

  #gone(): readonly StreamEvent[] {
    this.#isGone = true;
    const reason = 'the workflow has been removed';
    return [{ event: 'reset', data: JSON.stringify({ workflow_id: this.#id, reason }), id: undefined }];
  }

  #placeAt(cursor: string): string {
    const events = this.#events === undefined ? 'f' : this.#events.toString(36);
    return `${events}.${this.#state.toString(36)}.${this.#isOver ? 1 : 0}.${cursor}`;
  }
}
