import { setMaxListeners } from 'node:events';
import { crc32 } from 'node:zlib';
import type { EventStream, StreamEvent } from '../../../model/event-stream.ts';

/** What a stream is made of: events of one task, of the list. */
export interface StreamPart {
  /** Name in the data of events of several parts; undefined for the list. */
  readonly taskId: string | undefined;
  /** What the reader has got, as text of letters, digits, `.` and `_`. */
  readonly place: string;
  readonly version: number;
  /** `end`: nothing more now. `over`: nothing more is expected. */
  step(): Promise<readonly StreamEvent[] | 'end' | 'over'>;
  changed(seen: number, signal: AbortSignal): Promise<void>;
  leave(): void;
}

/** `after` of a stream of a task or of the feed that begins with what comes next. */
export const NOW = 'now';

/** The tasks of a store, as streams read them. */
export interface TaskStreams {
  has(taskId: string): Promise<boolean>;
  /** Whether a text is the place of a task. */
  isPlace(text: string): boolean;
  /** The events of a task that exists: behind a place, all of them, or those that come (`now`). */
  open(taskId: string, after: string | undefined): Promise<StreamPart>;
}

/** The documents of a task as far as a reader has got them. */
export interface DocumentsSeen {
  readonly metadata: number;
  readonly result: number;
  readonly isOver: boolean;
}

/** Of the text of a document. Never 0. */
export function checksum(text: string): number {
  return crc32(text) || 1;
}

/** Between the places of the parts in an id. */
export const PLACE_BORDER = '-';

/** Joins parts to one stream. With `isNamed` each event says which task it is of, and each id is the place in all parts. */
export function joinParts(parts: readonly StreamPart[], isNamed: boolean): EventStream {
  return new JoinedParts(parts, isNamed);
}

class JoinedParts implements EventStream {
  readonly #parts: readonly StreamPart[];
  readonly #isNamed: boolean;
  /** Parts that are over, with their version then: a next attempt of a task changes it. */
  readonly #over = new Map<StreamPart, number>();
  /** Events that `start` has found. */
  #first: readonly StreamEvent[] | undefined;
  #turn = 0;
  #isClosed = false;

  constructor(parts: readonly StreamPart[], isNamed: boolean) {
    this.#parts = parts;
    this.#isNamed = isNamed;
  }

  async start(): Promise<boolean> {
    this.#first = await this.#step();
    return this.#first !== undefined || this.#over.size < this.#parts.length;
  }

  async next(signal: AbortSignal): Promise<readonly StreamEvent[] | undefined> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return first;
    while (!signal.aborted && !this.#isClosed) {
      // Before the step: what changes during it is not missed.
      const seen = this.#parts.map(({ version }) => version);
      const events = await this.#step();
      if (events !== undefined) return events;
      if (this.#over.size === this.#parts.length) return undefined;
      await this.#changed(seen, signal);
    }
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const part of this.#parts) part.leave();
  }

  /** Each part in its turn, so that none waits for another one that never ends. */
  async #step(): Promise<readonly StreamEvent[] | undefined> {
    const { length } = this.#parts;
    for (let count = 0; count < length; count += 1) {
      const index = (this.#turn + count) % length;
      const part = this.#parts[index];
      if (part === undefined || this.#isClosed) continue;
      const { version } = part;
      if (this.#over.get(part) === version) continue;
      this.#over.delete(part);
      const step = await part.step();
      if (step === 'over') this.#over.set(part, version);
      else if (step !== 'end' && step.length > 0) {
        this.#turn = index + 1;
        return this.#isNamed ? this.#named(step, index) : step;
      }
    }
    return undefined;
  }

  #named(events: readonly StreamEvent[], index: number): readonly StreamEvent[] {
    const places = this.#parts.map(({ place }) => place);
    const before = places.slice(0, index).map((place) => place + PLACE_BORDER);
    const after = places.slice(index + 1).map((place) => PLACE_BORDER + place);
    const [start, end] = [before.join(''), after.join('')];
    const taskId = this.#parts[index]?.taskId;
    return events.map(({ event, data, id }) => ({
      event,
      data: taskId === undefined ? data : `{"task_id":${JSON.stringify(taskId)},"data":${data}}`,
      id: id === undefined ? undefined : start + id + end,
    }));
  }

  async #changed(seen: readonly number[], signal: AbortSignal): Promise<void> {
    const one = this.#parts[0];
    if (this.#parts.length === 1 && one !== undefined) return one.changed(seen[0] ?? 0, signal);
    const woken = new AbortController();
    // One for each part.
    setMaxListeners(0, woken.signal);
    const wake = (): void => woken.abort();
    signal.addEventListener('abort', wake);
    if (signal.aborted) wake();
    await Promise.race(this.#parts.map((part, index) => part.changed(seen[index] ?? 0, woken.signal)));
    signal.removeEventListener('abort', wake);
    woken.abort();
  }
}
