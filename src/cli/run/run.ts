import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { DEFAULT_DIALECT, DIALECT_NAMES } from '../../agent/dialects/dialects.ts';
import { isDirectory } from '../../agent/executable.ts';
import { type Config, loadConfig } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import type { AgentOutcome, RunAgentOptions } from '../../model/agent-output.ts';
import { taskTraceLinks } from '../../model/trace-url.ts';
import { readTraceparent } from '../../record/carrier.ts';
import { AgentFailedError } from '../../record/task/agent-failed.ts';
import { startTask } from '../../record/task/attempt.ts';
import type { Task } from '../../record/task/task.ts';
import { AgentSpans } from '../../service/agent-spans.ts';
import { endProcesses, findProcesses } from '../../system/processes.ts';
import { shellEnvironment } from '../../trail/agents/agent-environment.ts';
import { useRedactRules } from '../redact-rules.ts';
import { amountsText } from '../terminal/line-format.ts';
import { TerminalStream } from '../terminal/terminal-stream.ts';
import { escapeLine } from '../terminal/terminal-text.ts';
import { agentName, commandLine } from './agent-words.ts';
import { Interrupts, signalExitCode } from './interrupts.ts';
import { readPipedMessage } from './piped-message.ts';
import { openRunTrail } from './run-trail.ts';
import { runUnrecorded, type UnrecordedEnd } from './unrecorded-run.ts';

export interface RunFlags {
  readonly message?: string;
  readonly dialect?: string;
  readonly name?: string;
  readonly cwd?: string;
  /** In seconds. */
  readonly timeout?: string;
  readonly telemetry?: boolean;
  readonly source?: string;
  readonly dir?: string;
  readonly config?: string;
  readonly verbose?: boolean;
}

/** The exit code of timeout(1), and those of a shell that cannot start a command. */
const EXIT_TIMEOUT = 124;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

/** Node's timers overflow above 2^31 ms (24 days). */
const TIMEOUT_S_MAX = 2_000_000;

/** The checked command line. */
interface Order {
  readonly command: readonly string[];
  /** The agent's standard input; undefined for an empty one. */
  readonly input: string | undefined;
  /** The task's message in the records. */
  readonly message: string;
  readonly name: string;
  readonly dialect: string;
  readonly source: string;
  readonly cwd: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly telemetry: boolean;
}

interface RunEnd {
  readonly exitCode: number;
  readonly status: 'completed' | 'failed' | 'cancelled';
  /** Absent, like the trace and the outcome, when the run was not recorded. */
  readonly taskId?: string;
  readonly traceparent?: string | undefined;
  readonly outcome?: AgentOutcome;
  /** The reason why the command was not started or not recorded. */
  readonly problem?: string;
}

/** This process's standard output and error, for the agent's bytes and for our own lines. */
interface Terminal {
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  say(line: string): void;
}

/**
 * Runs a command as the agent of a task. Copies the command's output unchanged and returns its exit code. A command that
 * cannot be recorded runs all the same, and a line on standard error gives the reason. Throws `ERR_INPUT_INVALID` and
 * `ERR_CONFIG_INVALID`, both before the command is started.
 */
