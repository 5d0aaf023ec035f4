import { lutimes, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ulid } from 'ulid';
import { messageOf, TasktrailError } from '../errors.ts';
import { isAnyOf } from '../model/secret.ts';
import { macOf } from '../model/trail-token.ts';
import { makeNamedDirectory } from '../system/durable.ts';
import { lstatIfPresent } from '../system/files/optional-files.ts';
import { checkOwnFile } from '../system/files/own-file.ts';
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
import { ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';
import { ensureTrailKey, writeTrailKey } from './key.ts';
import { OWN_NAMES } from './layout.ts';
import { isLease, leaseIn, readLease, writeLease } from './lease/lease.ts';
import { LockToucher } from './lease/lock-toucher.ts';

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
  /** Higher with each takeover of the directory. 0: an older version wrote the file. */
  readonly lease: number;
  /** Signature of the other fields with the key of the directory. Undefined: an older version wrote the file. */
  readonly mac: string | undefined;
}

/** Whether a process that knows the key wrote the record. */
export function isSigned(record: LockRecord, key: string): boolean {
  return record.mac !== undefined && isAnyOf([macOfRecord(record, key)], record.mac);
}

function macOfRecord(record: Omit<LockRecord, 'mac'>, key: string): string {
  const { pid, host, start, token, started_at: startedAt, otlp_url: url, lease } = record;
  const fields = [pid, host, start, token, startedAt, url];
  return macOf(key, JSON.stringify(lease === 0 ? fields : [...fields, lease]));
}

function signed(record: Omit<LockRecord, 'mac'>, key: string): LockRecord {
  return { ...record, mac: macOfRecord(record, key) };
}

export interface LockOptions {
  /** The key of the configuration. Default: that of the directory, which is made if needed. */
  readonly key?: string | undefined;
  /** Default: a new one. */
  readonly token?: string;
  /** Tokens of locks that threads of this process had, which have ended: such a lock is taken over. */
  readonly former?: readonly string[];
  /** Receives why the lock cannot be touched, so that nothing is written; undefined when it can again. */
  readonly onTrouble?: ((reason: string | undefined) => void) | undefined;
}

/** Lock of the one process that writes below the log directory. */
export class DirectoryLock {
  /** The key of the directory: that of the configuration, else the content of `_key`. */
  readonly key: string;
  /** The process whose lock was taken over. It may be alive: stopped, or cut off. */
  readonly former: ProcessIdentity | undefined;
  readonly #isKeyGiven: boolean;
  readonly #path: string;
  readonly #onLost: (reason: string) => void;
  readonly #onTrouble: (reason: string | undefined) => void;
  readonly #toucher: LockToucher;
  #record: LockRecord;
  #timer: NodeJS.Timeout | undefined;
  #isOwner = true;
  #touchedAt = performance.now();
  #touchedWall = Date.now();

  private constructor(parts: LockParts) {
    this.key = parts.key;
    this.former = parts.former;
    this.#isKeyGiven = parts.isKeyGiven;
    this.#path = parts.path;
    this.#record = parts.record;
    this.#onLost = parts.onLost;
    this.#onTrouble = parts.onTrouble;
    this.#toucher = new LockToucher(parts.path, parts.record.token);
  }

  /**
   * Throws `ERR_DIRECTORY_HELD` when another process holds the directory; the message names it and its address. Throws
   * `ERR_DIRECTORY_UNUSABLE` for a damaged key, and for a link or the like in place of the lock or the key.
   */
  static async acquire(
    logDir: string,
    onLost: (reason: string) => void,
    { key: givenKey, token = ulid(), former = [], onTrouble = () => {} }: LockOptions = {},
  ): Promise<DirectoryLock> {
    await makeNamedDirectory(logDir);
    const path = join(logDir, OWN_NAMES.lock);
    await checkOwnFile(path, 'if no tasktrail runs here, remove it');
    const key = givenKey ?? (await ensureTrailKey(logDir));
    const before = await leaseBefore(logDir, key);
    const isAgain = before.owner !== undefined && former.includes(before.owner.token);
    let record = signed(
      {
        ...ownIdentity(),
        token,
        started_at: new Date().toISOString(),
        otlp_url: null,
        lease: isAgain ? before.lease : before.lease + 1,
      },
      key,
    );
    const isOurs = former.length > 0 && (await updateLock(path, record, former));
    const attempt = isOurs ? { isTaken: true as const } : await takeLock(path, record, RULES);
    if (!attempt.isTaken) throw heldBy(attempt.owner && asRecord(attempt.owner), key);
    try {
      if (!(isOurs && isAgain)) record = await keepLease(logDir, record, key);
    } catch (error) {
      await releaseLock(path, record);
      throw error;
    }
    await removeUnfinished(logDir);
    const lock = new DirectoryLock({
      path,
      record,
      key,
      isKeyGiven: givenKey !== undefined,
      onLost,
      onTrouble,
      former: isOurs ? undefined : before.owner,
    });
    lock.#timer = setInterval(() => void lock.#touch(), TOUCH_MS).unref();
    return lock;
  }

