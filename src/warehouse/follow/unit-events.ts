import { TasktrailError } from '../../errors.ts';
import { isTerminal } from '../../model/documents.ts';
import type { StreamEvent } from '../../model/event-stream.ts';
import { parseObject } from '../../model/json.ts';
import type { StreamPart } from '../../store/read/follow/tasks-stream.ts';
import { spanItems } from '../../store/read/span-item.ts';
import type { VictoriaLogs } from '../client.ts';
import type { PlacedRow } from './followed-rows.ts';
import { LATE_MS } from './followed-rows.ts';
import type { FollowedUnit, SeenRows, UnitLook } from './followed-unit.ts';
import { GotLines } from './got-lines.ts';
import { nanos } from './row-scope.ts';
import { UnitHistory } from './unit-history.ts';
import { UNIT_BEGINNING, type UnitPlace, unitPlaceText } from './unit-place.ts';

/** Names of the events of lines. */
const EVENTS: Readonly<Record<string, string>> = { stage: 'stage', output: 'line', span: 'span' };

/** After a failure in the middle of a stream. */
const RETRY_MS = 1_000;

type Step = readonly StreamEvent[] | 'end' | 'over';

export interface UnitEventsOptions {
  readonly unit: FollowedUnit;
  readonly logs: VictoriaLogs;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  leave(): void;
}

/** The events of one task for one reader: what was there, then what becomes visible. */
export class UnitEvents implements StreamPart {
  readonly taskId: string;
  readonly leave: () => void;
  readonly #unit: FollowedUnit;
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  #place: UnitPlace;
  #history: UnitHistory | undefined;
  #isBegun = false;
  #isGone = false;

  constructor({ unit, logs, now, leave }: UnitEventsOptions, start: UnitPlace) {
    this.taskId = unit.id;
    this.leave = leave;
    this.#unit = unit;
    this.#logs = logs;
    this.#now = now;
    this.#place = start;
  }

  get place(): string {
    return unitPlaceText(this.#place);
  }

  get version(): number {
    return this.#unit.rows.signal.version;
  }

  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#unit.rows.signal.changed(seen, signal);
  }

  async step(): Promise<Step> {
    if (this.#isGone) return 'over';
    try {
      const step = await this.#step();
      this.#isBegun = true;
      return step;
    } catch (error) {
      // A stream that has begun goes on where it was, once VictoriaLogs is back.
      if (!this.#isBegun || !(error instanceof TasktrailError) || !error.retryable) throw error;
      setTimeout(() => this.#unit.rows.signal.wake(), RETRY_MS).unref();
      return 'end';
    }
  }

  async #step(): Promise<Step> {
    const look = await this.#unit.look();
    if (!look.exists) return this.#goneEvents();
    const { got } = this.#place;
    if (got === undefined) this.#begin();
    else if ((GotLines.parse(got)?.until ?? '') > nanos(this.#now() + LATE_MS)) return this.#resetEvents();
    const { metadata, result } = look;
    if (metadata !== undefined && metadata.checksum !== this.#place.metadata)
      return this.#documentEvents('metadata', metadata);
    const lines = (await this.#historyEvents()) ?? (await this.#liveEvents());
    if (lines !== undefined) return lines;
    if (result !== undefined && result.checksum !== this.#place.result)
      return this.#documentEvents('result', result);
    return this.#endEvents(look);
  }

  /** All that is visible now comes first, in order. */
  #begin(): void {
    const got = this.#unit.rows.got.text;
    this.#place = { ...this.#place, got, history: { flow: 0, at: undefined, sum: 0 } };
  }

  async #historyEvents(): Promise<readonly StreamEvent[] | undefined> {
    for (;;) {
      const { history, got = '' } = this.#place;
      if (history === undefined) return undefined;
      this.#history ??= new UnitHistory({ unit: this.#unit, logs: this.#logs, there: got }, history);
      const step = await this.#history.next();
      if (step === 'reset') return this.#resetEvents();
      if (step === 'end') {
        this.#history = undefined;
        this.#place = { ...this.#place, history: undefined };
        return undefined;
      }
      const events = step.flatMap(({ kind, text, place }) => {
        this.#place = { ...this.#place, history: place };
        return eventsOf(kind, text, this.place);
      });
      if (events.length > 0) return events;
    }
  }

  async #liveEvents(): Promise<readonly StreamEvent[] | undefined> {
    for (;;) {
      const { got = '' } = this.#place;
      const { lines, next } = await this.#unit.rows.read(got);
      const events = this.#placedEvents(lines);
      this.#place = { ...this.#place, got: next };
      if (events.length > 0) return events;
      if (next === got) return undefined;
    }
  }

  /** Readers in step share the list of lines, and then what is made from it. */
  #placedEvents(lines: readonly PlacedRow[]): readonly StreamEvent[] {
    const key = unitPlaceText({ ...this.#place, got: '' });
    const shared = SHARED.get(lines);
    if (shared?.key === key) return shared.events;
    const events = lines.flatMap(({ line, place }) =>
      eventsOf(line.kind, line.text ?? '', unitPlaceText({ ...this.#place, got: place })),
    );
    SHARED.set(lines, { key, events });
    return events;
  }

  #documentEvents(event: 'metadata' | 'result', { value, text, checksum }: SeenRows): readonly StreamEvent[] {
    const isOver = event === 'metadata' && !isTerminal(value.status) ? false : this.#place.isOver;
    this.#place = { ...this.#place, [event]: checksum, isOver };
    return [{ event, data: text, id: this.place }];
  }

  #endEvents({ metadata, isEndVisible }: UnitLook): Step {
    const status = metadata?.value.status;
    if (metadata === undefined || !isTerminal(status) || !isEndVisible) return 'end';
    if (!this.#place.isOver) {
      this.#place = { ...this.#place, isOver: true };
      return [{ event: 'end', data: JSON.stringify({ task_id: this.taskId, status }), id: this.place }];
    }
    return metadata.value.settled === true ? 'over' : 'end';
  }

  #resetEvents(): readonly StreamEvent[] {
    this.#history = undefined;
    this.#place = UNIT_BEGINNING;
    const reason = 'the id is not a place in the lines as they are now: all events come again';
    return [resetEvent(this.taskId, reason, false)];
  }

  #goneEvents(): readonly StreamEvent[] {
    this.#isGone = true;
    return [resetEvent(this.taskId, 'the task has been removed', true)];
  }
}

/** The events that a list of lines was made into last. */
const SHARED = new WeakMap<
  readonly PlacedRow[],
  { readonly key: string; readonly events: readonly StreamEvent[] }
>();

/** Of several spans of one line the last one ends it. */
function eventsOf(kind: string, text: string, place: string): readonly StreamEvent[] {
  const event = EVENTS[kind] ?? kind;
  const texts = kind === 'span' ? spanItems(parseObject(text)) : [text];
  return texts.map((data, at) => ({ event, data, id: at === texts.length - 1 ? place : undefined }));
}

function resetEvent(taskId: string, reason: string, removed: boolean): StreamEvent {
  return { event: 'reset', data: JSON.stringify({ task_id: taskId, reason, removed }), id: undefined };
}
