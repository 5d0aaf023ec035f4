import { renameSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import {
  identityOf,
  isProcessAlive,
  ownIdentity,
  type ProcessIdentity,
} from '../journal/process-identity.ts';
import { isJsonObject, type JsonValue } from '../model/json.ts';
import { sendToGroup } from './child.ts';

const MARK_FILE = 'process.json';

/** Between a folder and its mark lies one call: one that has none for a minute never gets it. */
const UNMARKED_MS = 60_000;

/** Of a supervisor that cannot be seen from here (another host, another container): no agent is silent for a day. */
const UNSEEN_MS = 24 * 3_600_000;

/** After SIGKILL a process ends as soon as the system gets to it, unless a disk hangs; the start must not. */
const KILL_WAIT_MS = 5_000;
const KILL_POLL_MS = 10;

/** Whose a run is: the process that follows it, and the agent, which outlives that one when it is killed. */
interface RunMark {
  readonly supervisor: ProcessIdentity;
  readonly child: ProcessIdentity | null;
}

/** Writes into a run's folder whose it is: once it is made, and again when the agent has been started. */
export function markRun(directory: string, childPid?: number): void {
  const child = childPid === undefined ? null : identityOf(childPid);
  const mark: RunMark = { supervisor: ownIdentity(), child };
  const path = join(directory, MARK_FILE);
  // Whole or not at all: half a mark would hide the agent that has to be ended.
  writeFileSync(`${path}.new`, `${JSON.stringify(mark)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/**
 * Ends the agents that dead processes left running below `parent` (`<task id>/<run>`), and removes what those runs left
 * there, raw output included. A run of a living process is not touched.
 */
export async function sweepRuns(parent: string): Promise<void> {
  const sweeps = (await foldersIn(parent)).map(async (name) => {
    const taskFolder = join(parent, name);
    const runs = await foldersIn(taskFolder);
    await Promise.all(runs.map((run) => sweepRun(join(taskFolder, run))));
    try {
      await rmdir(taskFolder);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
    }
  });
  await Promise.all(sweeps);
}

async function sweepRun(directory: string): Promise<void> {
  const mark = await readMark(directory);
  if (await isInUse(directory, mark)) return;
  if (mark?.child) await endGroup(mark.child);
  await rm(directory, { recursive: true, force: true });
}

async function isInUse(directory: string, mark: RunMark | undefined): Promise<boolean> {
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
  const names = await readdir(directory, { recursive: true });
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

/** Where the system does not tell when a process was started, its pid may be anybody's by now: left alone. */
async function endGroup(leader: ProcessIdentity): Promise<void> {
  // And "group 1" is everybody, to a signal.
  if (leader.start === '' || leader.pid <= 1 || isProcessAlive(leader) !== true) return;
  sendToGroup(leader.pid, 'SIGKILL');
  const until = Date.now() + KILL_WAIT_MS;
  while (isProcessAlive(leader) === true && Date.now() < until) await delay(KILL_POLL_MS);
}

async function readMark(directory: string): Promise<RunMark | undefined> {
  let value: JsonValue;
  try {
    value = JSON.parse(await readFile(join(directory, MARK_FILE), 'utf8')) as JsonValue;
  } catch {
    // ENOENT, or a SyntaxError after a power cut: it says nothing either way.
    return undefined;
  }
  const supervisor = isJsonObject(value) ? readIdentity(value.supervisor) : undefined;
  if (!isJsonObject(value) || supervisor === undefined) return undefined;
  return { supervisor, child: readIdentity(value.child) ?? null };
}

function readIdentity(value: JsonValue | undefined): ProcessIdentity | undefined {
  if (!isJsonObject(value)) return undefined;
  const { host, pid, start } = value;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return undefined;
  return typeof host === 'string' && typeof start === 'string' ? { host, pid, start } : undefined;
}

async function foldersIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
