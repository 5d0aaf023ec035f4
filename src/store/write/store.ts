import { basename, join } from 'node:path';
import type { Books } from '../../books.ts';
import { messageOf } from '../../errors.ts';
import type { OtlpSpan, TelemetryBatch } from '../../model/otlp.ts';
import { isoFromMs } from '../../model/time.ts';
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

/** Everything that time brings is counted in seconds. */
const TICK_MS = 1_000;

/** Tasks that are written side by side; each has a few files open at a time, and a process has some hundred to give. */
const WRITE_WIDTH = 16;

/** Tasks whose ids stay in memory, and workflows with all of their events. */
const OPEN_TASKS_MAX = 2_000;
const OPEN_WORKFLOWS_MAX = 500;

/** Why a record of what retention has removed is refused. */
const EXPIRED = 'expired';

/** Why a record is counted as dropped that its task has no room for. */
const TOO_MANY_SPANS = 'foreign spans over the limit';

/** Tasks that recovery opens side by side: enough to keep a disk busy, few enough for its memory. */
const RECOVERY_WIDTH = 8;

export interface StoreOptions {
  readonly logDir: string;
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  readonly books: Books;
  /** False while another process may own the directory; default: this one always does. */
  readonly isHeld?: () => boolean;
  /** Whether retention has removed a task or a workflow: records of it are rejected. Default: nothing is. */
  readonly isPruned?: (kind: 'task' | 'workflow', id: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** A span that its process will not send: to be recorded like any other. */
  onSpan(span: OtlpSpan): void;
  /** A workflow has ended, or a late event has changed what its document says. */
  onDocument?(workflowId: string): void;
  /** Hears what is newly stored. */
  readonly observer?: StoreObserver | undefined;
  /** For the one line that a user should see. */
  log(line: string): void;
}

export interface Ingested {
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/**
 * The one writer below the log directory. Takes records in any order and any number of times, and is done with a batch
 * when each of its records has been through write(2) or was rejected by name.
 */
export class Store {
  /** When something was last heard of each task that is at work. */
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
  /** What the disk refused to open at the start, and how to try again. */
  readonly #unrecovered = new Map<string, () => Promise<unknown>>();
  #closedBecause: string | undefined;

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

  /** From now on nothing is written: another process owns the directory, or this one ends. */
  async close(reason: string): Promise<void> {
    this.#closedBecause ??= reason;
    clearInterval(this.#timer);
    await this.#queue.idle();
  }

  /** Rejects with a retryable `ERR_STORE_UNAVAILABLE` when the disk takes nothing; then the batch must come again. */
  async ingest(batch: TelemetryBatch): Promise<Ingested> {
    try {
      return await this.#ingest(batch);
    } catch (error) {
      // Senders keep their order: while a batch does not get through, nothing behind it is heard.
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
    // After the records: the first of a task may have come with its first sign of life.
    for (const taskId of heartbeats) this.liveness.heartbeat(taskId, this.#now());
    return { rejected: refused.size, reasons: [...new Set(refused.values())] };
  }

  /** Opens what an earlier process left unfinished: torn tails, documents that lag behind, spans that are missing. */
  async recover(): Promise<void> {
    await this.#recoverAll(this.#tasks, await unsettledTasks(this.#options.logDir));
    for (const month of await this.#places.months()) {
      await this.#recoverAll(this.#workflows, unsettledWorkflows(month));
    }
  }

  /** What time brings to the open tasks and workflows. */
  async tick(): Promise<void> {
    // On a slow disk the next second comes before this one is done.
    if (this.#isTicking) return;
    this.#isTicking = true;
    try {
      // One a tick: while the disk takes nothing the others would fail as well.
      for (const again of [...this.#unrecovered.values()].slice(0, 1)) await again();
      for (const units of [this.#tasks, this.#workflows]) {
        await units.tick({
          isClosed: () => this.#whyClosed() !== undefined,
          onSpan: (span) => this.#options.onSpan(span),
          onError: (id, error) => this.#refusals.refuse(`${units.kind} ${id}`, error),
        });
      }
    } finally {
      this.#isTicking = false;
    }
  }

  /** Runs `fn` while nothing is written to a task or a workflow, which is then read anew: its files may change or go. */
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
        if (this.#closedBecause !== undefined) return;
        await this.#recoverOne(units, id);
      }
    };
    await Promise.all(Array.from({ length: RECOVERY_WIDTH }, work));
  }

  async #recoverOne<C>(units: OpenUnits<C>, id: string): Promise<void> {
    const { books } = this.#options;
    const what = `${units.kind} ${id}`;
    try {
      await this.#write(units, { id, entries: [], refused: new Map() });
      this.#unrecovered.delete(what);
      if (this.#unrecovered.size === 0) books.setReason('recovery', undefined);
    } catch (error) {
      this.#unrecovered.set(what, () => this.#recoverOne(units, id));
      books.setReason('recovery', `${id}: ${messageOf(error)}`);
    }
  }

  /** Notes as refused what could not be kept. */
  async #write<C>(units: OpenUnits<C>, { id, entries, refused }: UnitWrite<C>): Promise<void> {
    const what = `${units.kind} ${id}`;
    await units.alone(id, async () => {
      this.#checkOpen();
      if (this.#options.isPruned?.(units.kind, id) === true) {
        const reason = `${EXPIRED}: ${what} was removed for its age`;
        for (const { record } of entries) refused.set(record, reason);
        return;
      }
      try {
        const cut = new Set<number>();
        const fresh = await units.apply(id, entries.map(changeOf), (index, reason) => {
          const record = entries[index]?.record ?? -1;
          cut.add(record);
          refused.set(record, reason);
        });
        this.#count(entries.length - cut.size, fresh);
        if (cut.size > 0) this.#options.books.countDropped(TOO_MANY_SPANS, cut.size);
        if (entries.length > 0) this.#refusals.clear(what);
      } catch (error) {
        const reason = await this.#refusals.refuse(what, error);
        for (const { record } of entries) refused.set(record, reason);
      }
    });
  }

  async #writeWorkflow(
    id: string,
    entries: readonly Entry<WorkflowChange>[],
    refused: Map<number, string>,
  ): Promise<void> {
    // Its month, when its id does not say, is that of the first event that is stored.
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

  #count(given: number, fresh: number): void {
    const { books } = this.#options;
    books.countAccepted(fresh);
    books.countDuplicates(given - fresh);
  }

  #noteUnattributed(service: string): void {
    if (!this.#options.books.countUnattributed(service)) return;
    this.#options.log(
      `service ${JSON.stringify(service)} sends records that name no task. Set tasktrail.task.id on them, or start ` +
        'the program with OTEL_RESOURCE_ATTRIBUTES=tasktrail.task.id=<task id>',
    );
  }

  #whyClosed(): string | undefined {
    if (this.#closedBecause !== undefined) return this.#closedBecause;
    // Not for good: after a pause it is unknown until the lock was looked at.
    return this.#options.isHeld?.() === false
      ? 'this process does not hold the log directory right now'
      : undefined;
  }

  #checkOpen(): void {
    const reason = this.#whyClosed();
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
