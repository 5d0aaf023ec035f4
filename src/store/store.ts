import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { ATTR } from '../model/attributes.ts';
import { isPathSafeId } from '../model/ids.ts';
import type { OtlpSpan, ReceivedLog, TelemetryBatch } from '../model/otlp.ts';
import type { Change } from '../project/change.ts';
import { foreignEventId, identityOf } from '../project/foreign-id.ts';
import { projectLog } from '../project/log-record.ts';
import { projectSpan } from '../project/span.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { TASK_FILES, WORKFLOW_DIR } from './layout.ts';
import { OpenTask, type TaskChange } from './open-task.ts';
import { type SideChange, SideFiles } from './side-files.ts';

/** Everything that time brings is counted in seconds. */
const TICK_MS = 1_000;

/** Tasks that recovery opens side by side: enough to keep a disk busy, few enough for its memory. */
const RECOVERY_WIDTH = 8;

/** With one of these the disk as a whole takes nothing, whichever task it hit. */
const DISK_ERRORS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']);

export interface StoreOptions {
  readonly logDir: string;
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  readonly books: Books;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** A span that its process will not send: to be recorded like any other. */
  onSpan(span: OtlpSpan): void;
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
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #tasks = new Map<string, OpenTask>();
  readonly #queue = new KeyedQueue();
  readonly #side: SideFiles;
  #timer: NodeJS.Timeout | undefined;
  #closedBecause: string | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#side = new SideFiles(options.logDir, options.workflowDir ?? join(options.logDir, WORKFLOW_DIR));
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
    this.#checkOpen();
    const reasons: string[] = [];
    const byTask = new Map<string, TaskChange[]>();
    const side: SideChange[] = [];
    for (const change of this.#changesOf(batch)) this.#sort(change, { byTask, side, reasons });
    const writes = [...byTask].map(([taskId, changes]) => this.#applyToTask(taskId, changes));
    if (side.length > 0) writes.push(this.#applyAside(side));
    for (const outcome of await Promise.all(writes)) reasons.push(...outcome);
    return { rejected: reasons.length, reasons: [...new Set(reasons)] };
  }

  /** Opens what an earlier process left unfinished: torn tails, documents that lag behind, spans that are missing. */
  async recover(): Promise<void> {
    const ids = (await listNames(this.#options.logDir)).filter(isPathSafeId);
    const next = ids.values();
    const work = async (): Promise<void> => {
      for (const id of next) {
        if (this.#closedBecause !== undefined) return;
        if (await this.#isSettled(id)) continue;
        await this.#applyToTask(id, []).catch((error: unknown) => {
          this.#options.books.setReason('recovery', `${id}: ${messageOf(error)}`);
        });
      }
    };
    await Promise.all(Array.from({ length: RECOVERY_WIDTH }, work));
  }

  /** What time brings to the open tasks. */
  async tick(): Promise<void> {
    for (const [id, task] of this.#tasks) {
      await this.#queue.run(id, async () => {
        if (this.#closedBecause !== undefined || this.#tasks.get(id) !== task) return;
        try {
          for (const span of await task.tick(this.#now())) this.#options.onSpan(span);
          if (task.isIdle(this.#now())) this.#tasks.delete(id);
        } catch (error) {
          this.#tasks.delete(id);
          this.#options.books.setReason('store', `task ${id}: ${messageOf(error)}`);
        }
      });
    }
  }

  *#changesOf(batch: TelemetryBatch): Generator<Change> {
    const ordinals = new Map<string, number>();
    for (const log of batch.logs) yield* projectLog(log, eventIdOf(log, ordinals));
    for (const span of batch.spans) yield projectSpan(span);
  }

  #sort(
    change: Change,
    into: { byTask: Map<string, TaskChange[]>; side: SideChange[]; reasons: string[] },
  ): void {
    switch (change.kind) {
      case 'line':
      case 'fact':
        push(into.byTask, change.taskId, change);
        break;
      case 'span':
        for (const taskId of change.taskIds) push(into.byTask, taskId, change);
        break;
      case 'delivery':
      case 'envelope':
      case 'workflow-span':
        into.side.push(change);
        break;
      case 'nothing':
        break;
      case 'unattributed':
        this.#noteUnattributed(change.service);
        break;
      case 'rejected':
        into.reasons.push(change.reason);
        break;
    }
  }

  /** Returns a reason for each change that could not be kept. */
  async #applyToTask(taskId: string, changes: readonly TaskChange[]): Promise<string[]> {
    return this.#queue.run(taskId, async () => {
      try {
        this.#checkOpen();
        const now = this.#now();
        let task = this.#tasks.get(taskId);
        if (task === undefined) {
          task = await OpenTask.open(this.#options.logDir, taskId, now);
          this.#options.books.countSkippedLines(task.badLines);
          this.#tasks.set(taskId, task);
        }
        this.#count(changes.length, await task.apply(changes, now));
        return [];
      } catch (error) {
        // What is on the disk now is unknown: the next record reads it again.
        this.#tasks.delete(taskId);
        return this.#refuse(`task ${taskId}`, changes.length, error);
      }
    });
  }

  async #applyAside(changes: readonly SideChange[]): Promise<string[]> {
    return this.#queue.run('', async () => {
      const reasons: string[] = [];
      for (const change of changes) {
        try {
          this.#count(1, await this.#side.apply(change));
        } catch (error) {
          reasons.push(...this.#refuse(change.kind, 1, error));
        }
      }
      return reasons;
    });
  }

  /** One file that refuses must not hold up all others; a disk that refuses must lose nothing. */
  #refuse(what: string, count: number, error: unknown): string[] {
    const reason = `cannot write ${what}: ${messageOf(error)}`;
    this.#options.books.setReason('store', reason);
    if (error instanceof TasktrailError) throw error;
    if (DISK_ERRORS.has(errnoOf(error) ?? 'EIO')) throw unavailable(reason, error);
    return Array.from({ length: count }, () => reason);
  }

