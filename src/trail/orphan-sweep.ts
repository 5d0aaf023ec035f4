import { endOrphanRun, findOrphanRuns } from '../agent/orphan-runs.ts';
import { RunFolder } from '../agent/run-folder.ts';
import { messageOf } from '../errors.ts';

/** In the log directory: where the streams of agents are while they run, by task. */
export const AGENT_FOLDER = '_agent';

/** A worker that is started again, or another one, has taken its task up long before. */
const GRACE_MS = 600_000;
const EVERY_MS = 30_000;

export interface OrphanSweepOptions {
  /** Where the runs are, by task. */
  readonly folder: string;
  readonly graceMs?: number;
  readonly everyMs?: number;
  /** Undefined: all is well again. */
  onProblem(reason: string | undefined): void;
  log(line: string): void;
}

/**
 * Ends the agents of dead workers that nobody has gone on with for ten minutes, and removes what their runs left: raw
 * output included, which is private and stays no longer than somebody may need it.
 */
export function watchOrphanRuns(options: OrphanSweepOptions): { close(): void } {
  const { folder, graceMs = GRACE_MS, everyMs = EVERY_MS } = options;
  /** When each was first seen to be nobody's. */
  let seen = new Map<string, number>();
  let isSweeping = false;
  async function sweep(): Promise<void> {
    const now = Date.now();
    const left = new Map<string, number>();
    for (const directory of [...(await findOrphanRuns(folder)).values()].flat()) {
      const sinceMs = seen.get(directory) ?? now;
      if (now - sinceMs < graceMs) left.set(directory, sinceMs);
      else {
        const hadEnded = new RunFolder(directory).readOutcome() !== undefined;
        // Its task is over as well, as a rule: its process was killed before it had tidied up.
        if ((await endOrphanRun(directory)) && !hadEnded)
          options.log(`nobody went on with ${directory}: its agent is ended, what it left is removed`);
      }
    }
    seen = left;
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
