import { endOrphanRun, findOrphanRuns } from '../agent/orphan-runs.ts';
import { RunFolder } from '../agent/run-folder.ts';
import { messageOf } from '../errors.ts';

/** Folder in the log directory with the streams of running agents, by task id. */
export const AGENT_FOLDER = '_agent';

/** A restarted worker, or another one, resumes an orphaned run long before this. */
const GRACE_MS = 600_000;
const EVERY_MS = 30_000;

export interface OrphanSweepOptions {
  /** Holds the run folders, `<task id>/<run>`. */
  readonly folder: string;
  readonly graceMs?: number;
  readonly everyMs?: number;
  /** Whether the task has its final result: nothing is resumed then. Default: unknown, so that every run waits. */
  isTaskOver?(taskId: string): Promise<boolean>;
  /** Whether records wait that may say who goes on with a run: the time of all runs begins afterwards. Default: none do. */
  isBehind?(): Promise<boolean>;
  /** Sends the records that agents left. Must not reject. */
  sendLeftRecords?(): Promise<void>;
  /** Called after each sweep; undefined when it succeeded. */
  onProblem(reason: string | undefined): void;
  log(line: string): void;
}

/**
 * Ends the agents of runs that have been orphaned for ten minutes, and removes the folders of these runs. They hold raw
 * output, which may be private: the folder of a run that ended with its task goes at once.
 */
export function watchOrphanRuns(options: OrphanSweepOptions): { close(): void } {
  const { folder, graceMs = GRACE_MS, everyMs = EVERY_MS } = options;
  /** Time at which each run was first found orphaned. */
  let orphanedSince = new Map<string, number>();
  let isSweeping = false;
  async function sweep(): Promise<void> {
    const now = Date.now();
    if ((await options.isBehind?.()) === true) orphanedSince = new Map();
    const waiting = new Map<string, number>();
    let failure: unknown;
    const orphans = [...(await findOrphanRuns(folder))].flatMap(([taskId, runs]) =>
      runs.map((directory) => ({ taskId, directory })),
    );
    for (const { taskId, directory } of orphans) {
      const sinceMs = orphanedSince.get(directory) ?? now;
      if (now - sinceMs < graceMs && !(await isDone(taskId, directory))) waiting.set(directory, sinceMs);
      else {
        try {
          await end(directory);
        } catch (error) {
          // One run that cannot be removed must not keep the others.
          waiting.set(directory, sinceMs);
          failure ??= error;
        }
      }
    }
    orphanedSince = waiting;
    await options.sendLeftRecords?.();
    if (failure !== undefined) throw failure;
  }
  /** Killed between the end of its task and the removal of the folder. */
  async function isDone(taskId: string, directory: string): Promise<boolean> {
    if (new RunFolder(directory).readOutcome() === undefined) return false;
    return (await options.isTaskOver?.(taskId)) === true;
  }
  async function end(directory: string): Promise<void> {
    const hadEnded = new RunFolder(directory).readOutcome() !== undefined;
    const isRemoved = await endOrphanRun(directory);
    // A run with an outcome is only cleaned up: its supervisor was killed between the outcome and the removal.
    if (isRemoved && !hadEnded) options.log(`ended the orphaned agent of ${directory} and removed its files`);
  }
  function tick(): void {
    if (isSweeping) return;
    isSweeping = true;
    sweep()
      .then(() => options.onProblem(undefined))
      .catch((error: unknown) => options.onProblem(messageOf(error)))
      .finally(() => {
        isSweeping = false;
      });
  }
  tick();
  const timer = setInterval(tick, everyMs).unref();
  return { close: () => clearInterval(timer) };
}