export async function run(command: readonly string[], flags: RunFlags): Promise<number> {
  const stderr = new TerminalStream(2);
  const terminal: Terminal = {
    stdout: new TerminalStream(1),
    stderr,
    say: (line) => void stderr.write(`tasktrail: ${escapeLine(line)}\n`),
  };
  const config = loadConfig({
    // Port 0: the receiver serves only this run's agent and must not occupy the port of a service.
    flags: { TASK_LOGS_DIR: flags.dir, TASK_LOGS_OTLP_PORT: '0' },
    recordsOnly: true,
    ...(flags.config !== undefined && { configFile: flags.config }),
  });
  useRedactRules(config);
  for (const note of config.notes) terminal.say(note);
  const order = await readOrder(command, flags, { config, say: terminal.say });
  const interrupts = new Interrupts();
  interrupts.stopSignal.addEventListener(
    'abort',
    () => isatty(2) && terminal.say('ending the agent (interrupt again to kill it)'),
  );
  const isVerbose = flags.verbose === true || isatty(2);
  const trail = await openRunTrail(config, (line) => flags.verbose === true && terminal.say(line));
  const parts = { interrupts, terminal, config };
  const spans = new AgentSpans(config, [resolve(order.cwd ?? '.')], () => undefined, {
    isShared: true,
  });
  if (trail.isOpen) await spans.agentStarted();
  let end: RunEnd;
  let closeProblem: string | undefined;
  try {
    end = trail.isOpen ? await runRecorded(order, parts) : await runBare(order, parts);
  } finally {
    if (trail.isOpen) await spans.agentEnded();
    closeProblem = await trail.close();
  }
  // Only output to a slow reader is left.
  interrupts.letThrough();
  for (const problem of [end.problem, closeProblem]) if (problem !== undefined) terminal.say(problem);
  if (isVerbose) for (const line of lastLines(end, config)) terminal.say(line);
  await Promise.all([terminal.stdout.drained(), terminal.stderr.drained()]);
  interrupts.stop();
  return end.exitCode;
}

async function readOrder(
  command: readonly string[],
  flags: RunFlags,
  { config, say }: { readonly config: Config; readonly say: (line: string) => void },
): Promise<Order> {
  const { message, dialect = DEFAULT_DIALECT, cwd, name, source = 'cli' } = flags;
  if ((command[0] ?? '').trim() === '') throw invalid('name a command: tasktrail run -- <command>');
  for (const [flag, value] of Object.entries({ message, name, source }))
    if (value?.trim() === '') throw invalid(`--${flag}: must not be empty`);
  if (!DIALECT_NAMES.includes(dialect))
    throw invalid(
      `--dialect: ${JSON.stringify(dialect)} is not known: use one of ${DIALECT_NAMES.join(', ')}`,
    );
  if (cwd !== undefined && !isDirectory(cwd))
    throw invalid(`--cwd: ${JSON.stringify(cwd)} does not exist or is not a directory`);
  const timeoutMs = readTimeout(flags.timeout);
  const input = message ?? (await readPipedMessage(say));
  return {
    command,
    input,
    // `echo text |` adds a newline that is not part of the message.
    message: input?.replace(/\r?\n$/, '') ?? commandLine(command),
    name: name ?? agentName(command),
    dialect,
    source,
    cwd,
    timeoutMs,
    telemetry: flags.telemetry ?? config.agentTelemetry,
  };
}

function readTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d{1,7}(?:\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  if (seconds > 0 && seconds <= TIMEOUT_S_MAX) return Math.round(seconds * 1_000);
  throw invalid(`--timeout: must be a number of seconds above 0, at most ${TIMEOUT_S_MAX}`);
}

interface RunParts {
  readonly config: Config;
  readonly interrupts: Interrupts;
  readonly terminal: Terminal;
}

/** Records the command as a task and ends the task. Rejects for a defect of recording, not for a failed agent. */
async function runRecorded(order: Order, parts: RunParts): Promise<RunEnd> {
  const { interrupts } = parts;
  const task = startTask({
    source: order.source,
    message: order.message,
    agent: order.name,
    sourceMetadata: { command: [...order.command], cwd: resolve(order.cwd ?? '.') },
  });
  let killed: Promise<unknown> | undefined;
  interrupts.killSignal.addEventListener('abort', () => {
    killed = endProcesses(() => findProcesses('TASK_LOGS_TASK_ID', (id) => id === task.id), { graceMs: 0 });
  });
  try {
    const outcome = await task.runAgent(order.command, agentOptions(order, parts));
    task.end();
    return endOfTask(task, outcome, parts);
  } catch (error) {
    if (!(error instanceof AgentFailedError)) {
      task.fail(error);
      throw error;
    }
    return await endFailed({ task, error, order }, parts);
  } finally {
    await killed;
  }
}

interface FailedRun {
  readonly task: Task;
  readonly error: AgentFailedError;
  readonly order: Order;
}

