import { messageOf } from '../errors.ts';
import type { AgentOutcome, AgentRecording, RunAgentOptions } from '../model/agent.ts';
import { type Child, type ChildExit, startChild } from './child.ts';
import { type DialectReader, UNKNOWN_USAGE } from './dialect.ts';
import { findDialect } from './dialects.ts';
import { judge, StderrTail, type Stop } from './outcome.ts';
import { followFile, type OutputPiece } from './output-file.ts';
import { fillPlaceholders } from './placeholders.ts';
import { RunFiles } from './run-files.ts';

export interface AgentProcessOptions extends Omit<RunAgentOptions, 'name' | 'env'> {
  /** Where the run's files live while it runs; created with mode 0700. */
  readonly directory: string;
  /** The child's whole environment; `TRACEPARENT` of the recording is put on top. */
  readonly env: Readonly<Record<string, string>>;
  readonly recording: AgentRecording;
  /** Beginning of the name of the run's own folder there. Default `run`. */
  readonly stem?: string;
  readonly pollMs?: number;
  readonly graceMs?: number;
  /** Called with the agent's pid, which is also its group's, as soon as it has one; must not throw. */
  onStart?(pid: number): void;
}

/** Longer than this a timer of Node's fires at once: as good as no limit. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Runs the command to its end and records what it prints. Whatever the agent does is in the outcome, a command
 * that cannot be started included; it rejects only for misuse (`TypeError`, `ERR_CONFIG_INVALID` for an unknown
 * dialect). The recording is ended exactly once in every case.
 */
export async function runAgentProcess(
  command: readonly string[],
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  let outcome: AgentOutcome;
  let reader: DialectReader;
  let program: string;
  try {
    program = programOf(command, options);
    reader = findDialect(options.dialect ?? 'text').open();
  } catch (error) {
    options.recording.end(unstarted('spawn', messageOf(error)));
    throw error;
  }
  try {
    outcome = await prepareAndRun([program, ...command.slice(1)], reader, options);
  } catch (error) {
    // The disk, not the agent: its files could not be made.
    outcome = unstarted('spawn', `cannot prepare the run in ${options.directory}: ${messageOf(error)}`);
  }
  options.recording.end(outcome);
  return outcome;
}

function programOf(command: readonly string[], options: AgentProcessOptions): string {
  const [program] = command;
  if (program === undefined || program === '')
    throw new TypeError('the command of an agent must not be empty');
  const { timeoutMs } = options;
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw new TypeError('timeoutMs must be above 0');
  return program;
}

async function prepareAndRun(
  command: readonly [string, ...string[]],
  reader: DialectReader,
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  if (options.signal?.aborted) return unstarted('cancelled', 'cancelled before it was started');
  const files = await RunFiles.create(options.directory, options.stem ?? 'run', options.input);
  let child: Child;
  try {
    child = await startInFiles(command, files, options);
  } catch (error) {
    await discard(files);
    return unstarted('spawn', messageOf(error));
  }
  const limitReached = watchLimits(child, options);
  const stderr = new StderrTail();
  const broken = await followBoth(child, files, {
    options,
    stdout: (piece) => recordStdout(piece, reader, options.recording),
    stderr: (piece) => {
      stderr.add(piece.text);
      const more = piece.partial ? { stream: 'stderr', partial: true } : { stream: 'stderr' };
      options.recording.output({ type: 'system', content: piece.text, more });
    },
  });
  const exit = await child.exited;
  await discard(files);
  const stop = limitReached() ?? broken;
  return judge({ exit, verdict: reader.verdict(), model: reader.model, stop, stderr: stderr.text() });
}

async function startInFiles(
  command: readonly [string, ...string[]],
  files: RunFiles,
  options: AgentProcessOptions,
): Promise<Child> {
  const [program, ...args] = command;
  const { input, placeholders, recording } = options;
  const texts = { ...placeholders, ...(input === undefined ? {} : { message: input }) };
  const trace = recording.traceparent === undefined ? {} : { TRACEPARENT: recording.traceparent };
  try {
    return await startChild({
      command: program,
      args: args.map((arg) => fillPlaceholders(arg, texts)),
      cwd: options.cwd,
      env: { ...options.env, ...trace },
      stdin: files.childStdin?.fd,
      stdout: files.childStdout.fd,
      stderr: files.childStderr.fd,
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
      ...(options.onStart === undefined ? {} : { onStart: options.onStart }),
    });
  } finally {
    await files.closeChildEnds();
  }
}

function recordStdout(piece: OutputPiece, reader: DialectReader, recording: AgentRecording): void {
  const before = reader.model;
  const outputs = reader.read(piece.text, piece.partial);
  if (reader.model !== null && reader.model !== before) recording.model(reader.model);
  for (const output of outputs) recording.output(output);
}

interface Streams {
  readonly options: AgentProcessOptions;
  readonly stdout: (piece: OutputPiece) => void;
  readonly stderr: (piece: OutputPiece) => void;
}

/** Resolves after the child's exit, with the reason when its output could not be followed to the end. */
async function followBoth(child: Child, files: RunFiles, streams: Streams): Promise<Stop | undefined> {
  const exited = new AbortController();
  const { pollMs } = streams.options;
  const options = { exited: exited.signal, ...(pollMs === undefined ? {} : { pollMs }) };
  const ended: Promise<ChildExit | undefined> = child.exited.finally(() => exited.abort());
  const followed = [
    followFile(files.stdout, options, streams.stdout),
    followFile(files.stderr, options, streams.stderr),
  ];
  // An agent whose output nobody can read any more must not go on unseen.
  for (const following of followed) following.catch(() => child.stop());
  const results = await Promise.allSettled(followed);
  await ended;
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return undefined;
  return { errorType: 'agent_error', error: `its output could not be read: ${messageOf(failed.reason)}` };
}

/** Stops the child at its timeout or when the caller aborts; the function returned says which it was, if any. */
function watchLimits(child: Child, options: AgentProcessOptions): () => Stop | undefined {
  const { timeoutMs, signal } = options;
  let reached: Stop | undefined;
  function stop(reason: Stop): void {
    reached ??= reason;
    child.stop();
  }
  const onAbort = (): void => stop({ errorType: 'cancelled', error: 'cancelled' });
  const timer =
    timeoutMs === undefined || timeoutMs > TIMER_MS_MAX
      ? undefined
      : setTimeout(() => stop({ errorType: 'timeout', error: `timed out after ${timeoutMs} ms` }), timeoutMs);
  function clear(): void {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  // A limit that is reached while the last lines are being read is no longer this run's reason.
  void child.exited.then(clear);
  return () => reached;
}

async function discard(files: RunFiles): Promise<void> {
  try {
    await files.remove();
  } catch {
    // EACCES, EROFS, EBUSY: the folder stays as after a crash. All of it was recorded, the run is not worse for it.
  }
}

function unstarted(errorType: string, error: string): AgentOutcome {
  return {
    success: false,
    result: null,
    error,
    errorType,
    exitCode: null,
    signal: null,
    usage: UNKNOWN_USAGE,
    model: null,
  };
}
