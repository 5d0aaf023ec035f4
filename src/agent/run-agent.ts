import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import type { AgentOutcome, AgentRecording, RunAgentOptions } from '../model/agent-output.ts';
import { BUDGET_KINDS } from '../model/budget.ts';
import type { Usage } from '../model/documents.ts';
import { leaseHeld } from '../system/lease-guard.ts';
import type { Account } from './account.ts';
import { type AgentPlace, fillPlace, inputFileOf, logDirOf, makePlace } from './agent-place.ts';
import { BudgetWatch, type RunBudget, usedUp } from './budget-watch.ts';
import { adoptChild, type Child, startChild } from './child.ts';
import { type DialectReader, UNKNOWN_USAGE } from './dialects/dialect.ts';
import { DEFAULT_DIALECT, findDialect } from './dialects/dialects.ts';
import { countOomKills } from './oom-kills.ts';
import { judge, type Stop } from './outcome.ts';
import { fillPlaceholders } from './placeholders.ts';
import { fingerprintOf, type PendingRun } from './resume-run.ts';
import { endRunGroup, groupFileOf, makeRunGroup } from './run-cgroup.ts';
import { type ChildEnds, type RunFacts, RunFolder } from './run-folder.ts';
import { markRun } from './run-mark.ts';
import { RunOutput } from './run-output.ts';
import { endRunProcesses, RUN_ID_VARIABLE, runPath } from './run-processes.ts';

export interface AgentProcessOptions
  extends Omit<RunAgentOptions, 'name' | 'env' | 'telemetry' | 'budget' | 'spent'> {
  /** Holds the folders of the task's runs until the task has ended; created with mode 0700. */
  readonly directory: string;
  readonly key: string;
  /** Content of the file that `TASK_LOGS_INPUT_FILE` names. */
  readonly document?: string;
  /**
   * The child's whole environment; `TRACEPARENT`, `TASK_LOGS_INPUT_FILE` and `TASK_LOGS_RUN_ID` are added, and with
   * `isConfined` the variables with which commands in it record to a directory of the agent's own.
   */
  readonly env: Readonly<Record<string, string>>;
  readonly isConfined?: boolean;
  /** The user to run as; undefined: that of this process. */
  readonly account?: Account | undefined;
  /** Called after the end of the agent and before the end is recorded, when records were left in its directory. */
  readonly onLeftRecords?: () => Promise<void>;
  readonly recording: AgentRecording;
  readonly budget?: RunBudget | undefined;
  readonly pollMs?: number;
  /** Limit for each of stdout and stderr. Default 1 GiB. */
  readonly streamBytesMax?: number;
}

/** A longer timer of Node fires at once. A limit of 24 days is treated as none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The reason of an abort by a process that shuts down. */
const CLOSING = 'closing';

/** A run whose agent has been started, by this process or by an ended one. */
interface OpenRun {
  readonly folder: RunFolder;
  readonly child: Child;
  readonly output: RunOutput;
  readonly reader: DialectReader;
  readonly facts: RunFacts;
}

/**
 * Runs the command to its end and records its output. Every failure of the agent is an outcome, also a command that
 * cannot be started. Rejects only for misuse: `TypeError`, or `ERR_CONFIG_INVALID` for an unknown dialect. The recording
 * is ended exactly once in every case.
 */
export async function runAgentProcess(
  command: readonly string[],
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  let program: string;
  let reader: DialectReader;
  try {
    program = programOf(command, options);
    reader = findDialect(options.dialect ?? DEFAULT_DIALECT).open();
  } catch (error) {
    options.recording.end(unstarted('spawn', messageOf(error)));
    throw error;
  }
  if (options.signal?.aborted) return endUnstarted(options, 'cancelled', 'cancelled before it was started');
  const over = usedUp(options.budget, options.recording);
  if (over !== undefined) return endUnstarted(options, over.errorType, over.error);
  await leaseHeld();
  let folder: RunFolder | undefined;
  let run: OpenRun;
  try {
    folder = await RunFolder.create(options.directory, options.key);
    run = await begin([program, ...command.slice(1)], { folder, reader, options });
  } catch (error) {
    await discard(folder);
    const reason =
      error instanceof StartError
        ? messageOf(error.cause)
        : `cannot prepare the run in ${options.directory}: ${messageOf(error)}`;
    return endUnstarted(options, 'spawn', reason);
  }
  return finish(run, options);
}

/** Resumes a run of a killed process. Output that the killed process has recorded is not recorded again. */
export async function adoptAgentProcess(
  { folder, facts, leader }: PendingRun,
  options: AgentProcessOptions,
): Promise<AgentOutcome> {
  const child = adoptChild(leader, { exitFile: folder.exitFile, graceMs: options.graceMs });
  let output: RunOutput | undefined;
  let run: OpenRun;
  try {
    const reader = findDialect(facts.dialect).open();
    output = openOutput({ folder, reader, facts }, options);
    run = { folder, child, output, reader, facts };
    await output.readAgain();
    if (facts.lingered === true) output.markLingered();
  } catch (error) {
    output?.close();
    child.stop();
    await child.exited;
    await endRunProcesses(facts.runId, { group: facts.group });
    await discard(folder);
    return endUnstarted(options, 'lost', `the run of a killed worker cannot be resumed: ${messageOf(error)}`);
  }
  return finish(run, options);
}

