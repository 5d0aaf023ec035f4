import { basename, join } from 'node:path';
import type { Books } from '../../books.ts';
import type { FsyncMode } from '../../model/fsync-mode.ts';
import { type OtlpSpan, RequestMemory, type TelemetryBatch } from '../../model/otlp.ts';
import type { Sender } from '../../model/sender.ts';
import { isoFromMs } from '../../model/time.ts';
import type { TaskChange } from '../../project/change.ts';
import { statIfPresent } from '../../system/files/optional-files.ts';
import { OWN_NAMES, taskDir } from '../layout.ts';
import { nearTime, WorkflowPlaces, workflowFile } from '../workflow-place.ts';
import type { Sent, Standing } from './batch/admission.ts';
import { BEGUN_PROBLEM, mayBegin } from './batch/begun.ts';
import { noteHeartbeats } from './batch/heartbeats.ts';
import { SenderNotes } from './batch/sender-notes.ts';
import { push, refuseByTask, type SortedBatch, sortBatch, type UnitWrite } from './batch/sorted-batch.ts';
import { DELIVERIES, FEED, unitsOf } from './batch/written-units.ts';
import { DeliveryFiles } from './delivery-files.ts';
import { Feed } from './feed.ts';
import { Intake } from './intake.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { LineSync } from './lines/line-sync.ts';
import { Liveness } from './liveness.ts';
import { NameGuard, type NameRules, removeLeftProbes } from './name-guard.ts';
import { notify, type StoreObserver } from './observer.ts';
import { OpenUnits } from './open-units.ts';
import { isSpanInTask, unsettledTasks, unsettledWorkflows } from './recovery.ts';
import { Refusal, Refusals, unavailable } from './refusals.ts';
import { OpenTask } from './task/open-task.ts';
import { type RecoverableUnits, UnitRecovery } from './unit-recovery.ts';
import type { SoughtSpan } from './workflow/missing-spans.ts';
import { OpenWorkflow, timeOf, type WorkflowChange } from './workflow/open-workflow.ts';

/** All delays are whole seconds. */
const TICK_MS = 1_000;

/** Concurrent writes. Each has a few files open, and a process may have only some hundreds. */
const WRITE_WIDTH = 16;

/** Open tasks with their ids, and open workflows with all of their events. */
const OPEN_TASKS_MAX = 2_000;
const OPEN_WORKFLOWS_MAX = 500;

/** Prefix of the reason for a record of a removed task or workflow. */
const EXPIRED = 'expired';

/** Rejection of what a file could not be written for. */
const NOT_WRITABLE = 'not_writable';

/** Drop reason of records that would begin too many tasks. */
const TOO_MANY_BEGUN = 'new tasks over the limit';

