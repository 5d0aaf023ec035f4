import { createHash } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentOutcome } from '../model/agent-output.ts';
import { isProcessAlive, type ProcessIdentity } from '../system/process-identity.ts';
import { findGroupLeader } from '../system/processes.ts';
import { endOrphanRun, endRun, foldersIn } from './orphan-runs.ts';
import { type RunFacts, RunFolder } from './run-folder.ts';
import { claimRun, isRunInUse, type RunMark, readMark } from './run-mark.ts';
import { findRunProcesses } from './run-processes.ts';

/** Between fork(2) and execve(2) a child shows its parent's environment, not its own. */
const FORK_MS = 200;

/** A run whose supervising process was killed. */
export type OrphanRun = EndedRun | PendingRun;

/** Its outcome is recorded. */
interface EndedRun {
  readonly kind: 'ended';
  readonly outcome: AgentOutcome;
  readonly facts: RunFacts;
}

/** Its outcome is not known yet; this process has claimed it. */
export interface PendingRun {
  readonly kind: 'pending';
  readonly folder: RunFolder;
  readonly facts: RunFacts;
  /** Leader of the agent's process group; undefined when the agent has ended. */
  readonly leader: ProcessIdentity | undefined;
}

/** Two runs with the same fingerprint run the same command. */
export function fingerprintOf(command: readonly string[], dialect: string): string {
  return createHash('sha256')
    .update(JSON.stringify([dialect, ...command]))
    .digest('hex');
}

/**
 * Finds the orphaned run with this key in a task's folder and claims it unless it has ended. Undefined when there is
 * no such run. An orphaned run of another command with the same key is ended.
 */
export async function findResumableRun(
  taskFolder: string,
  { key, fingerprint }: Pick<RunFacts, 'key' | 'fingerprint'>,
): Promise<OrphanRun | undefined> {
  for (const name of await foldersIn(taskFolder)) {
    const folder = new RunFolder(join(taskFolder, name));
    const facts = folder.readFacts();
    const mark = readMark(folder.directory);
    if (facts?.key !== key || mark === undefined || (await isRunInUse(folder.directory, mark))) continue;
    if (facts.fingerprint !== fingerprint) {
      await endOrphanRun(folder.directory);
      continue;
    }
    const outcome = folder.readOutcome();
    if (outcome !== undefined) return { kind: 'ended', outcome, facts };
    if (!claimRun(folder.directory, mark)) continue;
    const leader = await findLeader(mark, facts);
    if (leader === undefined && hasNeverStarted(folder)) {
      await endRun(folder.directory);
      continue;
    }
    return { kind: 'pending', folder, facts, leader };
  }
  return undefined;
}

async function findLeader(mark: RunMark, { runId }: RunFacts): Promise<ProcessIdentity | undefined> {
  if (mark.child !== null) return isProcessAlive(mark.child) === true ? mark.child : undefined;
  // The supervisor was killed between the start of the agent and the write of its mark.
  const leader = findGroupLeader(findRunProcesses(runId));
  if (leader !== undefined) return leader;
  await delay(FORK_MS);
  return findGroupLeader(findRunProcesses(runId));
}

/** Without a child, an exit code and output, the supervisor was killed before it started the agent. */
function hasNeverStarted(folder: RunFolder): boolean {
  const mark = readMark(folder.directory);
  if (mark?.child || folder.hasExited) return false;
  try {
    return (['stdout', 'stderr'] as const).every((stream) => {
      const fd = folder.openStream(stream);
      try {
        return fstatSync(fd).size === 0;
      } finally {
        closeSync(fd);
      }
    });
  } catch {
    // ENOENT: the supervisor was killed before it made the files.
    return true;
  }
}
