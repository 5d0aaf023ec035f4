import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';

/** In the environment of an agent and, inherited, of all that it starts: which run they belong to, outer runs first. */
export const RUN_ID_VARIABLE = 'TASK_LOGS_RUN_ID';

/** A tool that is told to end gets that long; its agent is gone, so nobody waits for what it does. */
const TERM_MS = 1_000;
const POLL_MS = 10;

/** While a process turns into another program it shows no environment: one look may miss it. */
const LOOKS_IN_VAIN = 3;

/** What forks faster than it can be ended must not hold up the end of its run for ever. */
const KILL_MS = 4_000;

/**
 * The processes of a run, wherever they went: other groups, other sessions, other parents. Only where the system shows
 * environments (Linux) and only those of our user; elsewhere none.
 */
export function processesOf(runId: string): readonly number[] {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    // ENOENT: not Linux.
    return [];
  }
  return pids.map(Number).filter((pid) => pid !== process.pid && belongsTo(pid, runId));
}

/** Ends whatever a run has left behind: SIGTERM, and SIGKILL for what stays. Resolves with how many there were. */
export async function endRunProcesses(runId: string): Promise<number> {
  const seen = new Set<number>();
  const startedAtMs = Date.now();
  let looksInVain = 0;
  for (;;) {
    const left = processesOf(runId);
    const passedMs = Date.now() - startedAtMs;
    looksInVain = left.length === 0 ? looksInVain + 1 : 0;
    if (looksInVain === LOOKS_IN_VAIN || passedMs > TERM_MS + KILL_MS) return seen.size;
    for (const pid of left) {
      if (passedMs > TERM_MS) signal(pid, 'SIGKILL');
      else if (!seen.has(pid)) signal(pid, 'SIGTERM');
      seen.add(pid);
    }
    await delay(POLL_MS);
  }
}

function belongsTo(pid: number, runId: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    // Few have it anywhere: the others are not taken apart.
    if (!environment.includes(runId)) return false;
    const variable = environment.split('\0').find((pair) => pair.startsWith(`${RUN_ID_VARIABLE}=`));
    return (
      variable
        ?.slice(RUN_ID_VARIABLE.length + 1)
        .split('/')
        .includes(runId) === true
    );
  } catch {
    // ESRCH, ENOENT: it ended meanwhile. EACCES: another user's, and beyond our reach.
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  }
}
