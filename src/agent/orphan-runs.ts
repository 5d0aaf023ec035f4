import { existsSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { areRealFolders } from '../system/files/real-folders.ts';
import { isSuperseded } from '../system/lease-guard.ts';
import { isProcessAlive, ownIdentity } from '../system/process-identity.ts';
import { killGroup } from '../system/processes.ts';
import { RunFolder } from './run-folder.ts';
import { claimRun, isRunInUse, type RunMark, readMark } from './run-mark.ts';
import { endRunProcesses, findRunProcesses } from './run-processes.ts';

/** Run folders below `parent` (`<task id>/<run>`) that no living process follows, by task id. */
export async function findOrphanRuns(parent: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const taskId of await foldersIn(parent, 1)) {
    if (!isPathSafeId(taskId)) continue;
    const orphans: string[] = [];
    for (const run of await foldersIn(join(parent, taskId))) {
      const directory = join(parent, taskId, run);
      if (!(await isRunInUse(directory, readMark(directory)))) orphans.push(directory);
    }
    if (orphans.length > 0) found.set(taskId, orphans);
    else await removeEmpty(join(parent, taskId));
  }
  return found;
}

/** Whether the task has an orphaned run whose agent is still running, or ended without an outcome being recorded. */
export async function hasLivingRun(taskFolder: string): Promise<boolean> {
  for (const name of await foldersIn(taskFolder)) {
    const folder = new RunFolder(join(taskFolder, name));
    const facts = folder.readFacts();
    const mark = readMark(folder.directory);
    if (facts === undefined || folder.readOutcome() !== undefined) continue;
    if (await isRunInUse(folder.directory, mark)) continue;
    if (folder.hasExited || findRunProcesses(facts.runId).length > 0) return true;
    if (mark?.child && isProcessAlive(mark.child) === true) return true;
  }
  return false;
}

/** Whether another living process of this machine, frozen or not, follows a run of the task. */
export async function isFollowedElsewhere(taskFolder: string): Promise<boolean> {
  const own = ownIdentity();
  for (const name of await foldersIn(taskFolder)) {
    const mark = readMark(join(taskFolder, name));
    if (mark === undefined || mark.supervisor.pid === own.pid) continue;
    if (isSuperseded(mark.supervisor, mark.lease)) continue;
    if (isProcessAlive(mark.supervisor) === true) return true;
  }
  return false;
}

/**
 * Ends the agent of an orphaned run with everything that it started, and removes the run's folder. Returns false and
 * does nothing when another process has claimed the run since it was found.
 */
export async function endOrphanRun(directory: string): Promise<boolean> {
  const mark = readMark(directory);
  if (!existsSync(directory) || (await isRunInUse(directory, mark))) return false;
  if (mark !== undefined && !claimToEnd(directory, mark)) return false;
  await endRun(directory);
  return true;
}

/** Like `endOrphanRun`, for a run that this process has claimed. */
export async function endRun(directory: string): Promise<void> {
  const folder = new RunFolder(directory);
  const leader = readMark(directory)?.child;
  if (leader) await killGroup(leader);
  const facts = folder.readFacts();
  if (facts !== undefined) await endRunProcesses(facts.runId, { group: facts.group });
  await folder.remove();
  await removeEmpty(join(directory, '..'));
}

function claimToEnd(directory: string, mark: RunMark): boolean {
  try {
    return claimRun(directory, mark, Number.POSITIVE_INFINITY);
  } catch (error) {
    // Another sweep has ended it and removed its folder meanwhile. ENOSPC: this run may be what fills the disk, so it is
    // ended without a claim.
    return errnoOf(error) !== 'ENOENT';
  }
}

/** Removes the recorded runs of a task that has ended. Runs without an outcome keep their folders. */
export async function removeEndedRuns(taskFolder: string, which: 'all' | 'failed' = 'all'): Promise<void> {
  for (const name of await foldersIn(taskFolder)) {
    const folder = new RunFolder(join(taskFolder, name));
    const outcome = folder.readOutcome();
    if (outcome !== undefined && (which === 'all' || !outcome.success)) await folder.remove();
  }
  await removeEmpty(taskFolder);
}

/** A folder that was replaced by a link has none. `levels`: folders of ours up to this one. */
export async function foldersIn(directory: string, levels: 1 | 2 = 2): Promise<readonly string[]> {
  if (!(await areRealFolders(directory, levels))) return [];
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
  }
}
