import { basename, join } from 'node:path';
import type { Books } from '../../books.ts';
import { messageOf } from '../../errors.ts';
import type { OtlpSpan, TelemetryBatch } from '../../model/otlp.ts';
import { isoFromMs } from '../../model/time.ts';
import { safeName } from '../../redact/log-line.ts';
import { OWN_NAMES } from '../layout.ts';
import { WorkflowPlaces } from '../workflow-place.ts';
import { DeliveryFiles } from './delivery-files.ts';
import { Feed } from './feed.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { isoOfSpan } from './line-keys.ts';
import { Liveness } from './liveness.ts';
import type { StoreObserver } from './observer.ts';
import { OpenTask, type TaskChange } from './open-task.ts';
import { OpenUnits } from './open-units.ts';
import { OpenWorkflow, type WorkflowChange } from './open-workflow.ts';
import { isSpanInTask, unsettledTasks, unsettledWorkflows } from './recovery.ts';
import { Refusals, unavailable } from './refusals.ts';
import { type Entry, push, type SortedBatch, sortBatch } from './sorted-batch.ts';

/** All delays are whole seconds. */
const TICK_MS = 1_000;

/** Concurrent writes. Each has a few files open, and a process may have only some hundreds. */
const WRITE_WIDTH = 16;

/** Open tasks with their ids, and open workflows with all of their events. */
const OPEN_TASKS_MAX = 2_000;
const OPEN_WORKFLOWS_MAX = 500;

/** Prefix of the reason for a record of a removed task or workflow. */
const EXPIRED = 'expired';

/** Drop reason of spans over a task's limit. */
const TOO_MANY_SPANS = 'foreign spans over the limit';

/** Concurrency of recovery: keeps a disk busy within a small amount of memory. */
const RECOVERY_WIDTH = 8;

export interface StoreOptions {
  readonly logDir: string;
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  readonly books: Books;
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
  /** Logs a line for the user. */
  log(line: string): void;
}

