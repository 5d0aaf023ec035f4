import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import type { Spent } from '../model/budget.ts';
import { isPathSafeId } from '../model/ids.ts';
import { isJsonObject } from '../model/json.ts';
import { isoFromMs, readIso } from '../model/time.ts';
import { OWN_NAMES } from '../store/layout.ts';
import { readStoredValue } from '../store/stored-file.ts';
import { makeDirectory } from '../system/durable.ts';
import { lstatIfPresent, namesIn } from '../system/files/optional-files.ts';
import { makePrivateDirectory, removeLeftTemps, replacePrivateFile } from '../system/files/private-files.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { isNoFile } from '../system/files/safe-open.ts';
import { syncDirectory } from '../system/files/sync-directory.ts';
import { checkLease, holdsLease, ownLease } from '../system/lease-guard.ts';
import { AttemptClaims } from './attempt-claims.ts';
import { entryText, type JobEntry, type JobWorker, readEntry } from './job-entry.ts';
import type { Job, Queue } from './queue.ts';
import { queueUnavailable } from './unavailable.ts';

/** States since when the folder is used. No task id starts with `_`. */
const OPENED = '_opened.json';

const SUFFIX = '.json';

/** Remembered ends, twice the capacity of the in-process queue: the entries of older ones are gone. */
const ENDED_MAX = 20_000;

/** When and how the folder was made. */
export interface Opening {
  readonly openedAt: string;
  /** True: the directory had records of a version without this folder, and its first jobs were made from them. */
  readonly fromRecords: boolean;
}

/** The part of a job that changes while it is worked on. */
export interface JobChange {
  readonly isStarted?: boolean;
  readonly attempt?: number;
  readonly stops?: number;
  readonly spent?: Spent;
  readonly workflowId?: string;
  /** Null: no process works on it any more. */
  readonly worker?: JobWorker | null;
}

export interface SetAside {
  readonly name: string;
  readonly reason: string;
}

/**
 * `_queue/<task_id>.json`: the jobs that the service has accepted and not ended. From these files alone work is queued
 * again, never from records: the sender of a record cannot write here. Messages stand in them as they were sent.
 * Each change is durable when it resolves.
 */
export class JobStore {
  readonly #dir: string;
  /** Whether this process holds the log directory. Another one on this machine only changes entries that are there. */
  readonly #isHolder: boolean;
  /** The last operation of each task: they run one after the other. */
  readonly #tails = new Map<string, Promise<unknown>>();
  /** Tasks that have ended in this process. */
  readonly #ended = new Set<string>();
  readonly #claims: AttemptClaims;
  /** Why the last write of an entry failed, by task id. */
  readonly #failures = new Map<string, string>();

  private constructor(logDir: string, isHolder: boolean) {
    this.#dir = join(logDir, OWN_NAMES.queue);
    this.#isHolder = isHolder;
    this.#claims = new AttemptClaims(this.#dir);
  }

