import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { readTextSync } from '../system/files/safe-open.ts';
import { checkLease, holdsLease } from '../system/lease-guard.ts';
import { isProcessAlive, type ProcessIdentity } from '../system/process-identity.ts';
import { signalGroup } from '../system/processes.ts';
import type { Account } from './account.ts';
import { findProgram, type ProgramPlace, whyNotStartable } from './executable.ts';

/** Time for an agent to end its tools and print its last line. Container runtimes give the same before they kill. */
const GRACE_MS = 10_000;

/** Poll interval for the end of an adopted child: only the parent of a process gets SIGCHLD. */
const POLL_MS = 50;

/**
 * Runs the agent and writes its exit code to descriptor 3, a file that a process which did not start the agent can read. A
 * path would not do: the agent's user may have no right to that folder. Descriptor 4 is `cgroup.procs` of the run's control
 * group, and 0 stands for the writer; with the descriptor the right to move is that of the process which opened it.
 * The traps keep this shell alive until the agent has ended, also when the whole group is signalled; a trapped signal,
 * unlike an ignored one, is reset to its default for the agent. The shell's own messages ("Killed") must not reach the
 * agent's standard error. Only shell builtins are used: the agent's PATH may hold no other program.
 */
const WRAPPER = [
  "stopped=''",
  'trap stopped=143 TERM',
  'trap stopped=130 INT',
  'trap : HUP QUIT USR1 USR2 PIPE ALRM',
  'exec 5>&2 2>/dev/null',
  'printf 0 >&4',
  'exec 4>&-',
  'if [ -n "$stopped" ]; then exit "$stopped"; fi',
  '(exec 2>&5 3>&- 5>&-; exec "$@")',
  'code=$?',
  'printf "%s\\n" "$code" >&3',
  'exit "$code"',
].join('\n');

/** Appended to: what an agent leaves in its exit file must not hide the code. */
const EXIT_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

/** A signal between the wrapper's check of `stopped` and the start of the agent is lost; it is sent again after this. */
const STARTING_MS = 500;

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** File descriptors. An undefined stdin is /dev/null; a pipe would make some agents wait for its end. */
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
  /** Receives the exit code; empty until then. */
  readonly exitFile: string;
  /** `cgroup.procs` of the run's control group; undefined: there is none. */
  readonly groupFile?: string | undefined;
  /** The user to run as; undefined: that of this process. */
  readonly account?: Account | undefined;
  readonly graceMs?: number;
  /** Called with the child's pid, which is also its process group's id. The child is killed when it throws. */
  onStart?(pid: number): void;
}

/** In the shell's convention: 128 plus the signal's number for a signal. Both are null when the end was not observed. */
export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface Child {
  readonly exited: Promise<ChildExit>;
  /** Sends SIGTERM to the whole group, SIGKILL after the grace period. Further calls do nothing. */
  stop(graceMs?: number): void;
  /** Whether `stop` has signalled the group. */
  readonly wasStopped: boolean;
}

/**
 * Starts the command as leader of its own process group: a terminal's Ctrl-C does not reach it, and a signal to the
 * group reaches everything that it starts. Rejects with `ERR_AGENT_FAILED`, whose message says what to do.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const place = { path: options.env.PATH ?? '', cwd: options.cwd ?? process.cwd() };
  const problem = whyNotStartable(options.command, place) ?? whyNotFor(options, place);
  if (problem !== undefined) throw new TasktrailError('ERR_AGENT_FAILED', problem);
  let child: ChildProcess | undefined;
  try {
    checkLease();
    // The full path: the wrapper would run a bare name as its builtin.
    child = spawnChild(findProgram(options.command, place) ?? options.command, options);
    const exited = untilExit(child);
    const spawned = new Promise<void>((resolve, reject) => {
      child?.once('spawn', resolve);
      child?.once('error', reject);
    });
    if (child.pid !== undefined) options.onStart?.(child.pid);
    await spawned;
    return supervise(child.pid, exited, options.graceMs ?? GRACE_MS);
  } catch (error) {
    signalGroup(child?.pid, 'SIGKILL');
    throw new TasktrailError('ERR_AGENT_FAILED', explainStart(error, options.command), { cause: error });
  }
}

function untilExit(child: ChildProcess): Promise<ChildExit> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** Supervises a child that an ended process started. Its exit code comes from the file that the wrapper wrote. */
export function adoptChild(
  leader: ProcessIdentity | undefined,
  { exitFile, graceMs }: { readonly exitFile: string; readonly graceMs?: number | undefined },
): Child {
  return supervise(leader?.pid, untilGone(leader, exitFile), graceMs ?? GRACE_MS);
}

