import { LRUCache } from 'lru-cache';
import type { Books } from '../../books.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import type { DeliveryLine } from '../../model/documents.ts';
import type { TelemetryBatch } from '../../model/otlp.ts';
import { higherSender, type Sender } from '../../model/sender.ts';
import type { TaskChange } from '../../project/change.ts';
import {
  NOT_PERMITTED,
  refusalInTask,
  refusalInWorkflow,
  standingWith,
} from '../../store/write/batch/admission.ts';
import { SenderNotes } from '../../store/write/batch/sender-notes.ts';
import {
  type Entry,
  refuseByTask,
  type SortedBatch,
  sortBatch,
} from '../../store/write/batch/sorted-batch.ts';
import { Intake } from '../../store/write/intake.ts';
import { LINE_PROBLEM, TOO_LONG } from '../../store/write/lines/line-limit.ts';
import { SplitKeys } from '../../store/write/task/split-keys.ts';
import { isTurnOver, nextTurn } from '../../system/turns.ts';
import type { VictoriaLogs } from '../client.ts';
import type { NewLine } from '../rows.ts';
import { deliveryLine, nameOf, taskLine, workflowLine } from './new-lines.ts';
import { RowWriter } from './row-writer.ts';
import { type RefusedLine, Standings } from './standings.ts';
import { createdIn, TaskMarks } from './task-marks.ts';

/** Part of `/readyz`. */
const PART = 'store';

/** Lines between two looks at the clock. */
const STEP_LINES = 16;

/** Tasks whose split private keys are known. */
const OPEN_KEYS_MAX = 2_000;

export interface RowSinkOptions {
  readonly logs: VictoriaLogs;
  readonly books: Books;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Heartbeats of tasks that their senders may send: they are not stored. It must return at once. */
  onHeartbeats?(taskIds: readonly string[]): void;
  /** A delivery of the trail was stored, perhaps once more. It must return at once. */
  onDelivery?(line: DeliveryLine): void;
  /** Logs a line for the user. */
  log(line: string): void;
}

export interface Ingested {
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/** Lines of a batch, and the changes that were refused meanwhile. */
interface Lines {
  readonly lines: NewLine[];
  readonly refused: Map<number, string>;
}

/**
 * Stores records in VictoriaLogs: the same lines as in files, whole, beside the fields by which they are found. Holds no state but
 * what it can ask for again, so any number of processes may store at once. A line that comes twice is stored twice; readers
 * return it once.
 */
export class RowSink {
  readonly #books: Books;
  readonly #now: () => number;
  readonly #intake: Intake;
  readonly #notes: SenderNotes;
  readonly #standings: Standings;
  readonly #marks: TaskMarks;
  readonly #writer: RowWriter;
  readonly #keys = new LRUCache<string, SplitKeys>({ max: OPEN_KEYS_MAX });
  readonly #onHeartbeats: (taskIds: readonly string[]) => void;
  readonly #onDelivery: (line: DeliveryLine) => void;

  constructor({ logs, books, now = Date.now, onHeartbeats, onDelivery, log }: RowSinkOptions) {
    this.#books = books;
    this.#now = now;
    this.#writer = new RowWriter(logs, now);
    this.#intake = new Intake(books);
    this.#notes = new SenderNotes(books, log);
    this.#standings = new Standings(logs);
    this.#marks = new TaskMarks();
    this.#onHeartbeats = onHeartbeats ?? (() => {});
    this.#onDelivery = onDelivery ?? (() => {});
  }

  /** Resolves when VictoriaLogs has accepted the lines. Rejects with a retryable `ERR_STORE_UNAVAILABLE`: send the batch again. */
  async ingest(batch: TelemetryBatch, sender: Sender): Promise<Ingested> {
    try {
      const result = await this.#ingest(batch, sender);
      this.#books.setReason(PART, undefined);
      return result;
    } catch (error) {
      this.#books.setReason(PART, messageOf(error));
      if (error instanceof TasktrailError) throw error;
      throw new TasktrailError('ERR_STORE_UNAVAILABLE', messageOf(error), { retryable: true, cause: error });
    }
  }

