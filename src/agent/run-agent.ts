import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import type { AgentOutcome, AgentRecording, RunAgentOptions } from '../model/agent-output.ts';
import { adoptChild, type Child, startChild } from './child.ts';
import { type DialectReader, UNKNOWN_USAGE } from './dialects/dialect.ts';
import { findDialect } from './dialects/dialects.ts';
import { endRunProcesses, RUN_ID_VARIABLE } from './leftovers.ts';
import { countOomKills } from './oom-kills.ts';
import { judge, type Stop } from './outcome.ts';
import { fillPlaceholders } from './placeholders.ts';
import { fingerprintOf, type OrphanRun } from './resume-run.ts';
import { type ChildEnds, type RunFacts, RunFolder } from './run-folder.ts';
import { markRun } from './run-mark.ts';
import { RunOutput } from './run-output.ts';

export interface AgentProcessOptions extends Omit<RunAgentOptions, 'name' | 'env' | 'telemetry'> {
  /** Where the task's runs live while it is worked on; created with mode 0700. */
  readonly directory: string;
  readonly key: string;
  /** What `TASK_LOGS_INPUT_FILE` holds. */
  readonly document?: string;
  /** The child's whole environment; `TRACEPARENT` of the recording and what is the run's own are put on top. */
  readonly env: Readonly<Record<string, string>>;
  readonly recording: AgentRecording;
  readonly pollMs?: number;
  /** What it may print to each stream. Default 1 GiB. */
  readonly streamBytesMax?: number;
}

/** Longer than this a timer of Node's fires at once: as good as no limit. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A run under way, whoever began it. */
interface OpenRun {
  readonly folder: RunFolder;
  readonly child: Child;
  readonly output: RunOutput;
  readonly reader: DialectReader;
  readonly facts: RunFacts;
}

/**
 * Runs the command to its end and records what it prints. Whatever the agent does is in the outcome, a command
 * that cannot be started included; it rejects only for misuse (`TypeError`, `ERR_CONFIG_INVALID` for an unknown
 * dialect). The recording is ended exactly once in every case.
 */
export async function runAgentProcess(
  command: readonly string[],
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  let program: string;
  let reader: DialectReader;
  try {
    program = programOf(command, options);
    reader = findDialect(options.dialect ?? 'text').open();
  } catch (error) {
    options.recording.end(unstarted('spawn', messageOf(error)));
    throw error;
  }
  if (options.signal?.aborted) return endUnstarted(options, 'cancelled', 'cancelled before it was started');
  let folder: RunFolder | undefined;
  let run: OpenRun;
  try {
    folder = await RunFolder.create(options.directory, options.key);
    run = await begin([program, ...command.slice(1)], { folder, reader, options });
  } catch (error) {
    await discard(folder);
    const isOurs = error instanceof StartError;
    // The disk, not the agent: its files could not be made.
    const reason = isOurs
      ? messageOf(error.cause)
      : `cannot prepare the run in ${options.directory}: ${messageOf(error)}`;
    return endUnstarted(options, 'spawn', reason);
  }
  return finish(run, options);
}

/** Goes on with a run that a killed process began: what it recorded is not recorded again, what it did not is. */
export async function adoptAgentProcess(
  left: Extract<OrphanRun, { kind: 'running' }>,
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  const { folder, facts, leader } = left;
  const child = adoptChild(leader, { exitFile: folder.exitFile, graceMs: options.graceMs });
  let output: RunOutput | undefined;
  let run: OpenRun;
  try {
    const reader = findDialect(facts.dialect).open();
    output = openOutput(folder, reader, options);
    run = { folder, child, output, reader, facts };
    await output.readAgain();
  } catch (error) {
    output?.close();
    child.stop();
    await child.exited;
    await endRunProcesses(facts.runId);
    await discard(folder);
    return endUnstarted(options, 'lost', `the run of a killed worker cannot be read: ${messageOf(error)}`);
  }
  return finish(run, options);
}

function programOf(command: readonly string[], options: AgentProcessOptions): string {
  const [program] = command;
  if (program === undefined || program === '')
    throw new TypeError('the command of an agent must not be empty');
  const { timeoutMs } = options;
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw new TypeError('timeoutMs must be above 0');
  return program;
}

/** The agent could not be started; `cause` says why. */
class StartError extends Error {}

async function begin(
  command: readonly [string, ...string[]],
  { folder, reader, options }: { folder: RunFolder; reader: DialectReader; options: AgentProcessOptions },
): Promise<OpenRun> {
  const { recording, timeoutMs, dialect = 'text' } = options;
  const runId = randomUUID();
  const startedAtMs = Date.now();
  const deadlineMs = timeoutMs === undefined ? null : startedAtMs + timeoutMs;
  const oomKills = countOomKills() ?? null;
  const what = { key: options.key, fingerprint: fingerprintOf(command, dialect), runId, dialect };
  const origin = recording.origin ?? null;
  const facts: RunFacts = { ...what, origin, startedAtMs, deadlineMs, oomKills };
  folder.writeFacts(facts);
  markRun(folder.directory);
  if (options.document !== undefined) await folder.writeInput(options.document);
  const ends = await folder.openChildEnds(options.input);
  let output: RunOutput | undefined;
  try {
    // Before there is an agent: whatever that does to its files, those that are open can be read.
    output = openOutput(folder, reader, options);
    const child = await startInFolder(command, { folder, options, runId, ends });
    return { folder, child, output, reader, facts };
  } catch (error) {
    output?.close();
    throw error;
  } finally {
    ends.close();
  }
}

