import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fillPlaceholders } from '../../agent/placeholders.ts';
import { errnoOf } from '../../errors.ts';

/** As an agent that is recorded gets between SIGTERM and SIGKILL. */
const GRACE_MS = 10_000;

export interface UnrecordedOptions {
  readonly cwd: string | undefined;
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly input: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Aborted: SIGTERM, and SIGKILL after the grace. */
  readonly stopSignal: AbortSignal;
  /** Aborted: SIGKILL at once. */
  readonly killSignal: AbortSignal;
}

/** `errno` when it could not be started, `stop` when we ended it. */
export interface UnrecordedEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly errno?: string;
  readonly stop?: 'timeout' | 'cancelled';
}

/**
 * The command on our own streams, as if we were not there, for when it cannot be recorded. Ended like an agent that is.
 * Never rejects.
 */
export async function runUnrecorded(
  [program = '', ...args]: readonly string[],
  options: UnrecordedOptions,
): Promise<UnrecordedEnd> {
  const { cwd, env, input, timeoutMs, stopSignal, killSignal } = options;
  const texts = input === undefined ? {} : { message: input };
  let child: ChildProcess;
  try {
    child = spawn(
      program,
      args.map((arg) => fillPlaceholders(arg, texts)),
      {
        ...(cwd !== undefined && { cwd }),
        env: { ...env },
        // As leader of a group of its own: a terminal's Ctrl-C comes by us, and signals reach what it starts.
        detached: true,
        stdio: [input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
      },
    );
  } catch (error) {
    return { exitCode: null, signal: null, errno: errnoOf(error) ?? 'EINVAL' };
  }
  // An agent that does not read its message ends all the same.
  child.stdin?.on('error', () => {}).end(input);
  let stop: UnrecordedEnd['stop'];
  let killTimer: NodeJS.Timeout | undefined;
  const end = (reason: 'timeout' | 'cancelled'): void => {
    if (stop !== undefined) return;
    stop = reason;
    signalGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
  };
  const onAbort = (): void => end('cancelled');
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), timeoutMs);
  const onKill = (): void => signalGroup(child.pid, 'SIGKILL');
  stopSignal.addEventListener('abort', onAbort);
  killSignal.addEventListener('abort', onKill);
  if (stopSignal.aborted) onAbort();
  const exit = await new Promise<UnrecordedEnd>((resolve) => {
    child.once('exit', (exitCode, signalName) => resolve({ exitCode, signal: signalName }));
    child.once('error', (error) =>
      resolve({ exitCode: null, signal: null, errno: errnoOf(error) ?? 'EINVAL' }),
    );
  });
  clearTimeout(timer);
  clearTimeout(killTimer);
  stopSignal.removeEventListener('abort', onAbort);
  killSignal.removeEventListener('abort', onKill);
  return stop === undefined ? exit : { ...exit, stop };
}

/** Ends everything that was started with this text in its environment, at once. Where there is no /proc, nothing. */
export function killMarked(mark: string): void {
  for (const pid of numbersIn('/proc')) {
    if (pid !== process.pid && environmentOf(pid).split('\0').includes(mark)) signalOne(pid, 'SIGKILL');
  }
}

function numbersIn(directory: string): readonly number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    // ENOENT: this system has none.
    return [];
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // ENOENT, ESRCH: it has ended. EACCES: another user's, and none of ours.
    return '';
  }
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader !== undefined) signalOne(-leader, signal);
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it has ended. EPERM: it runs as another user by now, beyond our reach.
    const errno = errnoOf(error);
    if (errno !== 'ESRCH' && errno !== 'EPERM') throw error;
  }
}