async function endFailed({ task, error, order }: FailedRun, parts: RunParts): Promise<RunEnd> {
  const { outcome } = error;
  if (outcome.errorType === 'spawn') {
    // Either the command or the files of the run cannot be made. A run without files shows which of the two.
    const end = await runBare(order, parts);
    task.fail(error);
    const reason = outcome.error ?? error.message;
    return { ...end, problem: end.isStarted ? `the agent's output is not recorded: ${reason}` : reason };
  }
  if (outcome.errorType === 'cancelled')
    task.cancel(`cancelled by ${parts.interrupts.received ?? 'a signal'}`);
  else task.fail(error);
  return endOfTask(task, outcome, parts);
}

function endOfTask(task: Task, outcome: AgentOutcome, { interrupts }: RunParts): RunEnd {
  const status = outcome.success ? 'completed' : outcome.errorType === 'cancelled' ? 'cancelled' : 'failed';
  return {
    taskId: task.id,
    traceparent: task.traceparent,
    exitCode: exitCodeOf(outcome, interrupts),
    status,
    outcome,
  };
}

function agentOptions(order: Order, { interrupts, terminal }: RunParts): RunAgentOptions {
  const { name, dialect, telemetry, input, cwd, timeoutMs } = order;
  return {
    name,
    dialect,
    telemetry,
    signal: interrupts.stopSignal,
    ...(input !== undefined && { input }),
    ...(cwd !== undefined && { cwd }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    // Copied, because the reader reuses its buffer before the write is done.
    onOutput: (stream, bytes) => terminal[stream].write(Buffer.from(bytes)),
  };
}

async function runBare(
  order: Order,
  { interrupts, config }: RunParts,
): Promise<RunEnd & { isStarted: boolean }> {
  const { command, cwd, input, timeoutMs } = order;
  const { stopSignal, killSignal } = interrupts;
  const env = shellEnvironment(config);
  const end = await runUnrecorded(command, { cwd, env, input, timeoutMs, stopSignal, killSignal });
  return {
    exitCode: exitCodeOfBare(end, interrupts),
    status: end.stop === 'cancelled' ? 'cancelled' : end.exitCode === 0 ? 'completed' : 'failed',
    isStarted: end.exitCode !== null || end.signal !== null,
    ...(end.errno !== undefined && { problem: startProblem(command[0], end.errno) }),
  };
}

function startProblem(program: string | undefined, errno: string): string {
  const why = errno === 'ENOENT' ? 'not found' : errno === 'EACCES' ? 'not executable for this user' : errno;
  return `cannot start ${JSON.stringify(program)}: ${why}`;
}

function exitCodeOf(
  { success, errorType, exitCode, signal }: AgentOutcome,
  { received }: Interrupts,
): number {
  // Also for an agent that was ended because it did not exit.
  if (success) return 0;
  if (errorType === 'cancelled' && received !== undefined) return signalExitCode(received);
  if (errorType === 'timeout') return EXIT_TIMEOUT;
  if (exitCode !== null) return exitCode;
  return signal === null ? 1 : signalExitCode(signal);
}

function exitCodeOfBare(end: UnrecordedEnd, interrupts: Interrupts): number {
  if (end.errno !== undefined) return end.errno === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
  if (end.stop === 'cancelled' && interrupts.received !== undefined)
    return signalExitCode(interrupts.received);
  if (end.stop === 'timeout') return EXIT_TIMEOUT;
  return end.exitCode ?? (end.signal === null ? 1 : signalExitCode(end.signal));
}

function lastLines(end: RunEnd, { logDir, traceUrls }: Config): readonly string[] {
  const { taskId, traceparent, status, outcome } = end;
  if (taskId === undefined) return [`${status}, not recorded`];
  const { costUsd = null, inputTokens = null, outputTokens = null } = outcome?.usage ?? {};
  const amounts = amountsText({
    cost_usd: costUsd,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
  });
  const ending = `${taskId} ${status}${amounts === '' ? '' : `, ${amounts}`}: ${resolve(logDir, taskId)}`;
  const ids = { task_id: taskId, trace_id: readTraceparent(traceparent)?.traceId ?? null };
  const { trace } = taskTraceLinks(traceUrls, ids);
  return trace === undefined ? [ending] : [ending, `trace: ${trace}`];
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
