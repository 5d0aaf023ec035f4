import { existsSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import { isProcessAlive, ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';
import { sendToGroup } from './child.ts';
import { endRunProcesses, processesOf } from './leftovers.ts';
import { RunFolder } from './run-folder.ts';
import { claimRun, isRunInUse, type RunMark, readMark } from './run-mark.ts';

/** After SIGKILL a process ends as soon as the system gets to it, unless a disk hangs; nobody waits for that. */
const KILL_WAIT_MS = 5_000;
const KILL_POLL_MS = 10;

/** Runs of dead processes, by task: the folders below `parent` (`<task id>/<run>`) that nobody follows. */
export async function findOrphanRuns(parent: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const taskId of await foldersIn(parent)) {
    const left: string[] = [];
    for (const run of await foldersIn(join(parent, taskId))) {
      const directory = join(parent, taskId, run);
      if (!(await isRunInUse(directory, readMark(directory)))) left.push(directory);
    }
    if (left.length > 0) found.set(taskId, left);
    else await removeEmpty(join(parent, taskId));
  }
  return found;
}

/** Whether a dead process left a run in this task's folder whose agent works on, or has ended by itself since. */
export async function hasLivingRun(taskFolder: string): Promise<boolean> {
  for (const name of await foldersIn(taskFolder)) {
    const folder = new RunFolder(join(taskFolder, name));
    const facts = folder.readFacts();
    const mark = readMark(folder.directory);
    if (facts === undefined || folder.readOutcome() !== undefined) continue;
    if (await isRunInUse(folder.directory, mark)) continue;
    if (existsSync(folder.exitFile) || processesOf(facts.runId).length > 0) return true;
    if (mark?.child && isProcessAlive(mark.child) === true) return true;
  }
  return false;
}

/** Whether another process of this machine, alive though perhaps frozen, follows a run in this task's folder. */
export async function isFollowedElsewhere(taskFolder: string): Promise<boolean> {
  const own = ownIdentity();
  for (const name of await foldersIn(taskFolder)) {
    const supervisor = readMark(join(taskFolder, name))?.supervisor;
    if (supervisor === undefined || supervisor.pid === own.pid) continue;
    if (isProcessAlive(supervisor) === true) return true;
  }
  return false;
}

/**
 * Ends the agent of a run that nobody goes on with, with all that it started, and removes what the run left. False, and
 * nothing is done, when somebody has just begun to go on with it.
 */
export async function endOrphanRun(directory: string): Promise<boolean> {
  const mark = readMark(directory);
  // Since it was found some time has passed.
  if (!existsSync(directory) || (await isRunInUse(directory, mark))) return false;
  if (mark !== undefined && !takeToEnd(directory, mark)) return false;
  await endRun(directory);
  return true;
}

/** As `endOrphanRun`, of a run that is ours. */
export async function endRun(directory: string): Promise<void> {
  const folder = new RunFolder(directory);
  const leader = readMark(directory)?.child;
  if (leader) await endGroup(leader);
  const runId = folder.readFacts()?.runId;
  if (runId !== undefined) await endRunProcesses(runId);
  await folder.remove();
  await removeEmpty(join(directory, '..'));
}

function takeToEnd(directory: string, mark: RunMark): boolean {
  try {
    return claimRun(directory, mark, Number.POSITIVE_INFINITY);
  } catch {
    // ENOSPC: it may be this very run that fills the disk. ENOENT: there is nothing left to end.
    return true;
  }
}

/** The task of these runs is over: nothing of them is needed any more. Runs that go on keep their folders. */
export async function forgetRuns(taskFolder: string): Promise<void> {
  for (const name of await foldersIn(taskFolder)) {
    const folder = new RunFolder(join(taskFolder, name));
    if (folder.readOutcome() !== undefined) await folder.remove();
  }
  await removeEmpty(taskFolder);
}

/** Where the system does not tell when a process was started, its pid may be anybody's by now: left alone. */
async function endGroup(leader: ProcessIdentity): Promise<void> {
  if (leader.start === '' || isProcessAlive(leader) !== true) return;
  sendToGroup(leader.pid, 'SIGKILL');
  const until = Date.now() + KILL_WAIT_MS;
  while (isProcessAlive(leader) === true && Date.now() < until) await delay(KILL_POLL_MS);
}

export async function foldersIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
  }
}
