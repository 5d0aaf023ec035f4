import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';

/** In the environment of an agent and, inherited, of all that it starts: which run they belong to, outer runs first. */
export const RUN_ID_VARIABLE = 'TASK_LOGS_RUN_ID';

/** A tool that is told to end gets that long; its agent is gone, so nobody waits for what it does. */
const TERM_MS = 1_000;
const POLL_MS = 20;

/** One that forks faster than it can be ended must not hold up the end of its run for ever. */
const ROUNDS_MAX = 5;

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
export async function endLeftovers(runId: string): Promise<number> {
  const seen = new Set<number>();
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const left = processesOf(runId);
    if (left.length === 0) break;
    for (const pid of left) seen.add(pid);
    for (const pid of left) signal(pid, round === 0 ? 'SIGTERM' : 'SIGKILL');
    const until = Date.now() + TERM_MS;
    while (processesOf(runId).length > 0 && Date.now() < until) await delay(POLL_MS);
  }
  return seen.size;
}

function belongsTo(pid: number, runId: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    const at = environment.indexOf(`${RUN_ID_VARIABLE}=`);
    if (at !== 0 && environment[at - 1] !== '\0') return false;
    const end = environment.indexOf('\0', at);
    const value = environment.slice(at + RUN_ID_VARIABLE.length + 1, end < 0 ? undefined : end);
    return value.split('/').includes(runId);
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