export interface StoreOptions {
  readonly logDir: string;
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  readonly books: Books;
  readonly fsync?: FsyncMode;
  /** False while another process may own the directory. Default: always held. */
  readonly isHeld?: () => boolean;
  /** Whether retention has removed a task or a workflow: its records are rejected. Default: none was removed. */
  readonly isPruned?: (kind: 'task' | 'workflow', id: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Called with a span that its process will not send, to be recorded. */
  onSpan(span: OtlpSpan): void;
  /** Called when a workflow's document was written: after its end, and after late events. */
  onDocument?(workflowId: string): void;
  /** Called for newly stored items. */
  readonly observer?: StoreObserver | undefined;
  /** What the file system does to names. Default: it is tried out. */
  readonly probeNames?: (dir: string) => Promise<NameRules>;
  /** Logs a line for the user. */
  log(line: string): void;
}

export interface Ingested {
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/**
 * The only writer below the log directory. Accepts records in any order and repeatedly. A request is done when each
 * record is durable (`fsync`: `never`: passed to write(2)), or rejected with a reason.
 */
export class Store {
  /** Last activity of each running task. */
  readonly liveness: Liveness = new Liveness();
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #queue = new KeyedQueue(WRITE_WIDTH);
  readonly #tasks: OpenUnits<Sent<TaskChange>>;
  readonly #workflows: OpenUnits<Sent<WorkflowChange>>;
  readonly #deliveries: DeliveryFiles;
  readonly #places: WorkflowPlaces;
  readonly #refusals: Refusals;
  readonly #notes: SenderNotes;
  readonly #recovery: UnitRecovery;
  #timer: NodeJS.Timeout | undefined;
  #isTicking = false;
  #stopReason: string | undefined;
  /** The folders in which names are tried out. */
  readonly #named: readonly string[];
  readonly #ingests = new Set<Promise<Ingested>>();
  readonly #sync: LineSync;
  readonly #intake: Intake;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { logDir, books, observer, workflowDir = join(logDir, OWN_NAMES.workflows) } = options;
    this.#intake = new Intake(books);
    this.#named = [logDir, workflowDir];
    this.#sync = new LineSync({ mode: options.fsync, books, writing: () => this.#ingests.size });
    const [now, writer] = [this.#now, this.#sync.of(DELIVERIES)];
    this.#deliveries = new DeliveryFiles(logDir, { now, observer, writer });
    this.#places = new WorkflowPlaces(workflowDir);
    this.#refusals = new Refusals({ directories: [logDir, workflowDir], books, now: this.#now });
    this.#notes = new SenderNotes(books, options.log);
    const isStopped = (): boolean => this.#stopReason !== undefined;
    this.#recovery = new UnitRecovery({ books, refusals: this.#refusals, isStopped });
    const onBadLines = (count: number): void => books.countSkippedLines(count);
    const shared = { queue: this.#queue, now, onBadLines };
    const names = (dir: string): NameGuard => new NameGuard(dir, options.probeNames);
    const taskOptions = { logDir, liveness: this.liveness, observer, names: names(logDir) };
    this.#tasks = new OpenUnits({
      ...shared,
      kind: 'task',
      max: OPEN_TASKS_MAX,
      onChanged: (id) => notify(observer, (one) => one.taskChanged?.(id)),
      open: (id, nowMs) =>
        OpenTask.open({ id, nowMs }, { ...taskOptions, writer: this.#sync.of(`task ${id}`) }),
      exists: async (id) => (await statIfPresent(taskDir(logDir, id))) !== undefined,
    });
    const workflowOptions = {
      feed: new Feed(workflowDir, this.#now, this.#sync.of(FEED)),
      observer,
      names: names(workflowDir),
      onDocument: (id: string) => options.onDocument?.(id),
      isInTask: (taskId: string, span: SoughtSpan) => isSpanInTask(logDir, taskId, span),
    };
    this.#workflows = new OpenUnits({
      ...shared,
      kind: 'workflow',
      max: OPEN_WORKFLOWS_MAX,
      onChanged: (id) => notify(observer, (one) => one.workflowChanged?.(id)),
      open: async (id, nowMs) => {
        const month = await this.#places.place(id, isoFromMs(nowMs));
        const options = { ...workflowOptions, writer: this.#sync.of(`workflow ${id}`) };
        return OpenWorkflow.open({ id, month, nowMs }, options);
      },
      exists: async (id) => (await this.#places.find(id)) !== undefined,
    });
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.tick(), TICK_MS).unref();
  }

  /** Stops writing: another process owns the directory, or this one ends. */
  async close(reason: string): Promise<void> {
    this.#stopReason ??= reason;
    clearInterval(this.#timer);
    // A batch that was accepted is stored.
    await Promise.allSettled(this.#ingests);
    await this.#queue.idle();
    await this.#sync.flush();
  }

  /** Rejects with a retryable `ERR_STORE_UNAVAILABLE` when the disk fails; the sender must repeat the batch. */
  async ingest(batch: TelemetryBatch, sender: Sender): Promise<Ingested> {
    const ingested = this.#ingest(batch, sender);
    this.#ingests.add(ingested);
    try {
      return await ingested;
    } catch (error) {
      // Senders keep their order, so a failed batch holds up all later records, heartbeats included.
      this.liveness.renew(this.#now());
      throw error;
    } finally {
      this.#ingests.delete(ingested);
    }
  }

  async #ingest(batch: TelemetryBatch, sender: Sender): Promise<Ingested> {
    this.#checkOpen();
    const sorted = await sortBatch({ batch, sender }, (service) => this.#notes.unattributed(service));
    const [{ refused }, { begun, written }] = [sorted, batch.memory ?? new RequestMemory()];
    for (const unit of unitsOf(sorted)) written.add(unit);
    this.#intake.sorted(sorted);
    if (sorted.isTrails) {
      await Promise.all([
        this.#writeWorkflows(sorted, begun),
        this.#writeTasks(sorted, begun),
        this.#writeDeliveries(sorted, begun),
      ]);
    } else {
      await refuseByTask(sorted, (taskId) => this.#standingOf(taskId));
      // Before the tasks: a workflow that does not take an event must not stand in the metadata of its task.
      await this.#writeWorkflows(sorted, begun);
      await Promise.all([this.#writeTasks(sorted, begun), this.#writeDeliveries(sorted, begun)]);
    }
    if (batch.hasMore !== true) await this.#sync.commit(written);
    // After the records: a batch may hold the first record of a task and its first heartbeat.
    const seen = { liveness: this.liveness, nowMs: this.#now(), logDir: this.#options.logDir };
    this.#intake.heartbeats(sorted.heartbeats.length, noteHeartbeats(sorted, seen));
    this.#notes.refused(sender, refused);
    return { rejected: refused.size, reasons: [...new Set(refused.values())] };
  }

  async #writeTasks({ byTask, refused }: SortedBatch, begun: Set<string>): Promise<void> {
    // Records that a workflow has refused. One that another task refuses meanwhile is stored in the rest.
    const before = new Set(refused.keys());
    await Promise.all(
      [...byTask].map(([id, all]) => {
        const entries = before.size === 0 ? all : all.filter(({ record }) => !before.has(record));
        return entries.length === 0 ? undefined : this.#writeTask({ id, entries, refused }, begun);
      }),
    );
  }

  async #writeWorkflows({ byWorkflow, refused }: SortedBatch, begun: Set<string>): Promise<void> {
    await Promise.all(
      [...byWorkflow].map(([id, entries]) => this.#writeWorkflow({ id, entries, refused }, begun)),
    );
  }

  #standingOf(taskId: string): Promise<Standing | undefined> {
    return this.#tasks.alone(taskId, async () => {
      const isPruned = this.#options.isPruned?.('task', taskId) === true;
      return isPruned ? undefined : this.#tasks.standingOf(taskId);
    });
  }

  /** Opens tasks and workflows that an earlier process left with torn lines, outdated documents or missing spans. */
  async recover(): Promise<void> {
    for (const dir of this.#named) await removeLeftProbes(dir);
    const tasks = await unsettledTasks(this.#options.logDir);
    await this.#recovery.recoverAll(this.#recoverable(this.#tasks), tasks);
    for (const month of await this.#places.months()) {
      await this.#recovery.recoverAll(this.#recoverable(this.#workflows), unsettledWorkflows(month));
    }
  }

  /** Runs the time-dependent work of open tasks and workflows. */
  async tick(): Promise<void> {
    // On a slow disk a tick may take longer than the interval.
    if (this.#isTicking) return;
    this.#isTicking = true;
    try {
      await this.#sync.retry();
      if (await this.#refusals.look()) await this.#recovery.retry();
      await this.#tickUnits(this.#tasks);
      await this.#tickUnits(this.#workflows);
    } finally {
      this.#isTicking = false;
    }
  }

  #tickUnits<C>(units: OpenUnits<Sent<C>>): Promise<void> {
    const { onSpan } = this.#options;
    const isClosed = (): boolean => this.#closedReason() !== undefined;
    return units.tick({ isClosed, onSpan, onError: (id, error) => this.#failed(units, id, error) });
  }

  /**
   * Runs `fn` while the store does not write to a task or workflow. `fn` may change or remove the files: they are
   * read again afterwards.
   */
  async withFilesOf<T>(kind: 'task' | 'workflow', id: string, fn: () => Promise<T>): Promise<T> {
    const units = kind === 'task' ? this.#tasks : this.#workflows;
    return units.alone(id, async () => {
      this.#checkOpen();
      try {
        return await units.released(id, fn);
      } finally {
        if (kind === 'workflow') this.#places.forget(id);
      }
    });
  }

  #recoverable<C>(units: OpenUnits<Sent<C>>): RecoverableUnits {
    return {
      kind: units.kind,
      open: async (id) =>
        !(await units.exists(id)) || this.#write(units, { id, entries: [], refused: new Map() }),
    };
  }

  /** A write has failed: as `Refusals.refuse`. */
  #failed<C>(units: OpenUnits<Sent<C>>, id: string, error: unknown): Promise<string> {
    this.#recovery.noteFailed(this.#recoverable(units), id);
    return this.#refusals.refuse(`${units.kind} ${id}`, error);
  }

  /** Stores changes of one unit and adds refused records to `refused`. False when its files cannot be written. */
  async #write<C>(units: OpenUnits<Sent<C>>, { id, entries, refused }: UnitWrite<C>): Promise<boolean> {
    const what = `${units.kind} ${id}`;
    return units.alone(id, async () => {
      this.#checkHeld();
      if (this.#options.isPruned?.(units.kind, id) === true) {
        const reason = `${EXPIRED}: ${what} was removed for its age`;
        for (const { record } of entries) refused.set(record, reason);
        this.#intake.rejected(EXPIRED, entries.length);
        return true;
      }
      try {
        const refusal = new Refusal(entries, refused);
        const fresh = await units.apply(id, entries, refusal.add);
        this.#intake.written(entries.length, fresh, refusal.counts);
        if (entries.length > 0) this.#refusals.clear(what);
        this.#recovery.noteWritten(what);
        return true;
      } catch (error) {
        const reason = await this.#failed(units, id, error);
        for (const { record } of entries) refused.set(record, reason);
        this.#intake.rejected(NOT_WRITABLE, entries.length);
        return false;
      }
    });
  }

  async #writeTask(write: UnitWrite<TaskChange>, begun: Set<string>): Promise<void> {
    const { id } = write;
    if (this.#tasks.has(id) || (await mayBegin(`task ${id}`, taskDir(this.#options.logDir, id), begun)))
      await this.#write(this.#tasks, write);
    else this.#refuseBegun(write);
  }

  async #writeWorkflow(write: UnitWrite<WorkflowChange>, begun: Set<string>): Promise<void> {
    const { id, entries } = write;
    const [first] = entries;
    if (first !== undefined && !this.#workflows.has(id)) {
      // A workflow without a stamp in its id is filed under the month of its first stored event.
      const month = await this.#places.place(id, nearTime(timeOf(first.change), this.#now()));
      if (!(await mayBegin(`workflow ${id}`, workflowFile(month, id, 'facts'), begun))) {
        this.#refuseBegun(write);
        return;
      }
    }
    await this.#write(this.#workflows, write);
  }

  async #writeDeliveries({ deliveries, refused }: SortedBatch, begun: Set<string>): Promise<void> {
    if (deliveries.length === 0) return;
    await this.#queue.run('deliveries', async () => {
      this.#checkHeld();
      const byPath = new Map<string, SortedBatch['deliveries']>();
      for (const entry of deliveries) {
        const { path, change } = this.#deliveries.place(entry.change);
        push(byPath, path, { ...entry, change });
      }
      for (const [path, entries] of byPath) {
        const name = basename(path);
        if (!(await mayBegin(name, path, begun))) {
          this.#refuseBegun({ entries, refused });
          continue;
        }
        try {
          const refusal = new Refusal(entries, refused);
          const changes = entries.map(({ change }) => change);
          const fresh = await this.#deliveries.append(path, changes, refusal.add);
          this.#intake.written(entries.length, fresh, refusal.counts);
          this.#refusals.clear(name);
        } catch (error) {
          const reason = await this.#refusals.refuse(name, error);
          for (const { record } of entries) refused.set(record, reason);
          this.#intake.rejected(NOT_WRITABLE, entries.length);
        }
      }
    });
  }

  #refuseBegun({ entries, refused }: Pick<UnitWrite<unknown>, 'entries' | 'refused'>): void {
    for (const { record } of entries) refused.set(record, BEGUN_PROBLEM);
    this.#intake.refused(TOO_MANY_BEGUN, entries.length);
  }

  #closedReason(): string | undefined {
    return this.#stopReason ?? this.#pauseReason();
  }

  /** Temporary: after a pause of the process, ownership is unknown until the lock has been read again. */
  #pauseReason(): string | undefined {
    if (this.#options.isHeld?.() !== false) return undefined;
    return 'this process does not hold the log directory at the moment';
  }

  #checkOpen(): void {
    const reason = this.#closedReason();
    if (reason !== undefined) throw unavailable(reason);
  }

  /** For a batch that was accepted. */
  #checkHeld(): void {
    const reason = this.#pauseReason();
    if (reason !== undefined) throw unavailable(reason);
  }
}