function programOf(command: readonly string[], options: AgentProcessOptions): string {
  const [program] = command;
  if (program === undefined || program === '')
    throw new TypeError('the command of an agent must not be empty');
  const { timeoutMs, budget } = options;
  for (const kind of BUDGET_KINDS) {
    const limit = budget?.limits[kind];
    if (limit !== undefined && !(Number.isFinite(limit) && limit > 0))
      throw new TypeError(`budget.${kind} must be a number above 0`);
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw new TypeError('timeoutMs must be above 0');
  return program;
}

/** The agent could not be started; `cause` holds the reason. */
class StartError extends Error {}

async function begin(
  command: readonly [string, ...string[]],
  { folder, reader, options }: { folder: RunFolder; reader: DialectReader; options: AgentProcessOptions },
): Promise<OpenRun> {
  const { recording, timeoutMs, dialect = DEFAULT_DIALECT } = options;
  const runId = randomUUID();
  const startedAtMs = Date.now();
  const deadlineMs = timeoutMs === undefined ? null : startedAtMs + timeoutMs;
  const oomKills = countOomKills() ?? null;
  const what = { key: options.key, fingerprint: fingerprintOf(command, dialect), runId, dialect };
  const origin = recording.origin ?? null;
  const place = options.account === undefined ? folder.ownPlace : makePlace(options.account);
  const group = makeRunGroup(runId);
  const facts: RunFacts = {
    ...{ ...what, origin, startedAtMs, deadlineMs, oomKills },
    ...(place.uid !== null && { place }),
    ...(group !== undefined && { group }),
  };
  folder.writeFacts(facts);
  markRun(folder.directory);
  await fillPlace(place, options.document);
  const ends = await folder.openChildEnds(options.input, options.account);
  let output: RunOutput | undefined;
  try {
    // Opened before the agent starts: it can remove its files afterwards, but not the open descriptors.
    output = openOutput({ folder, reader, facts }, options);
    // Nothing between the start and the return may throw: the caller could not stop the child.
    const child = await startInFolder(command, { folder, options, facts, place, ends });
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
  readonly facts: RunFacts;
  readonly place: AgentPlace;
  readonly ends: ChildEnds;
}

async function startInFolder(
  command: readonly [string, ...string[]],
  { folder, options, facts, place, ends }: RunPlace,
): Promise<Child> {
  const [program, ...args] = command;
  const { input, placeholders, recording, env, account } = options;
  const texts = { ...placeholders, ...(input === undefined ? {} : { message: input }) };
  const trace = recording.traceparent === undefined ? {} : { TRACEPARENT: recording.traceparent };
  const { stdin, stdout, stderr } = ends;
  try {
    return await startChild({
      command: program,
      args: args.map((arg) => fillPlaceholders(arg, texts)),
      cwd: options.cwd,
      env: {
        ...(options.isConfined === true && { TASK_LOGS_DIR: logDirOf(place), TASK_LOGS_STORE: 'false' }),
        ...env,
        ...trace,
        TASK_LOGS_INPUT_FILE: inputFileOf(place),
        [RUN_ID_VARIABLE]: runPath(facts.runId, env[RUN_ID_VARIABLE]),
      },
      account,
      groupFile: facts.group === undefined ? undefined : groupFileOf(facts.group),
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

/** Lets the next process find the agent after a crash of this one. */
function markStarted(folder: RunFolder, pid: number): void {
  try {
    markRun(folder.directory, pid);
  } catch {
    // ENOSPC: the run can go on, because `findLeader` also finds the agent by its environment.
  }
}

function openOutput(
  { folder, reader, facts }: Pick<OpenRun, 'folder' | 'reader' | 'facts'>,
  options: AgentProcessOptions,
): RunOutput {
  const { recording, onOutput, pollMs, lingerMs, streamBytesMax: bytesMax } = options;
  const onLinger = (): void => noteLinger(folder, facts);
  return new RunOutput({ folder, reader, recording, onOutput, pollMs, lingerMs, bytesMax, onLinger });
}

/** After a crash between the stop and the outcome the next process finds an exit by a signal, and this as its reason. */
function noteLinger(folder: RunFolder, facts: RunFacts): void {
  try {
    if (facts.lingered !== true) folder.writeFacts({ ...facts, lingered: true });
  } catch {
    // ENOSPC: after such a crash the run counts as ended by the signal.
  }
}

/** Records the output until the agent's end, ends the processes that it left, and records the outcome. */
async function finish(run: OpenRun, options: AgentProcessOptions): Promise<AgentOutcome> {
  const { child, output, folder, reader, facts } = run;
  const limitReached = watchLimits(run, options);
  const budget = options.budget && new BudgetWatch(run, options.budget, options.recording);
  const broken = await output.follow(child);
  const exit = await child.exited;
  await budget?.settle();
  // Without the lease the processes and the folder are the successor's. While that is not known the result waits.
  await leaseHeld();
  await endRunProcesses(facts.runId, { group: facts.group });
  await sendLeftRecords(folder, options);
  const oomKilled =
    !child.wasStopped && (countOomKills() ?? 0) > (facts.oomKills ?? Number.POSITIVE_INFINITY);
  const judged = judge({
    exit,
    verdict: reader.verdict(),
    isFinal: reader.isFinal,
    spent: reader.spent?.(),
    model: reader.model,
    stop: limitReached() ?? budget?.stop ?? broken,
    stderr: output.lastErrors,
    reason: output.reason,
    lingered: output.lingered && (child.wasStopped || facts.lingered === true),
    oomKilled,
  });
  const outcome = { ...judged, durationSeconds: Math.max(0, Date.now() - facts.startedAtMs) / 1_000 };
  options.recording.end(outcome);
  // Before the outcome file: after a crash in between, the next process records the same end with the same ids.
  options.recording.flush();
  if (outcome.errorType === 'lost') await discard(folder);
  else await keep(folder, outcome);
  return outcome;
}

/** Records of the agent's own commands come before its end: its token ends with the task. */
async function sendLeftRecords(folder: RunFolder, { onLeftRecords }: AgentProcessOptions): Promise<void> {
  try {
    if ((await folder.removePlace()) > 0) await onLeftRecords?.();
  } catch {
    // ENOSPC, EIO: they stay where they are until the folder of the run is removed.
  }
}

/** Stops the child at its deadline or when the caller aborts. The returned function gives the limit that was reached. */
function watchLimits(
  { child, facts, reader, output }: OpenRun,
  { signal }: AgentProcessOptions,
): () => Stop | undefined {
  const { deadlineMs, startedAtMs } = facts;
  let reached: Stop | undefined;
  function stop(reason: Stop): void {
    // A run that is being ended for lingering keeps the end that it had before this limit.
    if (!output.lingered) reached ??= reason;
    child.stop();
  }
  function stopUnlessFinal(reason: Stop): void {
    // The work was done in time: only the exit was not.
    if (reader.isFinal) output.markLingered();
    stop(reason);
  }
  function onAbort(): void {
    const reason = { errorType: 'cancelled', error: 'cancelled' };
    // Work that is done must not be done again with the next start.
    if (signal?.reason === CLOSING) stopUnlessFinal(reason);
    else stop(reason);
  }
  const leftMs = deadlineMs === null ? Number.POSITIVE_INFINITY : Math.max(0, deadlineMs - Date.now());
  const error = `timed out after ${(deadlineMs ?? 0) - startedAtMs} ms`;
  const onTimeout = (): void => stopUnlessFinal({ errorType: 'timeout', error });
  const timer = leftMs > TIMER_MS_MAX ? undefined : setTimeout(onTimeout, leftMs);
  function clear(): void {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  // A limit that passes while the last lines are read did not end the run.
  void child.exited.then(clear);
  return () => reached;
}

async function keep(folder: RunFolder, outcome: AgentOutcome): Promise<void> {
  try {
    await folder.keepOutcome(outcome);
  } catch {
    // ENOSPC, EROFS: the streams stay, so that the outcome can be read from them again after a crash.
  }
}

async function discard(folder: RunFolder | undefined): Promise<void> {
  try {
    const group = folder?.readFacts()?.group;
    if (group !== undefined) await endRunGroup(group);
    await folder?.remove();
  } catch {
    // EACCES, EROFS, EBUSY: the sweep of orphaned runs removes the folder later.
  }
}

/** The outcome of a run that could not be prepared. */
export function refuseRun(recording: AgentRecording, error: unknown): AgentOutcome {
  return endUnstarted({ recording }, 'spawn', messageOf(error));
}

function endUnstarted(
  options: Pick<AgentProcessOptions, 'recording'>,
  errorType: string,
  error: string,
): AgentOutcome {
  const outcome = unstarted(errorType, error);
  options.recording.end(outcome);
  return outcome;
}

const LOST_USAGE: Usage = { ...UNKNOWN_USAGE, incompleteReason: 'the run of the agent was lost' };

function unstarted(errorType: string, error: string): AgentOutcome {
  return {
    success: false,
    result: null,
    error,
    errorType,
    exitCode: null,
    signal: null,
    usage: errorType === 'lost' ? LOST_USAGE : UNKNOWN_USAGE,
    model: null,
  };
}
