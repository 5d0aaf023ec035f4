import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { type JsonObject, parseObject } from '../model/json.ts';
import { isProcessAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** A lock of this host from another pid namespace (a restarted container) is watched for three touches of its owner. */
const WATCH_MS = 3_500;

/** A lock that is taken and released that often while one process tries is not worth waiting for. */
const TRIES_MAX = 10;

/** The content of a lock file: which process owns it, and more that the owner wants others to know. */
export interface LockOwner extends ProcessIdentity {
  /** Unique for each lock that was ever taken. Becomes part of file names. */
  readonly token: string;
}

export interface LockRules {
  /** After this much time without a touch the owner is taken for dead, whatever the system says of its process. */
  readonly staleMs: number;
  /** False: the owner does not touch its lock, so a living owner is never taken for dead. */
  readonly isTouched: boolean;
}

/** `owner` is undefined when the lock file cannot be read. */
type LockAttempt =
  | { readonly isTaken: true }
  | { readonly isTaken: false; readonly owner: (LockOwner & JsonObject) | undefined };

const TAKEN: LockAttempt = { isTaken: true };

/**
 * Takes a lock: a file that exactly one living process owns. It appears with its content by link(2), which fails when
 * the name exists, and replaces the lock of a dead owner by rename(2), so that at no moment there is none.
 */
export async function takeLock(path: string, owner: LockOwner, rules: LockRules): Promise<LockAttempt> {
  const temp = `${path}.${owner.token}`;
  await writeLock(temp, owner);
  try {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (await linkNew(temp, path)) return TAKEN;
      const lock = await readGeneration(path);
      if (lock === undefined) continue;
      const isFree = (await isStale(path, lock.owner, rules)) || (await isSilent(path, lock.owner, rules));
      if (!isFree) return { isTaken: false, owner: lock.owner };
      const attempt = await replaceStale({ path, temp, stale: lock.generation }, rules);
      if (attempt !== undefined) return attempt;
    }
    return { isTaken: false, owner: (await readGeneration(path))?.owner };
  } finally {
    await rm(temp, { force: true });
  }
}

/** Makes a lock file again that was deleted under its owner. False when another process has taken it meanwhile. */
export async function restoreLock(path: string, owner: LockOwner): Promise<boolean> {
  const temp = `${path}.${owner.token}`;
  await writeLock(temp, owner);
  try {
    return await linkNew(temp, path);
  } finally {
    await rm(temp, { force: true });
  }
}

/** Replaces the content of our own lock. False, and nothing is changed, when another process owns it. */
export async function updateLock(path: string, owner: LockOwner): Promise<boolean> {
  const temp = `${path}.${owner.token}`;
  await writeLock(temp, owner);
  if ((await readLock(path))?.token !== owner.token) {
    await rm(temp, { force: true });
    return false;
  }
  await rename(temp, path);
  return true;
}

/** Removes our own lock; the lock of another process stays. */
export async function releaseLock(path: string, { token }: LockOwner): Promise<void> {
  if ((await readLock(path))?.token === token) await rm(path, { force: true });
}

/** Undefined when there is no lock, or none that can be read. */
export async function readLock(path: string): Promise<(LockOwner & JsonObject) | undefined> {
  try {
    const value = parseObject(await readFile(path, 'utf8'));
    return isLockOwner(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether the owner of a lock, which cannot be read when it is undefined, is dead. */
export async function isStale(
  path: string,
  owner: LockOwner | undefined,
  { staleMs, isTouched }: LockRules,
): Promise<boolean> {
  try {
    const isOld = Date.now() - (await stat(path)).mtimeMs > staleMs;
    // Unreadable: written by something else, or being damaged. It is left alone until it is old.
    if (owner === undefined) return isOld;
    const isAlive = isProcessAlive(owner);
    return isAlive === false || (isOld && (isTouched || isAlive === undefined));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}

async function writeLock(path: string, owner: LockOwner): Promise<void> {
  await writeFile(path, `${JSON.stringify(owner)}\n`);
}

/** False when the name exists: of several processes exactly one succeeds. */
async function linkNew(temp: string, path: string): Promise<boolean> {
  try {
    await link(temp, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

interface Succession {
  readonly path: string;
  /** Our own lock, written and not yet in place. */
  readonly temp: string;
  /** The generation that it may replace. */
  readonly stale: string;
}

/**
 * Replaces a stale lock. Each lock has one successor: the process that makes the link named after it, `..after-<token>`.
 * Only that process may put its lock in place. A successor that died on the way is stale itself, and has a successor.
 * Undefined when another process was faster and is done: then the lock is looked at again.
 */
async function replaceStale(
  { path, temp, stale }: Succession,
  rules: LockRules,
): Promise<LockAttempt | undefined> {
  const made: string[] = [];
  for (let before = stale; ; ) {
    const name = `${path}.after-${before}`;
    if (await linkNew(temp, name)) {
      made.push(name);
      break;
    }
    const other = await readGeneration(name);
    if (other === undefined) return undefined;
    if (!(await isStale(name, other.owner, rules))) return { isTaken: false, owner: other.owner };
    made.push(name, `${path}.${other.generation}`);
    before = other.generation;
  }
  if ((await readGeneration(path))?.generation !== stale) {
    await rm(made.at(-1) ?? temp, { force: true });
    return undefined;
  }
  await rename(temp, path);
  for (const name of made) await rm(name, { force: true });
  return TAKEN;
}

interface Generation {
  readonly owner: (LockOwner & JsonObject) | undefined;
  /** The token; of a lock that cannot be read, its inode and time. */
  readonly generation: string;
}

/** Undefined when there is no lock. */
async function readGeneration(path: string): Promise<Generation | undefined> {
  const owner = await readLock(path);
  if (owner !== undefined) return { owner, generation: owner.token };
  try {
    const { ino, mtimeMs } = await stat(path);
    return { owner: undefined, generation: `${ino}-${mtimeMs}` };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether a lock of a process in another pid namespace of this host stays untouched while we watch. */
async function isSilent(
  path: string,
  owner: LockOwner | undefined,
  { isTouched }: LockRules,
): Promise<boolean> {
  if (!isTouched || owner === undefined || owner.host !== ownIdentity().host) return false;
  if (isProcessAlive(owner) !== undefined) return false;
  try {
    const before = (await stat(path)).mtimeMs;
    await delay(WATCH_MS);
    return (await readLock(path))?.token === owner.token && (await stat(path)).mtimeMs === before;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function isLockOwner(value: JsonObject | undefined): value is LockOwner & JsonObject {
  return (
    typeof value?.pid === 'number' &&
    typeof value.host === 'string' &&
    typeof value.start === 'string' &&
    isPathSafeId(value.token)
  );
}
