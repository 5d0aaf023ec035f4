import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ulid } from 'ulid';
import { errnoOf, TasktrailError } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { makeDirectory } from '../system/durable.ts';
import { isProcessAlive, ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';
import { OWN_NAMES } from './layout.ts';

/** How often the holder shows that it lives. */
const TOUCH_MS = 1_000;

/** A holder that has not done so for this long is taken for dead: ten missed touches are no busy moment. */
const STALE_MS = 10_000;

/** Without a touch for so long we must look at our lock before we write again: others may think that we are dead. */
const DOUBT_MS = 5_000;

/** A lock of this host from another pid namespace (a container that was started again): three touches tell. */
const WATCH_MS = 3_500;

/** A lock that comes and goes that often while one process starts is not worth waiting for. */
const TRIES_MAX = 10;

/** `_lock.json`: who owns the log directory and where to send to. */
export interface LockRecord extends ProcessIdentity {
  readonly token: string;
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
    await take(path, record);
    await removeLeftovers(logDir);
    const lock = new DirectoryLock(path, record, onLost);
    lock.#timer = setInterval(() => void lock.#touch(), TOUCH_MS).unref();
    return lock;
  }

  /** False also after a pause (the process was stopped, the machine slept) until the next touch has looked. */
  get isHeld(): boolean {
    return this.#held && performance.now() - this.#touchedAt < DOUBT_MS;
  }

  /** Tells others where to send. */
  async announce(otlpUrl: string): Promise<void> {
    this.#record = { ...this.#record, otlp_url: otlpUrl };
    const temp = `${this.#path}.${this.#record.token}`;
    await writeFile(temp, `${JSON.stringify(this.#record)}\n`);
    if ((await readLock(this.#path))?.token !== this.#record.token) {
      await rm(temp, { force: true });
      this.#lose('another process has taken over the log directory');
      return;
    }
    await rename(temp, this.#path);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#held) return;
    this.#held = false;
    if ((await readLock(this.#path))?.token === this.#record.token) await rm(this.#path, { force: true });
  }

  async #touch(): Promise<void> {
    try {
      const before = performance.now();
      const now = new Date();
      const token = (await readLock(this.#path))?.token;
      if (token === undefined) await this.#restore();
      else if (token !== this.#record.token)
        return this.#lose('another process has taken over the log directory');
      else await utimes(this.#path, now, now);
      this.#touchedAt = before;
    } catch {
      // A disk that refuses: the next touch tries again, and until one succeeds nothing is written.
    }
  }

  /** Our lock was deleted (with the whole directory, perhaps): nobody else has it, so it is put back. */
  async #restore(): Promise<void> {
    await makeDirectory(dirname(this.#path));
    const temp = `${this.#path}.${this.#record.token}`;
    await writeFile(temp, `${JSON.stringify(this.#record)}\n`);
    try {
      if (!(await linkNew(temp, this.#path))) throw held(await readLock(this.#path));
    } finally {
      await rm(temp, { force: true });
    }
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
  const record = await readLock(path);
  return record === undefined || (await isStale(path, record)) ? undefined : record;
}

async function take(path: string, record: LockRecord): Promise<void> {
  const temp = `${path}.${record.token}`;
  await writeFile(temp, `${JSON.stringify(record)}\n`);
  try {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (await linkNew(temp, path)) return;
      const lock = await readGeneration(path);
      if (lock === undefined) continue;
      if (!(await isStale(path, lock.record)) && !(await isSilent(path, lock.record))) {
        throw held(lock.record);
      }
      if (await succeed({ path, temp, stale: lock.generation })) return;
    }
    throw held((await readGeneration(path))?.record);
  } finally {
    await rm(temp, { force: true });
  }
}

/** What processes that died while they started have left: never the lock itself. */
async function removeLeftovers(logDir: string): Promise<void> {
  for (const name of await readdir(logDir)) {
    if (!name.startsWith(`${OWN_NAMES.lock}.`)) continue;
    const path = join(logDir, name);
    if (await isStale(path, undefined)) await rm(path, { force: true });
  }
}

/** A link is made only where nothing is: of several processes one succeeds. */
async function linkNew(temp: string, path: string): Promise<boolean> {
  try {
    await link(temp, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Replaces a stale lock. Each lock has one successor: who makes the link that is named after it, `..after-<token>`, and
 * nobody else may then put a new lock in its place. A successor that died half-way is stale itself, and has a successor.
 * The lock is replaced by a rename, so that at no moment there is none. False when somebody else was faster.
 */
async function succeed({ path, temp, stale }: Succession): Promise<boolean> {
  const made: string[] = [];
  for (let before = stale; ; ) {
    const name = `${path}.after-${before}`;
    if (await linkNew(temp, name)) {
      made.push(name);
      break;
    }
    const other = await readGeneration(name);
    // Done and cleared away in between.
    if (other === undefined) return false;
    if (!(await isStale(name, other.record))) throw held(other.record);
    made.push(name, `${path}.${other.generation}`);
    before = other.generation;
  }
  if ((await readGeneration(path))?.generation !== stale) {
    await rm(made.at(-1) ?? temp, { force: true });
    return false;
  }
  await rename(temp, path);
  for (const name of made) await rm(name, { force: true });
  return true;
}

interface Succession {
  readonly path: string;
  /** Our own lock, written and not yet in place. */
  readonly temp: string;
  /** The generation that it may replace. */
  readonly stale: string;
}

interface Generation {
  readonly record: LockRecord | undefined;
  /** The token; of a lock that cannot be read, what tells it from others. */
  readonly generation: string;
}

/** Undefined when there is no lock. */
async function readGeneration(path: string): Promise<Generation | undefined> {
  const record = await readLock(path);
  if (record !== undefined) return { record, generation: record.token };
  try {
    const { ino, mtimeMs } = await stat(path);
    return { record: undefined, generation: `${ino}-${mtimeMs}` };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function isStale(path: string, record: LockRecord | undefined): Promise<boolean> {
  try {
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (age > STALE_MS) return true;
    // Unreadable and fresh: written by something else; wait for it to grow old.
    if (record === undefined) return false;
    return isProcessAlive(record) === false;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}

/** Whether the lock of a process that we cannot see, on a host of our name, stays untouched while we watch. */
async function isSilent(path: string, record: LockRecord | undefined): Promise<boolean> {
  const own = ownIdentity();
  const isOurHost = record !== undefined && record.host === own.host && isProcessAlive(record) === undefined;
  if (!isOurHost) return false;
  try {
    const before = (await stat(path)).mtimeMs;
    await delay(WATCH_MS);
    return (await readLock(path))?.token === record.token && (await stat(path)).mtimeMs === before;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function readLock(path: string): Promise<LockRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isLockRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isLockRecord(value: unknown): value is LockRecord {
  if (typeof value !== 'object' || value === null) return false;
  const field = (name: string): unknown => Reflect.get(value, name);
  return (
    typeof field('pid') === 'number' &&
    typeof field('host') === 'string' &&
    typeof field('start') === 'string' &&
    isPathSafeId(field('token'))
  );
}

function held(record: LockRecord | undefined): TasktrailError {
  const who = record === undefined ? 'another process' : `process ${record.pid} on ${record.host}`;
  const where = record?.otlp_url ? `; send OTLP to ${record.otlp_url}` : '';
  return new TasktrailError('ERR_DIRECTORY_HELD', `the log directory is held by ${who}${where}`);
}
