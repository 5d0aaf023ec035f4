import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import { identityOf, isProcessAlive, type ProcessIdentity } from './process-identity.ts';
import { listPids, readEnvironment, readStat } from './process-table.ts';

/** Time to exit after SIGTERM. Short, because nothing waits for the output of these processes any more. */
const GRACE_MS = 1_000;

const POLL_MS = 10;

/** During execve(2) a process shows no environment, so a single empty search proves nothing. */
const EMPTY_SEARCHES = 3;

/** Bound for a tree that forks faster than it is killed. */
const KILL_MS = 4_000;

/** Bound for a killed process that hangs in the kernel, for example on a dead network disk. */
const GROUP_EXIT_MS = 5_000;

/** A process or, for a negative pid, a process group. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it has ended. EPERM: it runs as another user now, out of reach.
    const errno = errnoOf(error);
    if (errno !== 'ESRCH' && errno !== 'EPERM') throw error;
  }
}

/** Signals every process of the group. Does nothing when the group has ended, or without a leader. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  // kill(2) takes -1 as "every process" and 0 as the caller's own group.
  if (leader !== undefined && leader > 1) sendSignal(-leader, signal);
}

/**
 * The processes that started with a matching value of this variable, in any process group, session or parent, except
 * the caller's own. Works on Linux only: without `/proc` no process is found.
 */
export function findProcesses(variable: string, matches: (value: string) => boolean): readonly number[] {
  const prefix = `${variable}=`;
  return listPids().filter((pid) => {
    if (pid === process.pid) return false;
    const environment = readEnvironment(pid);
    // Most processes lack the variable; their environments are not split.
    if (!environment.includes(prefix)) return false;
    return environment
      .split('\0')
      .some((entry) => entry.startsWith(prefix) && matches(entry.slice(prefix.length)));
  });
}

/**
 * Ends every process that `find` returns: SIGTERM, SIGKILL after the grace period, until three searches in a row are
 * empty. Gives up four seconds after the grace period. Resolves with the number of processes that were signalled.
 */
export async function endProcesses(
  find: () => readonly number[],
  { graceMs = GRACE_MS }: { readonly graceMs?: number } = {},
): Promise<number> {
  const signalled = new Set<number>();
  const startedAtMs = performance.now();
  let emptySearches = 0;
  for (;;) {
    const found = find();
    const passedMs = performance.now() - startedAtMs;
    emptySearches = found.length === 0 ? emptySearches + 1 : 0;
    if (emptySearches === EMPTY_SEARCHES || passedMs > graceMs + KILL_MS) return signalled.size;
    for (const pid of found) {
      if (passedMs >= graceMs) sendSignal(pid, 'SIGKILL');
      else if (!signalled.has(pid)) sendSignal(pid, 'SIGTERM');
      signalled.add(pid);
    }
    await delay(POLL_MS);
  }
}

/** Kills the group of a leader that another process started, and waits up to five seconds for the leader's end. */
export async function killGroup(leader: ProcessIdentity): Promise<void> {
  // Without a start time the pid can belong to an unrelated process by now.
  if (leader.start === '' || isProcessAlive(leader) !== true) return;
  signalGroup(leader.pid, 'SIGKILL');
  const untilMs = performance.now() + GROUP_EXIT_MS;
  while (isProcessAlive(leader) === true && performance.now() < untilMs) await delay(POLL_MS);
}

/** The first of these processes that leads a process group. */
export function findGroupLeader(pids: readonly number[]): ProcessIdentity | undefined {
  for (const pid of pids) {
    try {
      if (readStat(pid).groupId === pid) return identityOf(pid);
    } catch {
      // ENOENT, ESRCH: it has ended.
    }
  }
  return undefined;
}