  /**
   * False also after a pause (the process was stopped, the machine slept), until the next touch has read the lock.
   */
  get isHeld(): boolean {
    if (!this.#isOwner) return false;
    // The steady clock stands still while the machine sleeps.
    const age = Math.max(performance.now() - this.#touchedAt, Math.abs(Date.now() - this.#touchedWall));
    return age < UNSURE_MS;
  }

  get lease(): number {
    return this.#record.lease;
  }

  get token(): string {
    return this.#record.token;
  }

  /** Publishes the address of the receiver. */
  async announce(otlpUrl: string): Promise<void> {
    this.#record = signed({ ...this.#record, otlp_url: otlpUrl }, this.key);
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
      const found = await readLock(this.#path);
      if (found === undefined) {
        // Another process may have taken over and ended since.
        if (readLease(dirname(this.#path), this.key) > this.#record.lease) return this.#lose(TAKEN_OVER);
        await this.#restore();
      } else if (found.token !== this.#record.token) return this.#lose(TAKEN_OVER);
      // Changed by another program: nothing is sent to this process until it is as it was.
      else if (!isSigned(asRecord(found), this.key)) await updateLock(this.#path, this.#record);
      // Some shares refuse to set times: a new file has a new one.
      else await lutimes(this.#path, now, now).catch(() => updateLock(this.#path, this.#record));
      this.#touchedAt = before;
      this.#touchedWall = now.getTime();
      this.#toucher.beat();
      this.#onTrouble(undefined);
    } catch (error) {
      // The next touch retries. Until one succeeds, nothing is written.
      this.#onTrouble(`${this.#path} cannot be touched, so nothing is written: ${messageOf(error)}`);
    }
  }

  /** The lock file was deleted, perhaps with the whole directory, or something else was put in its place. */
  async #restore(): Promise<void> {
    await makeNamedDirectory(dirname(this.#path));
    const found = await lstatIfPresent(this.#path);
    // No process takes the lock in this form. A link itself is removed, not its target; a folder stays, and is named.
    if (found?.isDirectory() === false && !found.isFile()) await rm(this.#path, { force: true });
    await checkOwnFile(this.#path, 'remove it');
    // Before the lock, which senders cannot check without it.
    if (!this.#isKeyGiven) await writeTrailKey(dirname(this.#path), this.key);
    if (readLease(dirname(this.#path), this.key) < this.#record.lease)
      await writeLease(dirname(this.#path), this.key, this.#record.lease);
    if (!(await restoreLock(this.#path, this.#record))) throw heldBy(undefined, this.key);
  }

  #lose(reason: string): void {
    if (!this.#isOwner) return;
    this.#isOwner = false;
    clearInterval(this.#timer);
    void this.#toucher.stop();
    this.#onLost(reason);
  }
}

/** Releases the lock of a thread of this process that has ended without a release. */
export async function releaseFormer(logDir: string, tokens: readonly string[]): Promise<void> {
  const path = join(logDir, OWN_NAMES.lock);
  for (const token of tokens) await releaseLock(path, { ...ownIdentity(), token });
}

interface LockParts {
  readonly path: string;
  readonly record: LockRecord;
  readonly key: string;
  readonly isKeyGiven: boolean;
  readonly onLost: (reason: string) => void;
  readonly onTrouble: (reason: string | undefined) => void;
  readonly former: ProcessIdentity | undefined;
}

/**
 * The live holder of a log directory; undefined when there is none. Its address is as the file says: `proveHolder` checks
 * that the holder wrote it.
 */
export async function findHolder(logDir: string): Promise<LockRecord | undefined> {
  const path = join(logDir, OWN_NAMES.lock);
  const owner = await readLock(path);
  return owner === undefined || (await isStale(path, owner, RULES)) ? undefined : asRecord(owner);
}

/** The highest lease so far, and the owner of the lock that is there. */
async function leaseBefore(
  logDir: string,
  key: string,
): Promise<{ readonly lease: number; readonly owner: LockOwner | undefined }> {
  const lock = await readLock(join(logDir, OWN_NAMES.lock));
  const record = lock && asRecord(lock);
  // A number without a signature could be the highest of all.
  const ofLock = record !== undefined && isSigned(record, key) ? leaseIn(lock) : 0;
  return { lease: Math.max(readLease(logDir, key), ofLock), owner: lock };
}

/** Keeps the number of a new lease before anything is done with it. It grows when others had the lock in between. */
async function keepLease(logDir: string, record: LockRecord, key: string): Promise<LockRecord> {
  const kept = readLease(logDir, key);
  const lease = Math.max(record.lease, kept + 1);
  await writeLease(logDir, key, lease);
  if (lease === record.lease) return record;
  const next = signed({ ...record, lease }, key);
  if (!(await updateLock(join(logDir, OWN_NAMES.lock), next))) throw heldBy(undefined, key);
  return next;
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
  const { started_at: startedAt, otlp_url: url, mac } = owner;
  return {
    ...owner,
    started_at: typeof startedAt === 'string' ? startedAt : '',
    otlp_url: typeof url === 'string' ? url : null,
    lease: isLease(owner.lease) ? owner.lease : 0,
    mac: typeof mac === 'string' ? mac : undefined,
  };
}

function heldBy(record: LockRecord | undefined, key: string): TasktrailError {
  const who = record === undefined ? 'another process' : `process ${record.pid} on ${record.host}`;
  const isProven = record !== undefined && isSigned(record, key);
  const where = isProven && record.otlp_url !== null ? `; send OTLP to ${record.otlp_url}` : '';
  return new TasktrailError('ERR_DIRECTORY_HELD', `the log directory is held by ${who}${where}`);
}
