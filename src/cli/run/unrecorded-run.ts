import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fillPlaceholders } from '../../agent/placeholders.ts';
import { endRunProcesses, RUN_ID_VARIABLE, runPath } from '../../agent/run-processes.ts';
import { errnoOf } from '../../errors.ts';
import { signalGroup } from '../../system/processes.ts';

/** The grace period of a recorded agent. */
const GRACE_MS = 10_000;

export interface UnrecordedOptions {
  readonly cwd: string | undefined;
  /** The child's whole environment; `TASK_LOGS_RUN_ID` is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly input: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Abort sends SIGTERM, and SIGKILL after the grace period. */
  readonly stopSignal: AbortSignal;
  /** Abort sends SIGKILL. */
  readonly killSignal: AbortSignal;
}

/** `errno` is set when the command could not be started, `stop` when it was ended from here. */
export interface UnrecordedEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly errno?: string;
  readonly stop?: 'timeout' | 'cancelled';
}

/**
 * Runs the command on this process's own streams, for when it cannot be recorded. Like a recorded agent it is ended with
 * everything that it started. Never rejects.
 */
export async function runUnrecorded(
  command: readonly string[],
  options: UnrecordedOptions,
): Promise<UnrecordedEnd> {
  const { stopSignal, killSignal, timeoutMs } = options;
  if (stopSignal.aborted) return { exitCode: null, signal: null, stop: 'cancelled' };
  const runId = randomUUID();
  let child: ChildProcess;
  try {
    child = spawnCommand(command, runId, options);
  } catch (error) {
    return { exitCode: null, signal: null, errno: errnoOf(error) ?? 'EINVAL' };
  }
  const exited = untilExit(child);
  let stop: UnrecordedEnd['stop'];
  let killTimer: NodeJS.Timeout | undefined;
  const end = (reason: 'timeout' | 'cancelled'): void => {
    if (stop !== undefined) return;
    stop = reason;
    signalGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
  };
  const onStop = (): void => end('cancelled');
  const onKill = (): void => signalGroup(child.pid, 'SIGKILL');
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), timeoutMs);
  stopSignal.addEventListener('abort', onStop);
  killSignal.addEventListener('abort', onKill);
  const exit = await exited;
  clearTimeout(timer);
  clearTimeout(killTimer);
  stopSignal.removeEventListener('abort', onStop);
  killSignal.removeEventListener('abort', onKill);
  // Processes of the group that ignored SIGTERM. Without /proc the next line does not find them.
  if (stop !== undefined) signalGroup(child.pid, 'SIGKILL');
  if (child.pid !== undefined) await endRunProcesses(runId, killSignal.aborted ? { graceMs: 0 } : {});
  return stop === undefined ? exit : { ...exit, stop };
}

function spawnCommand(
  [program = '', ...args]: readonly string[],
  runId: string,
  { cwd, env, input }: UnrecordedOptions,
): ChildProcess {
  const texts = input === undefined ? {} : { message: input };
  const words = args.map((arg) => fillPlaceholders(arg, texts));
  const child = spawn(program, words, {
    ...(cwd !== undefined && { cwd }),
    env: { ...env, [RUN_ID_VARIABLE]: runPath(runId, env[RUN_ID_VARIABLE]) },
    // Leader of its own process group, as in `startChild`.
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
  });
  // EPIPE: a command does not have to read its message.
  child.stdin?.on('error', () => {}).end(input);
  return child;
}

function untilExit(child: ChildProcess): Promise<UnrecordedEnd> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    child.once('error', (error) =>
      resolve({ exitCode: null, signal: null, errno: errnoOf(error) ?? 'EINVAL' }),
    );
  });
}
