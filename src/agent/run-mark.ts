import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isJsonObject, type JsonValue } from '../model/json.ts';
import { identityOf, isProcessAlive, ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';

const MARK_FILE = 'process.json';

/** Between a folder and its mark lies one call: one that has none for a minute never gets it. */
const UNMARKED_MS = 60_000;

/** Of a supervisor that cannot be seen from here (another host, another container): no agent is silent for a day. */
const UNSEEN_MS = 24 * 3_600_000;

/**
 * How often a run may change hands. A worker that is restarted each second goes on with its agents for a quarter of an
 * hour; a run whose output kills whoever reads it does not do so for ever.
 */
const ADOPTIONS_MAX = 1_000;

/** Whose a run is: the process that follows it, and the agent, which outlives that one when it is killed. */
export interface RunMark {
  readonly supervisor: ProcessIdentity;
  readonly child: ProcessIdentity | null;
  readonly adoptions: number;
}

/** Writes into a run's folder whose it is: once it is made, and again when the agent has been started. */
export function markRun(directory: string, childPid?: number): void {
  const child = childPid === undefined ? null : identityOf(childPid);
  writeMark(directory, { supervisor: ownIdentity(), child, adoptions: 0 });
}

/**
 * Takes over the run of a dead process, of two that want it one. False when another one was faster, or when it has
 * changed hands too often.
 */
export function claimRun(directory: string, mark: RunMark, adoptionsMax: number = ADOPTIONS_MAX): boolean {
  if (mark.adoptions >= adoptionsMax) return false;
  const own = writeNew(directory, {
    ...mark,
    supervisor: ownIdentity(),
    adoptions: mark.adoptions + 1,
  });
  try {
    // One call, with the whole mark in it: killed at any moment, a process has taken the run or has not.
    linkSync(own, join(directory, takenFile(mark.adoptions)));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Named after the one that the run is taken from: the next to take it makes another file. */
function takenFile(adoptions: number): string {
  return `taken-${adoptions}`;
}

function writeMark(directory: string, mark: RunMark): void {
  // Whole or not at all: half a mark would hide the agent that has to be ended.
  renameSync(writeNew(directory, mark), join(directory, MARK_FILE));
}

function writeNew(directory: string, mark: RunMark): string {
  const path = join(directory, `${MARK_FILE}.${randomUUID()}`);
  writeFileSync(path, `${JSON.stringify(mark)}\n`, { mode: 0o600 });
  return path;
}

/** The newest: of who began the run, or of the last who took it over. */
export function readMark(directory: string): RunMark | undefined {
  let mark = readMarkFile(join(directory, MARK_FILE));
  for (;;) {
    const next = mark && readMarkFile(join(directory, takenFile(mark.adoptions)));
    // A number that does not grow is nothing that was written here.
    if (next === undefined || next.adoptions !== (mark?.adoptions ?? 0) + 1) return mark;
    mark = next;
  }
}

function readMarkFile(path: string): RunMark | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(readFileSync(path, 'utf8')) as JsonValue;
  } catch {
    // ENOENT, or a SyntaxError after a power cut: it says nothing either way.
    return undefined;
  }
  const supervisor = isJsonObject(value) ? readIdentity(value.supervisor) : undefined;
  if (!isJsonObject(value) || supervisor === undefined) return undefined;
  const adoptions = typeof value.adoptions === 'number' ? value.adoptions : 0;
  return { supervisor, child: readIdentity(value.child) ?? null, adoptions };
}

/** Whether somebody may still follow the run in this folder. */
export async function isRunInUse(directory: string, mark: RunMark | undefined): Promise<boolean> {
  if (mark === undefined) return (await idleMs(directory)) < UNMARKED_MS;
  const isAlive = isProcessAlive(mark.supervisor);
  if (isAlive !== undefined) return isAlive;
  const own = ownIdentity();
  // The same pid in a new pid namespace of this host: ourselves, before this container was started again.
  if (mark.supervisor.host === own.host && mark.supervisor.pid === own.pid) return false;
  return (await idleMs(directory)) < UNSEEN_MS;
}

/** Since anything in there was last written to. */
async function idleMs(directory: string): Promise<number> {
  const names = await namesIn(directory);
  const times = await Promise.all(
    ['.', ...names].map(async (name) => {
      try {
        return (await stat(join(directory, name))).mtimeMs;
      } catch (error) {
        // Its run has ended meanwhile.
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
    // Its run has ended meanwhile.
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