export interface Ingested {
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/**
 * The only writer below the log directory. Accepts records in any order and repeatedly. A batch is done when each
 * record was passed to write(2) or rejected with a reason.
 */
export class Store {
  /** Last activity of each running task. */
  readonly liveness: Liveness = new Liveness();
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #queue = new KeyedQueue(WRITE_WIDTH);
  readonly #tasks: OpenUnits<TaskChange>;
  readonly #workflows: OpenUnits<WorkflowChange>;
  readonly #deliveries: DeliveryFiles;
  readonly #places: WorkflowPlaces;
  readonly #refusals: Refusals;
  #timer: NodeJS.Timeout | undefined;
  #isTicking = false;
  /** Retries of tasks and workflows that recovery could not open. */
  readonly #unrecovered = new Map<string, () => Promise<unknown>>();
  /** Units whose files cannot be read or written while others can, with the retry. */
  readonly #setAside = new Map<string, () => Promise<unknown>>();
  #stopReason: string | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { logDir, books, observer, workflowDir = join(logDir, OWN_NAMES.workflows) } = options;
    this.#deliveries = new DeliveryFiles(logDir, observer);
    this.#places = new WorkflowPlaces(workflowDir);
    this.#refusals = new Refusals(logDir, books, this.#now);
    const shared = {
      queue: this.#queue,
      now: this.#now,
      onBadLines: (count: number) => books.countSkippedLines(count),
    };
    const taskOptions = { logDir, liveness: this.liveness, observer };
    this.#tasks = new OpenUnits({
      ...shared,
      kind: 'task',
      max: OPEN_TASKS_MAX,
      open: (id, nowMs) => OpenTask.open({ id, nowMs }, taskOptions),
    });
    const workflowOptions = {
      feed: new Feed(workflowDir, this.#now),
      observer,
      onDocument: (id: string) => options.onDocument?.(id),
      isInTask: (taskId: string, spanId: string) => isSpanInTask(logDir, taskId, spanId),
    };
    this.#workflows = new OpenUnits({
      ...shared,
      kind: 'workflow',
      max: OPEN_WORKFLOWS_MAX,
      open: async (id, nowMs) => {
        const month = await this.#places.place(id, isoFromMs(nowMs));
        return OpenWorkflow.open({ id, month, nowMs }, workflowOptions);
      },
    });
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.tick(), TICK_MS).unref();
  }

  /** Stops writing: another process owns the directory, or this one ends. */
  async close(reason: string): Promise<void> {
    this.#stopReason ??= reason;
    clearInterval(this.#timer);
    await this.#queue.idle();
  }

  /** Rejects with a retryable `ERR_STORE_UNAVAILABLE` when the disk fails; the sender must repeat the batch. */
  async ingest(batch: TelemetryBatch): Promise<Ingested> {
    try {
      return await this.#ingest(batch);
    } catch (error) {
      // Senders keep their order, so a failed batch holds up all later records, heartbeats included.
      this.liveness.renew(this.#now());
      throw error;
    }
  }

  async #ingest(batch: TelemetryBatch): Promise<Ingested> {
    this.#checkOpen();
    const sorted = sortBatch(batch, (service) => this.#noteUnattributed(service));
    const { byTask, byWorkflow, deliveries, heartbeats, refused } = sorted;
    const writes = [
      ...[...byTask].map(([id, entries]) => this.#write(this.#tasks, { id, entries, refused })),
      ...[...byWorkflow].map(([id, entries]) => this.#writeWorkflow(id, entries, refused)),
    ];
    if (deliveries.length > 0) writes.push(this.#writeDeliveries(sorted));
    await Promise.all(writes);
    // After the records: a batch may hold the first record of a task and its first heartbeat.
    for (const taskId of heartbeats) this.liveness.heartbeat(taskId, this.#now());
    return { rejected: refused.size, reasons: [...new Set(refused.values())] };
  }

  /** Opens tasks and workflows that an earlier process left with torn lines, outdated documents or missing spans. */
  async recover(): Promise<void> {
    await this.#recoverAll(this.#tasks, await unsettledTasks(this.#options.logDir));
    for (const month of await this.#places.months()) {
      await this.#recoverAll(this.#workflows, unsettledWorkflows(month));
    }
  }

  /** Runs the time-dependent work of open tasks and workflows. */
  async tick(): Promise<void> {
    // On a slow disk a tick may take longer than the interval.
    if (this.#isTicking) return;
    this.#isTicking = true;
    try {
      // One retry a tick: while the disk fails, the others would fail too.
      for (const retry of [...this.#unrecovered.values()].slice(0, 1)) await retry();
      for (const retry of [...this.#setAside.values()].slice(0, 1)) await retry();
      for (const units of [this.#tasks, this.#workflows]) {
        await units.tick({
          isClosed: () => this.#closedReason() !== undefined,
          onSpan: (span) => this.#options.onSpan(span),
          onError: (id, error) => this.#refusals.refuse(`${units.kind} ${id}`, error),
        });
      }
    } finally {
      this.#isTicking = false;
    }
  }

  /**
   * Runs `fn` while the store does not write to a task or workflow. `fn` may change or remove the files: they are
   * read again afterwards.
   */
  async withFilesOf<T>(kind: 'task' | 'workflow', id: string, fn: () => Promise<T>): Promise<T> {
    const units = kind === 'task' ? this.#tasks : this.#workflows;
    return units.alone(id, async () => {
      this.#checkOpen();
      units.forget(id);
      try {
        return await fn();
      } finally {
        if (kind === 'workflow') this.#places.forget(id);
      }
    });
  }

  async #recoverAll<C>(units: OpenUnits<C>, ids: AsyncGenerator<string>): Promise<void> {
    const work = async (): Promise<void> => {
      for await (const id of ids) {
        if (this.#stopReason !== undefined) return;
        await this.#recoverOne(units, id);
      }
    };
    await Promise.all(Array.from({ length: RECOVERY_WIDTH }, work));
  }

  async #recoverOne<C>(units: OpenUnits<C>, id: string): Promise<void> {
    const { books } = this.#options;
    const what = `${units.kind} ${id}`;
    try {
      const isWritten = await this.#write(units, { id, entries: [], refused: new Map() });
      this.#unrecovered.delete(what);
      // Tried again in turn, so that a unit whose files can be read again is no longer reported.
      this.#setAside.delete(what);
      if (isWritten) this.#refusals.clear(what);
      else this.#setAside.set(what, () => this.#recoverOne(units, id));
      if (this.#unrecovered.size === 0) books.setReason('recovery', undefined);
    } catch (error) {
      this.#unrecovered.set(what, () => this.#recoverOne(units, id));
      books.setReason('recovery', `${id}: ${messageOf(error)}`);
    }
  }

  /** Stores changes of one unit and adds refused records to `refused`. False when its files cannot be written. */
  async #write<C>(units: OpenUnits<C>, { id, entries, refused }: UnitWrite<C>): Promise<boolean> {
    const what = `${units.kind} ${id}`;
    return units.alone(id, async () => {
      this.#checkOpen();
      if (this.#options.isPruned?.(units.kind, id) === true) {
        const reason = `${EXPIRED}: ${what} was removed for its age`;
        for (const { record } of entries) refused.set(record, reason);
        return true;
      }
      try {
        const refusedHere = new Set<number>();
        const fresh = await units.apply(id, entries.map(changeOf), (index, reason) => {
          const record = entries[index]?.record ?? -1;
          refusedHere.add(record);
          refused.set(record, reason);
        });
        this.#count(entries.length - refusedHere.size, fresh);
        if (refusedHere.size > 0) this.#options.books.countDropped(TOO_MANY_SPANS, refusedHere.size);
        if (entries.length > 0) this.#refusals.clear(what);
        return true;
      } catch (error) {
        const reason = await this.#refusals.refuse(what, error);
        for (const { record } of entries) refused.set(record, reason);
        return false;
      }
    });
  }

  async #writeWorkflow(
    id: string,
    entries: readonly Entry<WorkflowChange>[],
    refused: Map<number, string>,
  ): Promise<void> {
    // A workflow without a stamp in its id is filed under the month of its first stored event.
    const [first] = entries;
    if (first !== undefined) await this.#places.place(id, timeOf(first.change) || isoFromMs(this.#now()));
    await this.#write(this.#workflows, { id, entries, refused });
  }

  async #writeDeliveries({ deliveries, refused }: SortedBatch): Promise<void> {
    await this.#queue.run('deliveries', async () => {
      this.#checkOpen();
      const byPath = new Map<string, SortedBatch['deliveries']>();
      for (const entry of deliveries) push(byPath, this.#deliveries.pathOf(entry.change), entry);
      for (const [path, entries] of byPath) {
        const name = basename(path);
        try {
          this.#count(entries.length, await this.#deliveries.append(path, entries.map(changeOf)));
          this.#refusals.clear(name);
        } catch (error) {
          const reason = await this.#refusals.refuse(name, error);
          for (const { record } of entries) refused.set(record, reason);
        }
      }
    });
  }

  #count(received: number, fresh: number): void {
    const { books } = this.#options;
    books.countAccepted(fresh);
    books.countDuplicates(received - fresh);
  }

  #noteUnattributed(name: string): void {
    const service = safeName(name);
    if (!this.#options.books.countUnattributed(service)) return;
    this.#options.log(
      `service ${JSON.stringify(service)} sends records that name no task. Set tasktrail.task.id on them, or start ` +
        'the program with OTEL_RESOURCE_ATTRIBUTES=tasktrail.task.id=<task id>',
    );
  }

  #closedReason(): string | undefined {
    if (this.#stopReason !== undefined) return this.#stopReason;
    // Temporary: after a pause of the process, ownership is unknown until the lock has been read again.
    return this.#options.isHeld?.() === false
      ? 'this process does not hold the log directory at the moment'
      : undefined;
  }

  #checkOpen(): void {
    const reason = this.#closedReason();
    if (reason !== undefined) throw unavailable(reason);
  }
}

interface UnitWrite<C> {
  readonly id: string;
  readonly entries: readonly Entry<C>[];
  readonly refused: Map<number, string>;
}

function timeOf(change: WorkflowChange): string {
  return change.kind === 'workflow-fact' ? change.fact.timestamp : isoOfSpan(change.span.startTimeUnixNano);
}

function changeOf<C>(entry: Entry<C>): C {
  return entry.change;
}