  #count(given: number, fresh: number): void {
    const { books } = this.#options;
    books.countAccepted(fresh);
    books.countDuplicates(given - fresh);
    if (fresh > 0) books.setReason('store', undefined);
  }

  #noteUnattributed(service: string): void {
    if (!this.#options.books.countUnattributed(service)) return;
    this.#options.log(
      `service ${JSON.stringify(service)} sends records that name no task. Set tasktrail.task.id on them, or start ` +
        'the program with OTEL_RESOURCE_ATTRIBUTES=tasktrail.task.id=<task id>',
    );
  }

  #checkOpen(): void {
    if (this.#closedBecause !== undefined) throw unavailable(this.#closedBecause);
  }

  async #isSettled(id: string): Promise<boolean> {
    try {
      const path = join(this.#options.logDir, id, TASK_FILES.metadata);
      const value: unknown = JSON.parse(await readFile(path, 'utf8'));
      return typeof value === 'object' && value !== null && Reflect.get(value, 'settled') === true;
    } catch (error) {
      // A name that is no directory is none of ours; everything else is read, and mended, by opening it.
      return errnoOf(error) === 'ENOTDIR';
    }
  }
}

function eventIdOf(log: ReceivedLog, ordinals: Map<string, number>): string {
  const given = log.record.attributes[ATTR.eventId];
  if (typeof given === 'string' && isPathSafeId(given)) return given;
  const identity = identityOf(log.record);
  const ordinal = ordinals.get(identity.text) ?? 0;
  ordinals.set(identity.text, ordinal + 1);
  return foreignEventId(identity, ordinal, sha256);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function unavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
}

function push(lists: Map<string, TaskChange[]>, key: string, change: TaskChange): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [change]);
  else list.push(change);
}

async function listNames(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