async function untilGone(leader: ProcessIdentity | undefined, exitFile: string): Promise<ChildExit> {
  while (leader !== undefined && isProcessAlive(leader) === true) await delay(POLL_MS);
  return { exitCode: readExitCode(exitFile), signal: null };
}

function readExitCode(exitFile: string): number | null {
  try {
    const text = readTextSync(exitFile)?.trim() ?? '';
    return /^\d{1,3}$/.test(text) ? Number(text) : null;
  } catch {
    // ENOENT: the wrapper was killed too. EISDIR, EACCES: the agent changed the file.
    return null;
  }
}

function spawnChild(program: string, options: ChildOptions): ChildProcess {
  const { account, stdin, stdout, stderr } = options;
  const standard: (number | 'ignore')[] = [stdin ?? 'ignore', stdout, stderr];
  const shared = {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    env: { ...options.env },
    detached: true,
  };
  if (process.platform === 'win32') return spawn(program, options.args, { ...shared, stdio: standard });
  const opened: number[] = [];
  const open = (path: string, flags: number): number => {
    const fd = openSync(path, flags, 0o600);
    opened.push(fd);
    return fd;
  };
  try {
    const exit = open(options.exitFile, EXIT_FLAGS);
    const group = openGroup(options.groupFile, open);
    return spawn('/bin/sh', ['-c', WRAPPER, 'sh', program, ...options.args], {
      ...shared,
      stdio: [...standard, exit, group],
    });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function openGroup(
  path: string | undefined,
  open: (path: string, flags: number) => number,
): number | 'ignore' {
  if (path === undefined) return 'ignore';
  try {
    return open(path, constants.O_WRONLY);
  } catch {
    // ENOENT, EACCES: the group was removed. The run's processes are found by their environment.
    return 'ignore';
  }
}

/** `chdir` happens before the change of the user, so a folder and a program that are closed to that user must be found here. */
function whyNotFor({ account, command }: ChildOptions, place: ProgramPlace): string | undefined {
  if (account === undefined) return undefined;
  const program = findProgram(command, place) ?? command;
  const script = 'cd -- "$1" 2>/dev/null || exit 3; [ -x "$2" ] || exit 4';
  const { uid, gid, name } = account;
  const { status } = spawnSync('/bin/sh', ['-c', script, 'sh', place.cwd, program], {
    uid,
    gid,
    cwd: '/',
    env: {},
  });
  const what = `cannot start ${JSON.stringify(command)} as the user ${name}`;
  if (status === 3)
    return `${what}: its working directory ${JSON.stringify(place.cwd)} is closed to that user`;
  if (status === 4)
    return `${what}: ${program} is closed to that user; install it where all users may run it`;
  return undefined;
}

function supervise(leader: number | undefined, exited: Promise<ChildExit>, graceMs: number): Child {
  let state: 'running' | 'stopping' | 'over' = 'running';
  let wasStopped = false;
  let killTimer: NodeJS.Timeout | undefined;
  let againTimer: NodeJS.Timeout | undefined;
  const startedAtMs = performance.now();
  return {
    exited: exited.then((exit) => {
      clearTimeout(killTimer);
      clearTimeout(againTimer);
      // The rest of a stopped group ignored SIGTERM.
      if (state === 'stopping') signalGroup(leader, 'SIGKILL');
      state = 'over';
      return exit;
    }),
    get wasStopped() {
      return wasStopped;
    },
    stop(patienceMs = graceMs): void {
      // The agent is followed by its successor.
      if (state !== 'running' || !holdsLease()) return;
      state = 'stopping';
      wasStopped = true;
      signalGroup(leader, 'SIGTERM');
      if (performance.now() - startedAtMs < STARTING_MS)
        againTimer = setTimeout(() => signalGroup(leader, 'SIGTERM'), STARTING_MS);
      killTimer = setTimeout(() => signalGroup(leader, 'SIGKILL'), patienceMs);
    },
  };
}

function explainStart(error: unknown, command: string): string {
  const what = `cannot start ${JSON.stringify(command)}`;
  if (errnoOf(error) === 'E2BIG')
    return `${what}: its arguments are too long; leave {message} out of them, standard input carries it too`;
  return `${what}: ${messageOf(error)}`;
}
