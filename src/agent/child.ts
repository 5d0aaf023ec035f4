import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

/** Time for an agent to end its tools and write its last line; as long as container runtimes give before they kill. */
const GRACE_MS = 10_000;

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
  readonly graceMs?: number;
  /** Called with the child's pid, which is also its group's, as soon as it has one. */
  onStart?(pid: number): void;
}

export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface Child {
  readonly exited: Promise<ChildExit>;
  /** SIGTERM to the whole group now, SIGKILL after the grace. Safe to call twice, and after the exit. */
  stop(): void;
}

/**
 * Starts the command as leader of its own process group: a terminal's Ctrl-C does not reach it, and signals reach
 * the processes that it starts. Rejects with `ERR_AGENT_FAILED`, whose message says what to do.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  let child: ChildProcess;
  let exited: Promise<ChildExit>;
  try {
    child = spawnChild(options);
    if (child.pid !== undefined) options.onStart?.(child.pid);
    exited = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } catch (error) {
    throw new TasktrailError('ERR_AGENT_FAILED', await explainStart(error, options), { cause: error });
  }
  return supervise(child, exited, options.graceMs ?? GRACE_MS);
}

function spawnChild(options: ChildOptions): ChildProcess {
  return spawn(options.command, [...options.args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env },
    detached: true,
    stdio: [options.stdin ?? 'ignore', options.stdout, options.stderr],
  });
}

function supervise(child: ChildProcess, exited: Promise<ChildExit>, graceMs: number): Child {
  let state: 'running' | 'stopping' | 'over' = 'running';
  let killTimer: NodeJS.Timeout | undefined;
  const signalGroup = (signal: NodeJS.Signals): void => sendToGroup(child.pid, signal);
  return {
    exited: exited.then((exit) => {
      clearTimeout(killTimer);
      // Whoever of a stopped group has outlived its leader works for nobody.
      if (state === 'stopping') signalGroup('SIGKILL');
      state = 'over';
      return exit;
    }),
    stop(): void {
      if (state !== 'running') return;
      state = 'stopping';
      signalGroup('SIGTERM');
      killTimer = setTimeout(() => signalGroup('SIGKILL'), graceMs);
    },
  };
}

export function sendToGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // ESRCH: the group is gone already. EPERM: all that is left of it runs as another user, beyond our reach.
    const errno = errnoOf(error);
    if (errno !== 'ESRCH' && errno !== 'EPERM') throw error;
  }
}

async function explainStart(error: unknown, options: ChildOptions): Promise<string> {
  const { command, cwd } = options;
  const what = `cannot start ${JSON.stringify(command)}`;
  // The system reports a missing working directory exactly like a missing command.
  if (cwd !== undefined && !(await isDirectory(cwd)))
    return `${what}: its working directory ${JSON.stringify(cwd)} is not there or not a directory`;
  switch (errnoOf(error)) {
    case 'ENOENT':
      return `${what}: not found; install it, or give its full path`;
    case 'EACCES':
      return `${what}: not executable for this user; check its mode and that it is a program`;
    case 'E2BIG':
      return `${what}: its arguments are too long; leave {message} out of them, standard input carries it too`;
    default:
      return `${what}: ${messageOf(error)}`;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // ENOENT, ENOTDIR, EACCES: for a child to start in, all the same.
    return false;
  }
}
