import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentOutcome } from '../model/agent-output.ts';
import { isProcessAlive, type ProcessIdentity } from '../system/process-identity.ts';
import { leaderAmong } from './child.ts';
import { processesOf } from './leftovers.ts';
import { endOrphanRun, endRun, foldersIn } from './orphan-runs.ts';
import { type RunFacts, RunFolder } from './run-folder.ts';
import { claimRun, isRunInUse, type RunMark, readMark } from './run-mark.ts';

/** A child that was just forked shows its own environment only after a moment. */
const FORK_MS = 200;

/** What a killed process left of a run. */
export type OrphanRun =
  | { readonly kind: 'ended'; readonly outcome: AgentOutcome; readonly facts: RunFacts }
  | {
      readonly kind: 'running';
      readonly folder: RunFolder;
      readonly facts: RunFacts;
      readonly leader: ProcessIdentity | undefined;
    };

/** What is compared to know that a run is of the same command. */
export function fingerprintOf(command: readonly string[], dialect: string): string {
  return createHash('sha256')
    .update(JSON.stringify([dialect, ...command]))
    .digest('hex');
}

/**
 * The run of this key in a task's folder, of which no living process takes care: how it ended, or the run itself, which
 * is ours from now on. Undefined when there is none to go on with.
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
      // Whoever works on the task now does something else in its place.
      await endOrphanRun(folder.directory);
      continue;
    }
    const outcome = folder.readOutcome();
    if (outcome !== undefined) return { kind: 'ended', outcome, facts };
    if (!claimRun(folder.directory, mark)) continue;
    const leader = await findLeader(mark, facts);
    if (leader === undefined && hasNeverRun(folder)) {
      await endRun(folder.directory);
      continue;
    }
    return { kind: 'running', folder, facts, leader };
  }
  return undefined;
}

/** Also of a run whose process was killed between the start of its agent and the noting of it. */
async function findLeader(mark: RunMark, { runId }: RunFacts): Promise<ProcessIdentity | undefined> {
  if (mark.child !== null) return isProcessAlive(mark.child) === true ? mark.child : undefined;
  const leader = leaderAmong(processesOf(runId));
  if (leader !== undefined) return leader;
  await delay(FORK_MS);
  return leaderAmong(processesOf(runId));
}

/** No exit code and not a byte: its process was killed before it had started anything. */
function hasNeverRun(folder: RunFolder): boolean {
  const mark = readMark(folder.directory);
  if (mark?.child || existsSync(folder.exitFile)) return false;
  try {
    return ['stdout', 'stderr'].every((stream) => {
      const fd = folder.openStream(stream as 'stdout' | 'stderr');
      try {
        return fstatSync(fd).size === 0;
      } finally {
        closeSync(fd);
      }
    });
  } catch {
    // ENOENT: not even its files were made.
    return true;
  }
}
