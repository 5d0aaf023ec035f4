import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { isJsonObject } from '../model/json.ts';
import type { OtlpSpan, TelemetryBatch } from '../model/otlp.ts';
import type { Change } from '../project/change.ts';
import { changesOf } from './batch-changes.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { TASK_FILES, type TaskFile, WORKFLOW_DIR } from './layout.ts';
import { OpenTask, type TaskChange } from './open-task.ts';
import { type SideChange, SideFiles } from './side-files.ts';

/** Everything that time brings is counted in seconds. */
const TICK_MS = 1_000;

/** Tasks that are written side by side; each has a few files open at a time, and a process has some hundred to give. */
const WRITE_WIDTH = 16;

/** Tasks whose ids stay in memory; beyond that the one that was silent longest is read back when it speaks again. */
const OPEN_TASKS_MAX = 2_000;

/** Tasks that recovery opens side by side: enough to keep a disk busy, few enough for its memory. */
const RECOVERY_WIDTH = 8;

/** A directory where a file should be, rights, a limit: the next task's files may be well. */
const FILE_ERRORS = new Set(
  'EACCES EEXIST EFBIG EINVAL EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR ENXIO EPERM'.split(' '),
);

export interface StoreOptions {
  readonly logDir: string;
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  readonly books: Books;
  /** False once another process owns the directory; default: this one always does. */
  readonly isHeld?: () => boolean;
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

/** A change, and which record of the batch it comes from. */
interface Entry<C> {
  readonly record: number;
  readonly change: C;
}

interface Sorted {
  readonly byTask: Map<string, Entry<TaskChange>[]>;
  readonly side: Entry<SideChange>[];
  /** Records that are not kept, or not everywhere, and why. */
  readonly refused: Map<number, string>;
}

/**
 * The one writer below the log directory. Takes records in any order and any number of times, and is done with a batch
 * when each of its records has been through write(2) or was rejected by name.
 */
export class Store {
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #tasks = new Map<string, OpenTask>();
  readonly #queue = new KeyedQueue(WRITE_WIDTH);
  readonly #side: SideFiles;
  #timer: NodeJS.Timeout | undefined;
  #isTicking = false;
  /** Tasks that the disk refused to open at the start. */
  readonly #unrecovered = new Set<string>();
  /** The file or task that the notice speaks of. */
  #refused: string | undefined;
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
    const sorted: Sorted = { byTask: new Map(), side: [], refused: new Map() };
    let record = 0;
    for (const changes of changesOf(batch)) {
      for (const change of changes) this.#sort(change, record, sorted);
      record += 1;
    }
    const { byTask, side, refused } = sorted;
    const writes = [...byTask].map(async ([taskId, entries]) => {
      const reason = await this.#applyToTask(taskId, entries.map(changeOf));
      if (reason !== undefined) for (const entry of entries) refused.set(entry.record, reason);
    });
    if (side.length > 0) writes.push(this.#applyAside(side, refused));
    await Promise.all(writes);
    return { rejected: refused.size, reasons: [...new Set(refused.values())] };
  }

