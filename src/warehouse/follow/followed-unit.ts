import type { JsonObject } from '../../model/json.ts';
import { checksum } from '../../store/read/follow/tasks-stream.ts';
import type { VictoriaLogs } from '../client.ts';
import type { RowKind } from '../logsql.ts';
import { FlowView } from '../read/flow/flow-view.ts';
import type { TaskViews } from '../read/task-view.ts';
import { TASK_KINDS } from '../task-summary.ts';
import { FollowedRows } from './followed-rows.ts';
import type { GotLines } from './got-lines.ts';
import type { NumberedLine } from './numbered-rows.ts';
import type { Polled, RowPoll } from './row-poll.ts';

/** Between two readings of documents that no fact has changed: spans report tokens, and a task settles with time. */
const LOOK_MS = 1_000;

/** Lines of a step may become visible later than its end: this long after the end all that was stored before it is sent. */
const VISIBLE_MS = 2_500;

export interface SeenRows {
  readonly value: JsonObject;
  readonly text: string;
  readonly checksum: number;
}

/** The documents of a task at one look. */
export interface UnitLook {
  readonly exists: boolean;
  readonly metadata: SeenRows | undefined;
  readonly result: SeenRows | undefined;
  /** Whether lines that were stored before the end are visible. */
  readonly isEndVisible: boolean;
}

export interface FollowedUnitOptions {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
  readonly poll: RowPoll;
  /** Milliseconds since the epoch, as the services stamp lines. */
  readonly now: () => number;
}

/** A task that readers follow: one reading of its lines and documents for all of them. */
export class FollowedUnit implements Polled {
  readonly id: string;
  readonly rows: FollowedRows;
  readonly #logs: VictoriaLogs;
  readonly #views: TaskViews;
  readonly #poll: RowPoll;
  readonly #now: () => number;
  readonly #flows = new Map<
    RowKind,
    { readonly got: GotLines; readonly view: Promise<FlowView | undefined> }
  >();
  #looking: Promise<UnitLook> | undefined;
  #lookedMs = 0;
  /** Whether the documents may have changed since the last look, or will with time. */
  #isStale = false;
  #readers = 0;

  constructor(id: string, { logs, views, poll, now }: FollowedUnitOptions) {
    this.id = id;
    this.#logs = logs;
    this.#views = views;
    this.#poll = poll;
    this.#now = now;
    const scope = { kinds: TASK_KINDS, unit: id };
    this.rows = new FollowedRows({ logs, scope, now, show: (lines) => this.#show(lines) });
  }

  enter(): void {
    this.#readers += 1;
    if (this.#readers === 1) this.#poll.add(this);
  }

  /** Returns whether no reader is left. */
  leave(): boolean {
    this.#readers -= 1;
    if (this.#readers > 0) return false;
    this.#poll.remove(this.rows);
    this.rows.signal.wake();
    return true;
  }

  changed(lines: readonly NumberedLine[]): void {
    this.#isStale = true;
    if (lines.some(({ kind }) => kind === 'fact')) this.#forget();
  }

  looked(): void {
    if (this.#isStale && performance.now() - this.#lookedMs >= LOOK_MS) this.#forget();
  }

  /** The documents since the last change. */
  look(): Promise<UnitLook> {
    if (this.#looking === undefined) {
      this.#isStale = false;
      this.#lookedMs = performance.now();
      const looking = this.#look();
      this.#looking = looking;
      // A failure is no answer for those who come later.
      looking.catch(() => {
        if (this.#looking === looking) this.#looking = undefined;
      });
    }
    return this.#looking;
  }

  /** The flow of a kind: one for all readers that begin with the same lines. */
  flow(kind: RowKind): Promise<FlowView | undefined> {
    const { got } = this.rows;
    const known = this.#flows.get(kind);
    if (known?.got === got) return known.view;
    const view = FlowView.open({ logs: this.#logs, kind, unit: this.id });
    this.#flows.set(kind, { got, view });
    view.catch(() => this.#flows.delete(kind));
    return view;
  }

  /** The looks of readers to come are new ones. */
  #forget(): void {
    this.#looking = undefined;
    this.rows.signal.wake();
  }

  async #look(): Promise<UnitLook> {
    const view = await this.#views.readNow(this.id);
    const [metadata, result] = [seen(view?.document('metadata')), seen(view?.document('final-result'))];
    const endedMs = view?.endedMs;
    if (endedMs !== undefined && metadata?.value.settled !== true) this.#isStale = true;
    const isEndVisible = endedMs !== undefined && this.#now() - endedMs >= VISIBLE_MS;
    return { exists: view !== undefined, metadata, result, isEndVisible };
  }

  /** Facts are no lines. What telemetry reports of a tool call is none where the agent's own output has it. */
  async #show(lines: readonly NumberedLine[]): Promise<readonly NumberedLine[]> {
    const shown = lines.filter(({ kind }) => kind !== 'fact');
    if (!shown.some(({ row }) => row.reported === '1')) return shown;
    const view = await FlowView.open({ logs: this.#logs, kind: 'output', unit: this.id });
    return shown.flatMap((line) => {
      const text = line.row.reported === '1' && view !== undefined ? view.textOf(line) : line.text;
      return text === undefined ? [] : [{ ...line, text }];
    });
  }
}

function seen(value: JsonObject | undefined): SeenRows | undefined {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value);
  return { value, text, checksum: checksum(text) };
}

/** The tasks that are followed now. */
export class FollowedUnits {
  readonly #options: FollowedUnitOptions;
  readonly #units = new Map<string, FollowedUnit>();

  constructor(options: FollowedUnitOptions) {
    this.#options = options;
  }

  /** Call the function that is returned when the reader has gone. */
  async open(id: string): Promise<{ readonly unit: FollowedUnit; leave(): void }> {
    const unit = this.#units.get(id) ?? new FollowedUnit(id, this.#options);
    this.#units.set(id, unit);
    unit.enter();
    let isLeft = false;
    const leave = (): void => {
      if (isLeft) return;
      isLeft = true;
      if (unit.leave()) this.#units.delete(id);
    };
    try {
      await unit.rows.open();
    } catch (error) {
      leave();
      throw error;
    }
    return { unit, leave };
  }
}
