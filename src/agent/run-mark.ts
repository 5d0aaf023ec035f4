import { randomUUID } from 'node:crypto';
import { constants, copyFileSync, linkSync, renameSync, rmSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseObject } from '../model/json.ts';
import { writeNewSync } from '../system/files/new-file.ts';
import { readTextSync } from '../system/files/safe-open.ts';
import { holdsLease, isSuperseded, ownLease } from '../system/lease-guard.ts';
import { identityOf, isProcessAlive, ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';

const MARK_FILE = 'process.json';

/** Idle time after which a folder without a mark is orphaned. The mark is written right after the folder is made. */
const UNMARKED_MS = 60_000;

/** The same for a supervisor on another host or in another container, which cannot be checked. No agent is silent so long. */
const UNSEEN_MS = 24 * 3_600_000;

/**
 * Bound for output that crashes the process that reads it. High enough for a worker that is restarted every second for a
 * quarter of an hour.
 */
const ADOPTIONS_MAX = 1_000;

/** The processes of a run: the supervisor, which records it, and the agent, which survives a kill of the supervisor. */
export interface RunMark {
  readonly supervisor: ProcessIdentity;
  readonly child: ProcessIdentity | null;
  /** How often the run was claimed. */
  readonly adoptions: number;
  /** The lease of the supervisor, see `ownLease`. Undefined: it owned no log directory. */
  readonly lease?: number | undefined;
}

/** Names this process as supervisor: once when the folder is made, and again with the child when that has started. */
export function markRun(directory: string, childPid?: number): void {
  const child = childPid === undefined ? null : identityOf(childPid);
  writeMark(directory, { supervisor: ownIdentity(), child, adoptions: 0, lease: ownLease() });
}

/**
 * Makes this process the supervisor of an orphaned run. Exactly one of several processes succeeds. False for the others,
 * and for a run that has been claimed too often.
 */
export function claimRun(directory: string, mark: RunMark, adoptionsMax: number = ADOPTIONS_MAX): boolean {
  if (mark.adoptions >= adoptionsMax || !holdsLease()) return false;
  const own = writeNew(directory, {
    ...mark,
    supervisor: ownIdentity(),
    adoptions: mark.adoptions + 1,
    lease: ownLease(),
  });
  try {
    claimNew(own, join(directory, takenFile(mark.adoptions)));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** link(2) is atomic and fails with EEXIST for all processes but the first; so does an exclusive copy. */
function claimNew(own: string, path: string): void {
  try {
    linkSync(own, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw error;
    // A file system without hard links. For any other error the copy fails too, with its own.
    copyFileSync(own, path, constants.COPYFILE_EXCL);
  }
}

/** One file for each claim: the n-th supervisor's claim is a race for the n-th file. */
function takenFile(adoptions: number): string {
  return `taken-${adoptions}`;
}

function writeMark(directory: string, mark: RunMark): void {
  // Atomic: with a torn mark the agent of an orphaned run would not be found.
  renameSync(writeNew(directory, mark), join(directory, MARK_FILE));
}

function writeNew(directory: string, mark: RunMark): string {
  const path = join(directory, `${MARK_FILE}.${randomUUID()}`);
  writeNewSync(path, `${JSON.stringify(mark)}\n`);
  return path;
}

/** The mark of the last claim, or of the process that started the run. */
export function readMark(directory: string): RunMark | undefined {
  let mark = readMarkFile(join(directory, MARK_FILE));
  for (;;) {
    const next = mark && readMarkFile(join(directory, takenFile(mark.adoptions)));
    // A damaged file with the wrong number must not make this loop endless.
    if (next === undefined || next.adoptions !== (mark?.adoptions ?? 0) + 1) return mark;
    mark = next;
  }
}

function readMarkFile(path: string): RunMark | undefined {
  let value: JsonObject | undefined;
  try {
    value = parseObject(readTextSync(path));
  } catch {
    // EACCES: made by another user.
    return undefined;
  }
  const supervisor = readIdentity(value?.supervisor);
  if (value === undefined || supervisor === undefined) return undefined;
  const adoptions = typeof value.adoptions === 'number' ? value.adoptions : 0;
  const lease = typeof value.lease === 'number' ? value.lease : undefined;
  return { supervisor, child: readIdentity(value.child) ?? null, adoptions, lease };
}

/** Whether the supervisor of the run may be alive, and still follow it. */
export async function isRunInUse(directory: string, mark: RunMark | undefined): Promise<boolean> {
  if (mark === undefined) return (await idleMs(directory)) < UNMARKED_MS;
  if (isSuperseded(mark.supervisor, mark.lease)) return false;
  const isAlive = isProcessAlive(mark.supervisor);
  if (isAlive !== undefined) return isAlive;
  const own = ownIdentity();
  // The same pid in another pid namespace of this host is this process before its container was restarted.
  if (mark.supervisor.host === own.host && mark.supervisor.pid === own.pid) return false;
  return (await idleMs(directory)) < UNSEEN_MS;
}

/** Time since the last write to any file of the folder. */
async function idleMs(directory: string): Promise<number> {
  const names = await namesIn(directory);
  const times = await Promise.all(
    ['.', ...names].map(async (name) => {
      try {
        return (await lstat(join(directory, name))).mtimeMs;
      } catch (error) {
        // The run has ended in between.
        if (errnoOf(error) === 'ENOENT') return 0;
        throw error;
      }
    }),
  );
  return Date.now() - Math.max(...times);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    // The run has ended in between.
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function readIdentity(value: JsonValue | undefined): ProcessIdentity | undefined {
  if (!isJsonObject(value)) return undefined;
  const { host, pid, start } = value;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return undefined;
  return typeof host === 'string' && typeof start === 'string' ? { host, pid, start } : undefined;
}
