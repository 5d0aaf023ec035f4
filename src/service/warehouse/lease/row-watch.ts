import { LRUCache } from 'lru-cache';
import { messageOf } from '../../../errors.ts';
import type { OtlpSpan } from '../../../model/otlp.ts';
import type { Candidate } from '../../../notify/candidate.ts';
import { isToldBeforeItsEnd, workflowCandidate } from '../../../notify/told-records.ts';
import { spanKey } from '../../../project/announced-spans.ts';
import { Liveness, type TaskState } from '../../../store/write/liveness.ts';
import { mapBounded } from '../../../system/files/map-bounded.ts';
import type { VictoriaLogs } from '../../../warehouse/client.ts';
import type { TaskViews } from '../../../warehouse/read/task-view.ts';
import type { WorkflowCatalog } from '../../../warehouse/read/workflow-catalog.ts';
import {
  type ChangedUnit,
  ChangedUnits,
  OVERLAP_MS,
  readOpenTasks,
} from '../../../warehouse/watch/changed-units.ts';
import { type WatchedEnd, watchTask } from '../../../warehouse/watch/watched-task.ts';
import { type WatchedCount, watchWorkflow } from '../../../warehouse/watch/watched-workflow.ts';
import type { HeartbeatBoard } from './heartbeat-board.ts';
import type { Term } from './redis-lease.ts';

/** Interval of looks at what has come: as long as VictoriaLogs takes to show a row. */
const LOOK_MS = 1_000;

/** Tasks whose rows were missed, because the clock of a service was far behind, are found at this interval. */
const SWEEP_MS = 600_000;

/** Interval at which the place is kept from which the next holder goes on. */
const MARK_MS = 10_000;

/** So far back ended tasks and workflows are looked at for missing spans: without such a place, and with an old one. */
const FIRST_LOOK_MS = 3_600_000;
const FIRST_LOOK_MS_MAX: number = 7 * 86_400_000;

/** Notifications are sent of ends that are younger; the notifier remembers those of days. */
const FRESH_MS = 3_600_000;

/** Pauses before another look at what could not be looked at. */
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 600_000;

/** As long as a heartbeat takes. */
const LONG_LOOK_MS = 10_000;

/** Spans that were stored and may not be visible yet, and tasks that do not run. */
const REMEMBERED_MAX = 20_000;

export interface RowWatchOptions {
  readonly term: Term;
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
  readonly workflows: WorkflowCatalog;
  readonly board: HeartbeatBoard;
  /** The place in Redis. Milliseconds since the epoch. */
  readonly mark: { read(): Promise<number | undefined>; write(ms: number): Promise<void> };
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  addSpans(spans: readonly OtlpSpan[]): Promise<void>;
  /** Receives what notifications may be sent of. It must return at once. */
  onCandidate(candidate: Candidate): void;
  /** What metrics count: ends that came before `sinceMs` are no news. Rejects when that must be said again. */
  readonly counted: {
    task(id: string, ends: readonly WatchedEnd[], sinceMs: number): Promise<void>;
    workflow(id: string, count: WatchedCount, sinceMs: number): Promise<void>;
  };
  /** A workflow has a document with all of its events. Rejects when that must be said again. */
  onDocument(workflowId: string): Promise<void>;
  /** Why rows cannot be looked at now; undefined: they can. */
  onTrouble(reason: string | undefined): void;
}

type Unit = Pick<ChangedUnit, 'what' | 'id'>;

interface Waiting extends Unit {
  /** When to look. */
  readonly atMs: number;
  /** When it was first seen: the next holder begins there. */
  readonly sinceMs: number;
  /** Who has sent what is new; undefined: nothing is. */
  readonly senders?: ReadonlySet<string> | undefined;
  /** Looks that have failed. */
  readonly failures?: number;
}

