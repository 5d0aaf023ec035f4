import { readdir, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { TasktrailError } from '../errors.ts';
import { makeDirectory } from '../system/durable.ts';
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

/** How often the holder touches its lock. */
const TOUCH_MS = 1_000;

/** Ten missed touches are more than a busy moment. */
const RULES: LockRules = { staleMs: 10_000, isTouched: true };

/** After this much time without a touch others may take us for dead, so nothing is written before the lock was read. */
const DOUBT_MS = 5_000;

const TAKEN_OVER = 'another process has taken over the log directory';

/** `_lock.json`: which process owns the log directory and where to send records to. */
export interface LockRecord extends LockOwner {
  readonly started_at: string;
  /** Base URL of the holder's receiver; null while it starts. */
  readonly otlp_url: string | null;
}

/** The lock of the one process that may write below the log directory. */
export class DirectoryLock {
  readonly #path: string;
  readonly #onLost: (reason: string) => void;
  #record: LockRecord;
  #timer: NodeJS.Timeout | undefined;
  #held = true;
  #touchedAt = performance.now();

  private constructor(path: string, record: LockRecord, onLost: (reason: string) => void) {
    this.#path = path;
    this.#record = record;
    this.#onLost = onLost;
  }

  /** Throws `ERR_DIRECTORY_HELD`, naming the holder and the address to send to, when another process has it. */
  static async acquire(logDir: string, onLost: (reason: string) => void): Promise<DirectoryLock> {
    await makeDirectory(logDir);
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

  /** False also after a pause (the process was stopped, the machine slept) until the next touch has read the lock. */
  get isHeld(): boolean {
    return this.#held && performance.now() - this.#touchedAt < DOUBT_MS;
  }

  /** Publishes the address to send to. */
  async announce(otlpUrl: string): Promise<void> {
    this.#record = { ...this.#record, otlp_url: otlpUrl };
    if (!(await updateLock(this.#path, this.#record))) this.#lose(TAKEN_OVER);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#held) return;
    this.#held = false;
    await releaseLock(this.#path, this.#record);
  }

  async #touch(): Promise<void> {
    try {
      const before = performance.now();
      const now = new Date();
      const token = (await readLock(this.#path))?.token;
      if (token === undefined) await this.#restore();
      else if (token !== this.#record.token) return this.#lose(TAKEN_OVER);
      else await utimes(this.#path, now, now);
      this.#touchedAt = before;
    } catch {
      // A disk that refuses: the next touch tries again, and until one succeeds nothing is written.
    }
  }

  /** The lock was deleted, with the whole directory perhaps. */
  async #restore(): Promise<void> {
    await makeDirectory(dirname(this.#path));
    if (!(await restoreLock(this.#path, this.#record))) throw heldBy(undefined);
  }

  #lose(reason: string): void {
    if (!this.#held) return;
    this.#held = false;
    clearInterval(this.#timer);
    this.#onLost(reason);
  }
}

/** The living holder of a log directory, or undefined when there is none. */
export async function findHolder(logDir: string): Promise<LockRecord | undefined> {
  const path = join(logDir, OWN_NAMES.lock);
  const owner = await readLock(path);
  return owner === undefined || (await isStale(path, owner, RULES)) ? undefined : asRecord(owner);
}

/** Files of processes that died while they took the lock. */
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
