import { rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isPathSafeId } from '../model/ids.ts';
import { type JsonObject, parseObject } from '../model/json.ts';
import { readText } from './durable.ts';
import { linkNew } from './files/link-new.ts';
import { writeNewText } from './files/new-file.ts';
import { lstatIfPresent } from './files/optional-files.ts';
import { isProcessAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * How long a lock is watched before it is taken over, in milliseconds. The owner touches it each second: three missed touches
 * mean that it is dead or stopped. Times of files alone do not: the clock of this machine may have jumped.
 */
const WATCH_MS = 3_500;

/** Looks within that time. Looks are counted besides: a machine that slept has stopped the owner too. */
const LOOKS = 7;

/** Attempts before `takeLock` gives up on a lock that changes hands all the time. */
const TRIES_MAX = 10;

/** Content of a lock file: the owning process, and fields that the owner publishes. */
export interface LockOwner extends ProcessIdentity {
  /** Unique for each acquisition. Becomes part of file names. */
  readonly token: string;
}

export interface LockRules {
  /** An owner that has not touched the lock for this long counts as dead, whatever the state of its process. */
  readonly staleMs: number;
  /** False: the owner does not touch its lock, so age does not make the lock of a living owner stale. */
  readonly isTouched: boolean;
}

/** `owner` is undefined when the lock file cannot be read. */
type LockAttempt =
  | { readonly isTaken: true }
  | { readonly isTaken: false; readonly owner: (LockOwner & JsonObject) | undefined };

const TAKEN: LockAttempt = { isTaken: true };

/**
 * Takes a lock: a file that exactly one living process owns. The file is created complete by link(2), which fails
 * when the name exists (exclusive creation where there are no hard links), and replaces a dead owner's lock by rename(2), so that there is never a moment without a lock
 * file.
 */
export async function takeLock(path: string, owner: LockOwner, rules: LockRules): Promise<LockAttempt> {
  return withLockFile(path, owner, async (temp) => {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (await linkNew(temp, path)) return TAKEN;
      const lock = await readGeneration(path);
      if (lock === undefined) continue;
      if (!(await isAbandoned(path, lock.owner, rules))) return { isTaken: false, owner: lock.owner };
      const attempt = await replaceStale({ path, temp, stale: lock.generation }, rules);
      if (attempt !== undefined) return attempt;
    }
    return { isTaken: false, owner: (await readGeneration(path))?.owner };
  });
}

/** Recreates a lock file that was deleted while its owner ran. False when another process has taken the lock. */
export function restoreLock(path: string, owner: LockOwner): Promise<boolean> {
  return withLockFile(path, owner, (temp) => linkNew(temp, path));
}

/**
 * Replaces the content of the caller's own lock, which has one of these tokens. False, without a change, when another process
 * owns it.
 */
export async function updateLock(
  path: string,
  owner: LockOwner,
  tokens: readonly string[] = [owner.token],
): Promise<boolean> {
  return withLockFile(path, owner, async (temp) => {
    const found = await readLock(path);
    if (found === undefined || !tokens.includes(found.token)) return false;
    await rename(temp, path);
    return true;
  });
}

/** Removes the lock if `owner` still holds it. */
export async function releaseLock(path: string, { token }: LockOwner): Promise<void> {
  if ((await readLock(path))?.token === token) await rm(path, { force: true });
}

/** Undefined when there is no lock or its content is not valid. */
export async function readLock(path: string): Promise<(LockOwner & JsonObject) | undefined> {
  const value = parseObject(await readText(path));
  return isLockOwner(value) ? value : undefined;
}

/** Whether the owner of a lock is dead. `owner` is undefined for a lock with invalid content. */
export async function isStale(
  path: string,
  owner: LockOwner | undefined,
  { staleMs, isTouched }: LockRules,
): Promise<boolean> {
  const stats = await lstatIfPresent(path);
  if (stats === undefined) return true;
  const isOld = Date.now() - stats.mtimeMs > staleMs;
  // Invalid content: written by another program or damaged. It is respected until it is old.
  if (owner === undefined) return isOld;
  const isAlive = isProcessAlive(owner);
  return isAlive === false || (isOld && (isTouched || isAlive === undefined));
}

/** Writes the lock to a temporary file beside it, which is removed after `use` unless that has renamed it. */
async function withLockFile<T>(
  path: string,
  owner: LockOwner,
  use: (temp: string) => Promise<T>,
): Promise<T> {
  const temp = `${path}.${owner.token}`;
  await writeNewText(temp, `${JSON.stringify(owner)}\n`);
  try {
    return await use(temp);
  } finally {
    await rm(temp, { force: true });
  }
}

interface Succession {
  readonly path: string;
  /** The caller's lock file, written and not yet in place. */
  readonly temp: string;
  /** The generation that is to be replaced. */
  readonly stale: string;
}

/**
 * Replaces a stale lock. The successor of a lock is the process that creates the link `..after-<token>` named after
 * it, and only the successor may put its lock in place. A successor that died on the way is stale too, and has a
 * successor of its own. Undefined when another process was faster: the caller reads the lock again.
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
  /** The token, or inode and mtime for a lock with invalid content. */
  readonly generation: string;
}

/** Undefined when there is no lock. */
async function readGeneration(path: string): Promise<Generation | undefined> {
  const owner = await readLock(path);
  if (owner !== undefined) return { owner, generation: owner.token };
  const stats = await lstatIfPresent(path);
  return stats && { owner: undefined, generation: `${stats.ino}-${stats.mtimeMs}` };
}

/**
 * Whether a lock may be taken over: its owner is dead, or has not touched it for long and does not while it is watched. A
 * lock of another pid namespace of this host (a restarted container) is watched at any age.
 */
async function isAbandoned(path: string, owner: LockOwner | undefined, rules: LockRules): Promise<boolean> {
  const isAlive = owner === undefined ? undefined : isProcessAlive(owner);
  if (owner === undefined || !rules.isTouched || isAlive === false) return isStale(path, owner, rules);
  const isNear = isAlive === undefined && owner.host === ownIdentity().host;
  if (!isNear && !(await isStale(path, owner, rules)) && !(await isOfFuture(path, rules))) return false;
  return isSilent(path, owner);
}

/** A clock was set back: the age of the lock says nothing. */
async function isOfFuture(path: string, { staleMs }: LockRules): Promise<boolean> {
  const stats = await lstatIfPresent(path);
  return stats !== undefined && stats.mtimeMs - Date.now() > staleMs;
}

/** Whether a lock stays untouched while it is watched. */
async function isSilent(path: string, owner: LockOwner): Promise<boolean> {
  const before = await lstatIfPresent(path);
  if (before === undefined) return false;
  for (let look = 0; look < LOOKS; look += 1) {
    await delay(WATCH_MS / LOOKS);
    if ((await readLock(path))?.token !== owner.token) return false;
    if ((await lstatIfPresent(path))?.mtimeMs !== before.mtimeMs) return false;
  }
  return true;
}

function isLockOwner(value: JsonObject | undefined): value is LockOwner & JsonObject {
  return (
    typeof value?.pid === 'number' &&
    typeof value.host === 'string' &&
    typeof value.start === 'string' &&
    isPathSafeId(value.token)
  );
}