  async #ingest(batch: TelemetryBatch, sender: Sender): Promise<Ingested> {
    const sorted = await sortBatch({ batch, sender }, (service) => this.#notes.unattributed(service));
    const { byTask, byWorkflow, refused } = sorted;
    if (!sorted.isTrails) await refuseByTask(sorted, (id) => this.#standings.ofTask(id, sender.kind));
    const lines: NewLine[] = [];
    const counted: (() => void)[] = [];
    // Before the tasks: a workflow that does not take an event must not stand in the metadata of its task.
    for (const [id, entries] of byWorkflow)
      counted.push(
        await this.#takeUnit(entries, { lines, refused }, (into) => this.#workflow(id, entries, into)),
      );
    const before = new Set(refused.keys());
    for (const [id, all] of byTask) {
      const entries = before.size === 0 ? all : all.filter(({ record }) => !before.has(record));
      counted.push(
        await this.#takeUnit(entries, { lines, refused }, (into) => this.#task(id, entries, into)),
      );
    }
    counted.push(
      await this.#takeUnit(sorted.deliveries, { lines, refused }, (into) => this.#deliveries(sorted, into)),
    );
    const heartbeats = await this.#refuseHeartbeats(sorted);
    await this.#writer.store(lines);
    this.#intake.sorted(sorted);
    for (const done of counted) done();
    this.#intake.heartbeats(sorted.heartbeats.length, heartbeats);
    this.#notes.refused(sender, refused);
    return { rejected: refused.size, reasons: [...new Set(refused.values())] };
  }

  /** Adds the lines of one task, workflow or day. Returns what counts them, to be called once they are stored. */
  async #takeUnit(
    entries: readonly Entry<unknown>[],
    { lines, refused }: Lines,
    take: (into: UnitLines) => Promise<void>,
  ): Promise<() => void> {
    const into = new UnitLines(refused);
    await take(into);
    lines.push(...into.lines);
    return () => {
      into.onStored?.();
      this.#intake.written(entries.length, entries.length - into.records.size, into.counts);
    };
  }

  async #task(id: string, entries: readonly Entry<TaskChange>[], into: UnitLines): Promise<void> {
    const nowMs = this.#now();
    const senders = new Set(entries.map(({ origin }) => origin.sender.kind));
    const least = senders.has('agent') ? 'agent' : 'anonymous';
    const isTrails = senders.size === 1 && senders.has('trail');
    const standing = isTrails ? undefined : await this.#standings.ofTask(id, least);
    const marks = this.#marks.open(id);
    let owner = standing?.owner;
    const doubtful: {
      readonly entry: Entry<TaskChange>;
      readonly line: RefusedLine;
      readonly why: string;
    }[] = [];
    for (const [index, entry] of entries.entries()) {
      if (index % STEP_LINES === 0 && isTurnOver()) await nextTurn();
      const { change, origin, record } = entry;
      const { kind } = origin.sender;
      if (standing !== undefined && kind !== 'trail') {
        const why =
          refusalInTask(id, origin, { ...standing, owner }) ??
          (change.kind === 'span' && standing.isAnnounced(nameOf(change).id)
            ? `span ${nameOf(change).id} was announced by an authenticated sender`
            : undefined);
        if (why !== undefined) {
          doubtful.push({ entry, why, line: { ...nameOf(change), sender: kind } });
          continue;
        }
      }
      const line = taskLine(id, this.#masked(id, change, kind), nowMs);
      if (line === undefined) {
        into.refuse(record, LINE_PROBLEM, TOO_LONG);
        continue;
      }
      into.lines.push(line);
      if (change.kind !== 'span' || owner === undefined) {
        owner = higherSender(owner, kind);
        this.#standings.note('task', id, kind);
      }
      marks.see(line, change.kind === 'fact' ? createdIn(change.line) : undefined);
    }
    into.lines.push(...marks.marks());
    into.onStored = () => marks.stored();
    if (doubtful.length === 0) return;
    const stored = await this.#standings.storedOf(
      id,
      doubtful.map(({ line }) => line),
    );
    for (const { entry, line, why } of doubtful)
      if (!stored.has(line)) into.refuse(entry.record, why, NOT_PERMITTED);
  }