  /** Opens what an earlier process left unfinished: torn tails, documents that lag behind, spans that are missing. */
  async recover(): Promise<void> {
    const ids = (await listNames(this.#options.logDir)).filter(isPathSafeId);
    const next = ids.values();
    const work = async (): Promise<void> => {
      for (const id of next) {
        if (this.#whyClosed() !== undefined) return;
        if (await this.#isSettled(id)) continue;
        await this.#recoverTask(id);
      }
    };
    await Promise.all(Array.from({ length: RECOVERY_WIDTH }, work));
  }

  async #recoverTask(id: string): Promise<void> {
    const { books } = this.#options;
    try {
      await this.#applyToTask(id, []);
      this.#unrecovered.delete(id);
      if (this.#unrecovered.size === 0) books.setReason('recovery', undefined);
    } catch (error) {
      this.#unrecovered.add(id);
      books.setReason('recovery', `${id}: ${messageOf(error)}`);
    }
  }

  /** What time brings to the open tasks. */
  async tick(): Promise<void> {
    // On a slow disk the next second comes before this one is done.
    if (this.#isTicking) return;
    this.#isTicking = true;
    try {
      await this.#tickAll();
    } finally {
      this.#isTicking = false;
    }
  }

  async #tickAll(): Promise<void> {
    // One a tick: while the disk takes nothing the others would fail as well.
    for (const id of [...this.#unrecovered].slice(0, 1)) await this.#recoverTask(id);
    for (const [id, task] of this.#tasks) {
      await this.#queue.run(id, async () => {
        if (this.#whyClosed() !== undefined || this.#tasks.get(id) !== task) return;
        try {
          for (const span of await task.tick(this.#now())) this.#options.onSpan(span);
          if (task.isIdle(this.#now())) this.#tasks.delete(id);
        } catch (error) {
          this.#tasks.delete(id);
          await this.#refuse(`task ${id}`, error).catch(() => undefined);
        }
      });
    }
  }

  #sort(change: Change, record: number, { byTask, side, refused }: Sorted): void {
    switch (change.kind) {
      case 'line':
      case 'fact':
        push(byTask, change.taskId, { record, change });
        break;
      case 'span':
        for (const taskId of change.taskIds) push(byTask, taskId, { record, change });
        break;
      case 'delivery':
      case 'envelope':
      case 'workflow-span':
        side.push({ record, change });
        break;
      case 'nothing':
        break;
      case 'unattributed':
        this.#noteUnattributed(change.service);
        break;
      case 'rejected':
        refused.set(record, change.reason);
        break;
    }
  }

  /** Returns why the changes could not be kept, if so. */
  async #applyToTask(taskId: string, changes: readonly TaskChange[]): Promise<string | undefined> {
    return this.#queue.run(taskId, async () => {
      this.#checkOpen();
      try {
        await this.#write(taskId, changes);
      } catch (error) {
        // What is on the disk now is unknown: the next record reads it again.
        this.#tasks.delete(taskId);
        return this.#refuse(`task ${taskId}`, error);
      }
      if (changes.length > 0) this.#clear(`task ${taskId}`);
      return undefined;
    });
  }

  async #write(taskId: string, changes: readonly TaskChange[]): Promise<void> {
    const known = this.#tasks.get(taskId);
    try {
      const task = known ?? (await this.#open(taskId));
      // To the end of the map: its order is who spoke last.
      this.#tasks.delete(taskId);
      this.#tasks.set(taskId, task);
      this.#count(changes.length, await task.apply(changes, this.#now()));
    } catch (error) {
      // Somebody removed the directory of a task that was open: it begins anew.
      if (known === undefined || errnoOf(error) !== 'ENOENT') throw error;
      this.#tasks.delete(taskId);
      await this.#write(taskId, changes);
    }
  }

  async #open(taskId: string): Promise<OpenTask> {
    const task = await OpenTask.open(this.#options.logDir, taskId, this.#now());
    this.#options.books.countSkippedLines(task.badLines);
    this.#tasks.set(taskId, task);
    this.#makeRoom();
    return task;
  }

  #makeRoom(): void {
    if (this.#tasks.size <= OPEN_TASKS_MAX) return;
    for (const [id, task] of this.#tasks) {
      if (!task.isDue && this.#tasks.size > OPEN_TASKS_MAX) this.#tasks.delete(id);
      if (this.#tasks.size <= OPEN_TASKS_MAX) return;
    }
  }

  async #applyAside(entries: readonly Entry<SideChange>[], refused: Map<number, string>): Promise<void> {
    await this.#queue.run('', async () => {
      this.#checkOpen();
      const byPath = new Map<string, Entry<SideChange>[]>();
      for (const entry of entries) push(byPath, await this.#side.pathOf(entry.change), entry);
      for (const [path, list] of byPath) {
        const name = basename(path);
        try {
          this.#count(list.length, await this.#side.append(path, list.map(changeOf)));
          this.#clear(name);
        } catch (error) {
          const reason = await this.#refuse(name, error);
          for (const entry of list) refused.set(entry.record, reason);
        }
      }
    });
  }

  /** One file that refuses must not hold up all others; a disk that refuses must lose nothing. */
  async #refuse(what: string, error: unknown): Promise<string> {
    const { books, logDir } = this.#options;
    const reason = `cannot write ${what}: ${messageOf(error)}`;
    if (!isOneFile(error) || !(await isWritable(logDir))) {
      books.setReason('store', reason);
      throw unavailable(reason, error);
    }
    this.#refused = what;
    books.setNotice('store', reason);
    return reason;
  }

  /** A write that succeeded says that the disk takes something, and that this file does. */
  #clear(what: string): void {
    const { books } = this.#options;
    books.setReason('store', undefined);
    if (this.#refused !== what) return;
    this.#refused = undefined;
    books.setNotice('store', undefined);
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
    if (this.#options.isHeld?.() === false)
      this.#closedBecause ??= 'this process no longer holds the log directory';
    return this.#closedBecause;
  }

  #checkOpen(): void {
    const reason = this.#whyClosed();
    if (reason !== undefined) throw unavailable(reason);
  }

  /** Settled, and no line was written since: what a crash left behind is newer than the last document. */
  async #isSettled(id: string): Promise<boolean> {
    const path = (file: TaskFile): string => join(this.#options.logDir, id, TASK_FILES[file]);
    try {
      const value: unknown = JSON.parse(await readFile(path('metadata'), 'utf8'));
      if (!isJsonObject(value) || value.settled !== true) return false;
      const { mtimeMs } = await stat(path('metadata'));
      for (const file of ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const) {
        const lines = await stat(path(file)).catch(ignoreMissing);
        if (lines !== undefined && lines.mtimeMs > mtimeMs) return false;
      }
      return true;
    } catch (error) {
      // A name that is no directory is none of ours; everything else is read, and mended, by opening it.
      return errnoOf(error) === 'ENOTDIR';
    }
  }
}

function unavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
}

/** Whether an error speaks of one file; all others speak of the disk, or of the process as a whole. */
function isOneFile(error: unknown): boolean {
  const errno = errnoOf(error);
  // Without an errno it is a fault of ours over this one task's data, which will be the same next time.
  return errno === undefined || !/^E[A-Z0-9]+$/.test(errno) || FILE_ERRORS.has(errno);
}

async function isWritable(dir: string): Promise<boolean> {
  try {
    await access(`${dir}/.`, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // Not a directory any more, not ours any more, or read-only by now.
    return false;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function changeOf<C>(entry: Entry<C>): C {
  return entry.change;
}

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

async function listNames(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
