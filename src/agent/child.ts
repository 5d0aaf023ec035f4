import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { identityOf, isProcessAlive, type ProcessIdentity } from '../system/process-identity.ts';
import { findProgram, whyNotStartable } from './executable.ts';

/** Time for an agent to end its tools and write its last line; as long as container runtimes give before they kill. */
const GRACE_MS = 10_000;

/** How often an adopted child is looked for: nobody but its parent hears of its end. */
const LOOK_MS = 50;

/**
 * Runs the agent and writes its exit code into a file, so that it is known also to a process that did not start it. The
 * traps keep this shell alive until the agent has ended on its own, whatever is sent to its group; what is trapped (not
 * ignored) is not inherited. What the shell itself would say ("Killed") is not the agent's standard error. It runs no
 * program but the agent: the agent's PATH need not have any other.
 */
const WRAPPER = [
  "stopped=''",
  'trap stopped=143 TERM',
  'trap stopped=130 INT',
  'trap : HUP QUIT USR1 USR2 PIPE ALRM',
  'exec 3>&2 2>/dev/null',
  'if [ -n "$stopped" ]; then exit "$stopped"; fi',
  '(exec 2>&3 3>&-; exec "$@")',
  'code=$?',
  'printf "%s\\n" "$code" > "$0"',
  'exit "$code"',
].join('\n');

/** A signal that comes between the shell's look and the start of the agent is lost: in that time it is sent once more. */
const STARTING_MS = 500;

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** File descriptors; an undefined stdin is /dev/null. Never a pipe: some agents wait for its end for ever. */
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
  /** Where the exit code is written. */
  readonly exitFile: string;
  readonly graceMs?: number;
  /** Called with the child's pid, which is also its group's, as soon as it has one. */
  onStart?(pid: number): void;
}

/** As the shell tells it: a child that a signal ended has 128 and the signal's number. Both null: nobody knows. */
export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface Child {
  readonly exited: Promise<ChildExit>;
  /** SIGTERM to the whole group now, SIGKILL after the grace. Safe to call twice, and after the exit. */
  stop(graceMs?: number): void;
  /** Whether this process has sent the group a signal. */
  readonly wasStopped: boolean;
}

/**
 * Starts the command as leader of its own process group: a terminal's Ctrl-C does not reach it, and signals reach
 * the processes that it starts. Rejects with `ERR_AGENT_FAILED`, whose message says what to do.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const place = { path: options.env.PATH ?? '', cwd: options.cwd ?? process.cwd() };
  const problem = whyNotStartable(options.command, place);
  if (problem !== undefined) throw new TasktrailError('ERR_AGENT_FAILED', problem);
  let child: ChildProcess;
  let exited: Promise<ChildExit>;
  try {
    // The shell gets its full path: a name could be one of its own commands.
    child = spawnChild(findProgram(options.command, place) ?? options.command, options);
    if (child.pid !== undefined) options.onStart?.(child.pid);
    exited = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } catch (error) {
    throw new TasktrailError('ERR_AGENT_FAILED', explainStart(error, options.command), { cause: error });
  }
  return supervise(child.pid, exited, options.graceMs ?? GRACE_MS);
}

/** A child of a process that is gone: its end is seen, and its exit code is what its wrapper wrote. */
export function adoptChild(
  leader: ProcessIdentity | undefined,
  { exitFile, graceMs }: { readonly exitFile: string; readonly graceMs?: number | undefined },
): Child {
  return supervise(leader?.pid, untilGone(leader, exitFile), graceMs ?? GRACE_MS);
}

async function untilGone(leader: ProcessIdentity | undefined, exitFile: string): Promise<ChildExit> {
  while (leader !== undefined && isProcessAlive(leader) === true) await delay(LOOK_MS);
  return { exitCode: readExitCode(exitFile), signal: null };
}

function readExitCode(exitFile: string): number | null {
  try {
    const text = readFileSync(exitFile, 'latin1').trim();
    return /^\d{1,3}$/.test(text) ? Number(text) : null;
  } catch {
    // ENOENT: the wrapper was killed as well. EISDIR, EACCES: the agent was at it.
    return null;
  }
}

function spawnChild(program: string, options: ChildOptions): ChildProcess {
  const isPosix = process.platform !== 'win32';
  const words = isPosix
    ? ['/bin/sh', '-c', WRAPPER, options.exitFile, program, ...options.args]
    : [program, ...options.args];
  return spawn(words[0] ?? program, words.slice(1), {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env },
    detached: true,
    stdio: [options.stdin ?? 'ignore', options.stdout, options.stderr],
  });
}

function supervise(leader: number | undefined, exited: Promise<ChildExit>, graceMs: number): Child {
  let state: 'running' | 'stopping' | 'over' = 'running';
  let wasStopped = false;
  let killTimer: NodeJS.Timeout | undefined;
  let againTimer: NodeJS.Timeout | undefined;
  const startedAtMs = Date.now();
  return {
    exited: exited.then((exit) => {
      clearTimeout(killTimer);
      clearTimeout(againTimer);
      // Whoever of a stopped group has outlived its leader works for nobody.
      if (state === 'stopping') sendToGroup(leader, 'SIGKILL');
      state = 'over';
      return exit;
    }),
    get wasStopped() {
      return wasStopped;
    },
    stop(patienceMs = graceMs): void {
      if (state !== 'running') return;
      state = 'stopping';
      wasStopped = true;
      sendToGroup(leader, 'SIGTERM');
      if (Date.now() - startedAtMs < STARTING_MS)
        againTimer = setTimeout(() => sendToGroup(leader, 'SIGTERM'), STARTING_MS);
      killTimer = setTimeout(() => sendToGroup(leader, 'SIGKILL'), patienceMs);
    },
  };
}

export function sendToGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  // "Group 1" is everybody, to a signal.
  if (leader === undefined || leader <= 1) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // ESRCH: the group is gone already. EPERM: all that is left of it runs as another user, beyond our reach.
    const errno = errnoOf(error);
    if (errno !== 'ESRCH' && errno !== 'EPERM') throw error;
  }
}

/** The leader of a run whose start nobody noted: the one of its processes that leads a group. */
export function leaderAmong(pids: readonly number[]): ProcessIdentity | undefined {
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      if (group === pid) return identityOf(pid);
    } catch {
      // ESRCH, ENOENT: it ended meanwhile.
    }
  }
  return undefined;
}

function explainStart(error: unknown, command: string): string {
  const what = `cannot start ${JSON.stringify(command)}`;
  if (errnoOf(error) === 'E2BIG')
    return `${what}: its arguments are too long; leave {message} out of them, standard input carries it too`;
  return `${what}: ${messageOf(error)}`;
}