/** Follows what all services store, for as long as this one holds the lease: the tasks that run, and spans that no process sends. */
export class RowWatch {
  /** Last activity of each running task. */
  readonly liveness: Liveness = new Liveness();
  readonly #options: RowWatchOptions;
  readonly #now: () => number;
  #changes: ChangedUnits | undefined;
  #fromMs = 0;
  /** Notifications may be sent of what came since then. */
  #tellFromMs = 0;
  readonly #waiting = new Map<string, Waiting>();
  readonly #sent = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  readonly #idle = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  #place: string | undefined;
  #seenMs = 0;
  #sweptMs = 0;
  #markedMs = 0;
  /** Why a task or a workflow could not be looked at. */
  #failure: string | undefined;
  #looking: Promise<boolean> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RowWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.look(), LOOK_MS).unref();
    void this.look();
  }

  /** Rows that came before it have been looked at. Milliseconds since the epoch. */
  get seenMs(): number {
    return (this.#seenMs === 0 ? this.#now() : this.#seenMs) - OVERLAP_MS;
  }

  /** Whether all that was there at the beginning was looked at. */
  get hasSeen(): boolean {
    return this.#seenMs > 0;
  }

  /** Looks at what has come. False when that failed, or a service could not store something: no silence counts then. */
  look(): Promise<boolean> {
    this.#looking ??= this.#lookSafely().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** What may be told of the rows that came since then. */
  async *candidatesSince(ms: number): AsyncGenerator<Candidate> {
    const { logs } = this.#options;
    const changed = await new ChangedUnits(logs, { fromMs: ms, now: this.#now }).read();
    for (const unit of changed) {
      if (!unit.hasFacts) continue;
      const found: Candidate[] = [];
      if (unit.what === 'task') found.push({ kind: 'task', id: unit.id });
      else
        for (const { envelope, arrivedMs } of (await this.#workflow(unit.id))?.events ?? []) {
          const candidate = arrivedMs >= ms ? workflowCandidate(envelope) : undefined;
          if (candidate !== undefined) found.push(candidate);
        }
      yield* found;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #lookSafely(): Promise<boolean> {
    if (!this.#goesOn()) return false;
    try {
      this.#failure = undefined;
      const hasTrouble = await this.#look();
      this.#options.onTrouble(this.#failure);
      return !hasTrouble && this.#goesOn();
    } catch (error) {
      this.#options.onTrouble(messageOf(error));
      return false;
    }
  }

  async #look(): Promise<boolean> {
    const nowMs = this.#now();
    this.#changes ??= await this.#begin(nowMs);
    const { taskIds, hasTrouble, place } = await this.#options.board.read(this.#place);
    for (const unit of await this.#changes.read()) this.#note(unit, nowMs);
    if (nowMs - this.#sweptMs >= SWEEP_MS) await this.#sweep(nowMs);
    const isWhole = await this.#work(nowMs);
    // After the tasks: a heartbeat may come with the first record.
    for (const id of taskIds) this.liveness.heartbeat(id, nowMs);
    // Heartbeats of this time are not known: of tasks that were found at its beginning, too.
    if (this.#now() - nowMs >= LONG_LOOK_MS) this.liveness.renew(this.#now());
    this.#place = place;
    if (!isWhole) return true;
    this.#seenMs = nowMs;
    await this.#keepMark(nowMs);
    return hasTrouble;
  }

  async #begin(nowMs: number): Promise<ChangedUnits> {
    const markMs = await this.#options.mark.read();
    this.#fromMs = Math.max(markMs ?? nowMs - FIRST_LOOK_MS, nowMs - FIRST_LOOK_MS_MAX);
    // Without a place nothing says what was sent: nothing that came before is.
    this.#tellFromMs = markMs === undefined ? this.#options.term.beganMs : this.#fromMs;
    return new ChangedUnits(this.#options.logs, { fromMs: this.#fromMs, now: this.#now });
  }

  #note({ what, id, hasFacts, senders }: ChangedUnit, nowMs: number): void {
    if (what === 'task' && !hasFacts) {
      const task = this.liveness.get(id);
      if (task !== undefined) {
        this.liveness.heard(task, nowMs, isSignOfLife(task, senders));
        return;
      }
      if (this.#idle.has(id)) return;
    }
    this.#wait({ what, id, atMs: nowMs, sinceMs: nowMs, senders });
  }

  #wait(unit: Waiting): void {
    const key = `${unit.what} ${unit.id}`;
    const sinceMs = Math.min(unit.sinceMs, this.#waiting.get(key)?.sinceMs ?? unit.sinceMs);
    this.#waiting.set(key, { ...unit, sinceMs });
  }

  async #sweep(nowMs: number): Promise<void> {
    for (const id of await readOpenTasks(this.#options.logs))
      if (this.liveness.get(id) === undefined && !this.#waiting.has(`task ${id}`))
        this.#wait({ what: 'task', id, atMs: nowMs, sinceMs: nowMs });
    this.#sweptMs = nowMs;
  }

  /** One that cannot be looked at waits longer each time, and keeps no other one. False: this service does not go on. */
  async #work(nowMs: number): Promise<boolean> {
    const due = [...this.#waiting.values()].filter(({ atMs }) => atMs <= nowMs);
    await mapBounded(due, async (unit) => {
      if (!this.#goesOn()) return;
      const key = `${unit.what} ${unit.id}`;
      try {
        const nextMs = unit.what === 'task' ? await this.#takeTask(unit) : await this.#takeWorkflow(unit.id);
        // It may have been noted again meanwhile.
        if (this.#waiting.get(key) === unit) this.#waiting.delete(key);
        const { what, id, sinceMs } = unit;
        if (nextMs !== undefined) this.#wait({ what, id, sinceMs, atMs: nextMs });
      } catch (error) {
        const failures = (unit.failures ?? 0) + 1;
        this.#failure ??= `${key}: ${messageOf(error)}`;
        // What has come of it may be a sign of life.
        if (unit.what === 'task') this.liveness.renew(this.#now(), unit.id);
        if (this.#waiting.get(key) !== unit) return;
        const pauseMs = Math.min(RETRY_MS * failures, RETRY_MS_MAX);
        this.#wait({ ...unit, failures, atMs: this.#now() + pauseMs });
      }
    });
    return this.#goesOn();
  }

  async #takeTask({ id, senders }: Waiting): Promise<number | undefined> {
    const nowMs = this.#now();
    const found = await watchTask(this.#options, id, nowMs);
    if (found === undefined) return undefined;
    const { state, metadata, spans, ends, nextMs } = found;
    if (senders === undefined) this.liveness.found(state, nowMs);
    else this.liveness.heard(state, nowMs, isSignOfLife(state, senders));
    if (this.liveness.get(id) === undefined) this.#idle.set(id, true);
    else this.#idle.delete(id);
    await this.#send(spans);
    const since = this.#freshMs();
    for (const { metadata: ended, arrivedMs } of ends)
      if (arrivedMs >= since) this.#options.onCandidate({ kind: 'task', id, ended });
    if (isToldBeforeItsEnd(metadata)) this.#options.onCandidate({ kind: 'task', id });
    await this.#options.counted.task(id, ends, this.#tellFromMs);
    return nextMs;
  }

  async #takeWorkflow(id: string): Promise<number | undefined> {
    const found = await this.#workflow(id);
    if (found === undefined) return undefined;
    await this.#send(found.spans);
    if (found.hasDocument) await this.#options.onDocument(id);
    const since = this.#freshMs();
    for (const { envelope, arrivedMs } of found.events) {
      const candidate = arrivedMs >= since ? workflowCandidate(envelope) : undefined;
      if (candidate !== undefined) this.#options.onCandidate(candidate);
    }
    await this.#options.counted.workflow(id, found.count, this.#tellFromMs);
    return found.nextMs;
  }

  #workflow(id: string): ReturnType<typeof watchWorkflow> {
    return watchWorkflow(this.#options, id, this.#now());
  }

  async #send(spans: readonly OtlpSpan[]): Promise<void> {
    const fresh = spans.filter(({ traceId, spanId }) => !this.#sent.has(spanKey(traceId, spanId)));
    if (fresh.length === 0) return;
    await this.#options.addSpans(fresh);
    for (const { traceId, spanId } of fresh) this.#sent.set(spanKey(traceId, spanId), true);
  }

  #freshMs(): number {
    return Math.max(this.#tellFromMs, this.#now() - FRESH_MS);
  }

  async #keepMark(nowMs: number): Promise<void> {
    if (nowMs - this.#markedMs < MARK_MS) return;
    const earliest = Math.min(nowMs, ...[...this.#waiting.values()].map(({ sinceMs }) => sinceMs));
    await this.#options.mark.write(earliest - OVERLAP_MS);
    this.#markedMs = nowMs;
  }

  #goesOn(): boolean {
    return !this.#isClosed && this.#options.term.isHeld();
  }
}

/** Spans and agents may outlive the worker. */
function isSignOfLife({ openedBy }: Pick<TaskState, 'openedBy'>, senders: ReadonlySet<string>): boolean {
  return senders.has('trail') || (openedBy !== undefined && senders.size > 0);
}