  async #workflow(
    id: string,
    entries: SortedBatch['byWorkflow'] extends Map<string, infer Of> ? Of : never,
    into: UnitLines,
  ): Promise<void> {
    const isTrails = entries.every(
      ({ origin, refusal }) => origin.sender.kind === 'trail' && refusal === undefined,
    );
    let standing = isTrails ? undefined : await this.#standings.ofWorkflow(id);
    const doubtful: { readonly record: number; readonly line: RefusedLine; readonly why: string }[] = [];
    for (const { change, origin, record, refusal } of entries) {
      const event = change.kind === 'workflow-fact' ? change.fact.event_type : undefined;
      const why = refusal ?? (standing && refusalInWorkflow({ id, event }, origin, standing));
      if (why !== undefined) {
        doubtful.push({ record, why, line: { ...nameOf(change), sender: origin.sender.kind } });
        continue;
      }
      const line = workflowLine(id, change);
      if (line === undefined) into.refuse(record, LINE_PROBLEM, TOO_LONG);
      else {
        into.lines.push(line);
        this.#standings.note('workflow', id, origin.sender.kind);
        if (standing !== undefined && change.kind === 'workflow-fact')
          standing = standingWith(standing, change.fact);
      }
    }
    if (doubtful.length === 0) return;
    const stored = await this.#standings.storedOf(
      id,
      doubtful.map(({ line }) => line),
    );
    for (const { record, line, why } of doubtful)
      if (!stored.has(line)) into.refuse(record, why, NOT_PERMITTED);
  }

  async #deliveries({ deliveries }: SortedBatch, into: UnitLines): Promise<void> {
    const stored: DeliveryLine[] = [];
    for (const { change, record } of deliveries) {
      const line = deliveryLine(change, this.#now());
      if (line === undefined) {
        into.refuse(record, LINE_PROBLEM, TOO_LONG);
        continue;
      }
      into.lines.push(line);
      // What anonymous senders say about deliveries is kept, and not counted.
      if (change.line.sender === undefined) stored.push(change.line);
    }
    into.onStored = () => {
      for (const line of stored) this.#onDelivery(line);
    };
  }

  /** Returns the number of those that their sender may not send. None is stored. */
  async #refuseHeartbeats({ heartbeats, refused }: SortedBatch): Promise<number> {
    let count = 0;
    const heard: string[] = [];
    for (const { record, taskId, origin } of heartbeats) {
      const { kind } = origin.sender;
      if (kind === 'trail') {
        heard.push(taskId);
        continue;
      }
      const { owner } = await this.#standings.ofTask(taskId, 'anonymous');
      const why = refusalInTask(taskId, origin, { owner, isOver: false, taskIds: new Set() });
      if (why === undefined) heard.push(taskId);
      else {
        refused.set(record, why);
        count += 1;
      }
    }
    if (heard.length > 0) this.#onHeartbeats(heard);
    return count;
  }

  #masked(taskId: string, change: TaskChange, sender: Sender['kind']): TaskChange {
    if (change.kind !== 'line' || change.file !== 'agentOutput') return change;
    let keys = this.#keys.get(taskId);
    if (keys === undefined) {
      keys = new SplitKeys();
      this.#keys.set(taskId, keys);
    }
    return { ...change, line: keys.masked(change.line, sender) };
  }
}

/** Lines of one task, workflow or day, and the records that it refuses. */
class UnitLines {
  readonly lines: NewLine[] = [];
  /** Called once the lines are stored. */
  onStored: (() => void) | undefined;
  readonly records: Set<number> = new Set();
  /** By drop reason. */
  readonly counts: Map<string, number> = new Map();
  readonly #refused: Map<number, string>;

  constructor(refused: Map<number, string>) {
    this.#refused = refused;
  }

  refuse(record: number, why: string, drop: string): void {
    if (!this.records.has(record)) this.counts.set(drop, (this.counts.get(drop) ?? 0) + 1);
    this.records.add(record);
    this.#refused.set(record, why);
  }
}