interface RunPlace {
  readonly folder: RunFolder;
  readonly options: AgentProcessOptions;
  readonly runId: string;
  readonly ends: ChildEnds;
}

async function startInFolder(
  command: readonly [string, ...string[]],
  { folder, options, runId, ends }: RunPlace,
): Promise<Child> {
  const [program, ...args] = command;
  const { input, placeholders, recording, env } = options;
  const texts = { ...placeholders, ...(input === undefined ? {} : { message: input }) };
  const trace = recording.traceparent === undefined ? {} : { TRACEPARENT: recording.traceparent };
  // An agent that starts agents: what is left of the inner run belongs to the outer one as well.
  const outer = env[RUN_ID_VARIABLE];
  const id = outer === undefined || outer === '' ? runId : `${outer}/${runId}`;
  const { stdin, stdout, stderr } = ends;
  try {
    return await startChild({
      command: program,
      args: args.map((arg) => fillPlaceholders(arg, texts)),
      cwd: options.cwd,
      env: { ...env, ...trace, TASK_LOGS_INPUT_FILE: folder.inputFile, [RUN_ID_VARIABLE]: id },
      stdin,
      stdout,
      stderr,
      exitFile: folder.exitFile,
      onStart: (pid) => markStarted(folder, pid),
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
    });
  } catch (error) {
    throw new StartError('not started', { cause: error });
  }
}

/** So that whoever comes after a crash of ours finds the agent. */
function markStarted(folder: RunFolder, pid: number): void {
  try {
    markRun(folder.directory, pid);
  } catch {
    // ENOSPC and its like: the run itself is not worse for it; its processes are found by their environment.
  }
}

function openOutput(folder: RunFolder, reader: DialectReader, options: AgentProcessOptions): RunOutput {
  const { recording, onOutput, pollMs, streamBytesMax: bytesMax } = options;
  return new RunOutput({ folder, reader, recording, onOutput, pollMs, bytesMax });
}

/** Follows the run to its end, judges and records it, and ends what it left behind. */
async function finish(run: OpenRun, options: AgentProcessOptions): Promise<AgentOutcome> {
  const { child, output, folder, reader, facts } = run;
  const limitReached = watchLimits(run, options);
  const broken = await output.follow(child);
  const exit = await child.exited;
  await endRunProcesses(facts.runId);
  const oomKilled =
    !child.wasStopped && (countOomKills() ?? 0) > (facts.oomKills ?? Number.POSITIVE_INFINITY);
  const outcome = judge({
    exit,
    verdict: reader.verdict(),
    model: reader.model,
    stop: limitReached() ?? broken,
    stderr: output.lastErrors,
    oomKilled,
  });
  options.recording.end(outcome);
  // On record first: after a crash in between the run is ended once more, and its records fall to their ids.
  options.recording.flush();
  if (outcome.errorType === 'lost') await discard(folder);
  else await keep(folder, outcome);
  return outcome;
}

/** Stops the child at its deadline or when the caller aborts; the function returned says which it was, if any. */
function watchLimits({ child, facts }: OpenRun, { signal }: AgentProcessOptions): () => Stop | undefined {
  const { deadlineMs, startedAtMs } = facts;
  let reached: Stop | undefined;
  function stop(reason: Stop): void {
    reached ??= reason;
    child.stop();
  }
  const onAbort = (): void => stop({ errorType: 'cancelled', error: 'cancelled' });
  const leftMs = deadlineMs === null ? Number.POSITIVE_INFINITY : Math.max(0, deadlineMs - Date.now());
  const error = `timed out after ${(deadlineMs ?? 0) - startedAtMs} ms`;
  const timer =
    leftMs > TIMER_MS_MAX ? undefined : setTimeout(() => stop({ errorType: 'timeout', error }), leftMs);
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

async function keep(folder: RunFolder, outcome: AgentOutcome): Promise<void> {
  try {
    await folder.keepOutcome(outcome);
  } catch {
    // ENOSPC, EROFS: after a crash the run would be judged once more, from its streams.
  }
}

async function discard(folder: RunFolder | undefined): Promise<void> {
  try {
    await folder?.remove();
  } catch {
    // EACCES, EROFS, EBUSY: the folder stays as after a crash; nothing that it holds is needed.
  }
}

function endUnstarted(options: AgentProcessOptions, errorType: string, error: string): AgentOutcome {
  const outcome = unstarted(errorType, error);
  options.recording.end(outcome);
  return outcome;
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
