import { lutimes, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { TasktrailError } from '../errors.ts';
import { makeNamedDirectory } from '../system/durable.ts';
import {
  isStale,
  type LockOwner,
  type LockRules,
  readLock,
  releaseLock,
  restoreLock,
  takeLock,
  updateLock,
} from '../system/lock.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { OWN_NAMES } from './layout.ts';
import { LockToucher } from './lock-toucher.ts';

/** Interval of touches. */
const TOUCH_MS = 1_000;

/** Stale after ten missed touches, more than a busy process misses. */
const RULES: LockRules = { staleMs: 10_000, isTouched: true };

/**
 * Other processes take over after `staleMs` without a touch. From half of that on, nothing is written until the lock
 * has been read again.
 */
const UNSURE_MS = 5_000;

const TAKEN_OVER = 'another process has taken over the log directory';

/** `_lock.json`: the process that owns the log directory and the address to send records to. */
export interface LockRecord extends LockOwner {
  readonly started_at: string;
  /** Base URL of the holder's receiver; null until it listens. */
  readonly otlp_url: string | null;
}

/** Lock of the one process that writes below the log directory. */
export class DirectoryLock {
  readonly #path: string;
  readonly #onLost: (reason: string) => void;
  readonly #toucher: LockToucher;
  #record: LockRecord;
  #timer: NodeJS.Timeout | undefined;
  #isOwner = true;
  #touchedAt = performance.now();

  private constructor(path: string, record: LockRecord, onLost: (reason: string) => void) {
    this.#path = path;
    this.#record = record;
    this.#onLost = onLost;
    this.#toucher = new LockToucher(path, record.token);
  }

  /** Throws `ERR_DIRECTORY_HELD` when another process holds the directory. The message names it and its address. */
  static async acquire(logDir: string, onLost: (reason: string) => void): Promise<DirectoryLock> {
    await makeNamedDirectory(logDir);
    const path = join(logDir, OWN_NAMES.lock);
    const record: LockRecord = {
      ...ownIdentity(),
      token: ulid(),
      started_at: new Date().toISOString(),
      otlp_url: null,
    };
    const attempt = await takeLock(path, record, RULES);
    if (!attempt.isTaken) throw heldBy(attempt.owner && asRecord(attempt.owner));
    await removeUnfinished(logDir);
    const lock = new DirectoryLock(path, record, onLost);
    lock.#timer = setInterval(() => void lock.#touch(), TOUCH_MS).unref();
    return lock;
  }

  /**
   * False also after a pause (the process was stopped, the machine slept), until the next touch has read the lock.
   */
  get isHeld(): boolean {
    return this.#isOwner && performance.now() - this.#touchedAt < UNSURE_MS;
  }

  /** Publishes the address of the receiver. */
  async announce(otlpUrl: string): Promise<void> {
    this.#record = { ...this.#record, otlp_url: otlpUrl };
    if (!(await updateLock(this.#path, this.#record))) this.#lose(TAKEN_OVER);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#toucher.stop();
    if (!this.#isOwner) return;
    this.#isOwner = false;
    await releaseLock(this.#path, this.#record);
  }

  async #touch(): Promise<void> {
    try {
      const before = performance.now();
      const now = new Date();
      const token = (await readLock(this.#path))?.token;
      if (token === undefined) await this.#restore();
      else if (token !== this.#record.token) return this.#lose(TAKEN_OVER);
      // Some shares refuse to set times: a new file has a new one.
      else await lutimes(this.#path, now, now).catch(() => updateLock(this.#path, this.#record));
      this.#touchedAt = before;
      this.#toucher.beat();
    } catch {
      // The next touch retries. Until one succeeds, nothing is written.
    }
  }

  /** The lock file was deleted, perhaps with the whole directory. */
  async #restore(): Promise<void> {
    await makeNamedDirectory(dirname(this.#path));
    if (!(await restoreLock(this.#path, this.#record))) throw heldBy(undefined);
  }

  #lose(reason: string): void {
    if (!this.#isOwner) return;
    this.#isOwner = false;
    clearInterval(this.#timer);
    void this.#toucher.stop();
    this.#onLost(reason);
  }
}

/** The live holder of a log directory; undefined when there is none. */
export async function findHolder(logDir: string): Promise<LockRecord | undefined> {
  const path = join(logDir, OWN_NAMES.lock);
  const owner = await readLock(path);
  return owner === undefined || (await isStale(path, owner, RULES)) ? undefined : asRecord(owner);
}

/** Removes temporary files of processes that died while they took the lock. */
async function removeUnfinished(logDir: string): Promise<void> {
  for (const name of await readdir(logDir)) {
    if (!name.startsWith(`${OWN_NAMES.lock}.`)) continue;
    const path = join(logDir, name);
    if (await isStale(path, undefined, RULES)) await rm(path, { force: true });
  }
}

function asRecord(owner: LockOwner & Partial<Record<keyof LockRecord, unknown>>): LockRecord {
  const { started_at: startedAt, otlp_url: url } = owner;
  return {
    ...owner,
    started_at: typeof startedAt === 'string' ? startedAt : '',
    otlp_url: typeof url === 'string' ? url : null,
  };
}

function heldBy(record: LockRecord | undefined): TasktrailError {
  const who = record === undefined ? 'another process' : `process ${record.pid} on ${record.host}`;
  const where = record?.otlp_url ? `; send OTLP to ${record.otlp_url}` : '';
  return new TasktrailError('ERR_DIRECTORY_HELD', `the log directory is held by ${who}${where}`);
}