  /**
   * Makes the folder of a new log directory. To be called before the directory is held: a record that arrives before the
   * folder is there could be taken for one of an earlier version.
   */
  static async prepare(logDir: string): Promise<void> {
    const names = await namesIn(logDir);
    if (names.some((name) => name !== OWN_NAMES.queue && (name.startsWith('_') || isPathSafeId(name))))
      return;
    await makeDirectory(logDir);
    const store = new JobStore(logDir, true);
    await makePrivateDirectory(store.#dir);
    await store.markOpened({ fromRecords: false });
  }

  /** For the process that holds the directory. Throws `ERR_DIRECTORY_UNUSABLE` when the folder is a link or a file. */
  static async open(logDir: string): Promise<JobStore> {
    const store = new JobStore(logDir, true);
    await makePrivateDirectory(store.#dir);
    await removeLeftTemps(store.#dir);
    await store.#claims.sweep(await store.taskIds());
    return store;
  }

  /** For a worker. On another machine there are no entries, and every change does nothing. */
  static attach(logDir: string): JobStore {
    return new JobStore(logDir, false);
  }

  /** Undefined when a version without this folder has used the directory, and its jobs were not taken over yet. */
  async readOpening(): Promise<Opening | undefined> {
    const value = await readStoredValue({
      path: join(this.#dir, OPENED),
      what: `${OWN_NAMES.queue}/${OPENED}`,
    });
    const openedAt = isJsonObject(value) ? readIso(value.opened_at) : undefined;
    if (!isJsonObject(value) || openedAt === undefined) return undefined;
    return { openedAt, fromRecords: value.from_records === true };
  }

  async markOpened({ fromRecords }: Pick<Opening, 'fromRecords'>): Promise<void> {
    const mark = { schema_version: 1, opened_at: isoFromMs(Date.now()), from_records: fromRecords };
    await replacePrivateFile(join(this.#dir, OPENED), `${JSON.stringify(mark)}\n`);
  }

  /**
   * Keeps a job before it is queued. Rejects with `ERR_QUEUE_UNAVAILABLE`, and keeps nothing, when it cannot be written.
   */
  add(job: Job, queue: Pick<Queue, 'name' | 'system' | 'home'>, isStarted = false): Promise<void> {
    return this.#inTurn(job.taskId, async () => {
      this.#ended.delete(job.taskId);
      const now = isoFromMs(Date.now());
      const { name, system, home } = queue;
      const entry = { job, isStarted, queue: { name, system, home }, createdAt: now, updatedAt: now };
      try {
        await this.#write(entry);
      } catch (error) {
        // Without the lease it is the entry of a successor.
        if (!isNoFile(error) && holdsLease(true))
          await rm(this.#pathOf(job.taskId), { force: true }).catch(() => undefined);
        throw queueUnavailable(`the task cannot be kept in ${OWN_NAMES.queue}: ${reasonOf(error)}`, error);
      }
    });
  }

  /**
   * Changes the entry of a job, if there is one and `unless` is not true of it. Never rejects: see `problems`.
   */
  update(
    taskId: string,
    change: JobChange,
    unless: (entry: JobEntry) => boolean = () => false,
  ): Promise<void> {
    return this.#quietly(taskId, async () => {
      if (this.#ended.has(taskId)) return;
      const entry = await this.#read(taskId);
      if (entry === undefined || unless(entry)) return;
      this.#checkOwner(entry);
      const { isStarted = entry.isStarted, worker = entry.worker, ...ofJob } = change;
      await this.#write({
        ...entry,
        isStarted,
        worker: worker ?? undefined,
        job: { ...entry.job, ...ofJob },
        updatedAt: isoFromMs(Date.now()),
      });
    });
  }

  /**
   * Claims an attempt of a job before it runs: exactly one process runs each number. Returns the number, a higher one where
   * another process has claimed this one. A worker claims nothing: its queue hands out each job once.
   */
  async claim(taskId: string, attempt: number): Promise<number> {
    return this.#isHolder ? this.#claims.claim(taskId, attempt) : attempt;
  }

  /** Removes the entry of a job that has ended, if there is one. Never rejects: `sweep` tries again. */
  remove(taskId: string): Promise<void> {
    this.#remember(taskId);
    return this.#quietly(taskId, async () => {
      this.#checkFolder();
      if (ownLease() !== undefined) this.#checkOwner(await this.#read(taskId).catch(() => undefined));
      await rm(this.#pathOf(taskId), { force: true });
      if (this.#isHolder) await this.#claims.remove(taskId);
      if (this.#isHolder) await syncDirectory(this.#dir);
    });
  }

  /** Whether the job has ended in this process, also when its entry could not be removed. */
  hasEnded(taskId: string): boolean {
    return this.#ended.has(taskId);
  }

  /** Undefined when there is none. Throws `ERR_STORE_UNAVAILABLE`, naming the file, for one that is damaged or unreadable. */
  read(taskId: string): Promise<JobEntry | undefined> {
    return this.#inTurn(taskId, () => this.#read(taskId));
  }

  /** Ids of the kept jobs, oldest first: minted ids begin with their time. */
  async taskIds(): Promise<readonly string[]> {
    this.#checkFolder();
    const names = await namesIn(this.#dir);
    const ids = names.filter((name) => name.endsWith(SUFFIX)).map((name) => basename(name, SUFFIX));
    return ids.filter(isPathSafeId).sort();
  }

  /** Writes that failed since the last one that succeeded. */
  get failures(): readonly SetAside[] {
    return [...this.#failures].map(([taskId, reason]) => ({ name: nameOf(taskId), reason }));
  }

  async #read(taskId: string): Promise<JobEntry | undefined> {
    this.#checkFolder();
    const name = nameOf(taskId);
    const value = await readStoredValue({ path: this.#pathOf(taskId), what: name });
    if (value === undefined) {
      if ((await lstatIfPresent(this.#pathOf(taskId))) === undefined) return undefined;
      throw setAside(name, 'not a file');
    }
    const entry = readEntry(taskId, value);
    if (typeof entry === 'string') throw setAside(name, entry);
    return entry;
  }

  /**
   * An entry with a higher lease is that of a successor, of which this process may not know yet: the lock says it. Numbers
   * begin again in a directory that has lost its key or `_lease.json`.
   */
  #checkOwner(entry: JobEntry | undefined): void {
    checkLease((entry?.lease ?? 0) > (ownLease() ?? Number.POSITIVE_INFINITY));
  }

  async #write(changed: JobEntry): Promise<void> {
    this.#checkFolder();
    const { taskId } = changed.job;
    const path = this.#pathOf(taskId);
    const entry = { ...changed, lease: ownLease() ?? changed.lease };
    try {
      await replacePrivateFile(path, entryText(entry));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || !this.#isHolder) throw error;
      // The log directory was emptied while the service runs.
      await makePrivateDirectory(this.#dir);
      await this.markOpened({ fromRecords: false });
      await replacePrivateFile(path, entryText(entry));
    }
  }

  #remember(taskId: string): void {
    this.#ended.add(taskId);
    if (this.#ended.size <= ENDED_MAX) return;
    const [oldest = ''] = this.#ended;
    this.#ended.delete(oldest);
  }

  async #quietly(taskId: string, work: () => Promise<void>): Promise<void> {
    try {
      await this.#inTurn(taskId, work);
      this.#failures.delete(taskId);
    } catch (error) {
      // EACCES in a worker: the folder is another user's, who holds the directory and removes the entry.
      if (this.#isHolder) this.#failures.set(taskId, reasonOf(error));
    }
  }

  async #inTurn<T>(taskId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(taskId);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#tails.set(taskId, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(taskId) === turn) this.#tails.delete(taskId);
    }
  }

  /** A folder that became a link while the service runs leads elsewhere: what stands there must neither start work nor be removed. */
  #checkFolder(): void {
    checkFolders(this.#dir, 1);
  }

  #pathOf(taskId: string): string {
    return join(this.#dir, `${taskId}${SUFFIX}`);
  }
}

/** Entries that cannot be used. Their tasks are not queued again until they can. */
export async function findSetAside(logDir: string): Promise<readonly SetAside[]> {
  const store = JobStore.attach(logDir);
  const found: SetAside[] = [];
  for (const taskId of await store.taskIds()) {
    await store.read(taskId).catch((error: unknown) => {
      found.push({ name: nameOf(taskId), reason: messageOf(error) });
    });
  }
  return found;
}

/** The message of a link names it, which its code does not. */
function reasonOf(error: unknown): string {
  return isNoFile(error) ? messageOf(error) : (errnoOf(error) ?? messageOf(error));
}

function nameOf(taskId: string): string {
  return `${OWN_NAMES.queue}/${taskId}${SUFFIX}`;
}

function setAside(name: string, reason: string): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', `${name} is ${reason}`);
}
