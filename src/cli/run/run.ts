import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { DIALECT_NAMES } from '../../agent/dialects/dialects.ts';
import { type Config, inheritedEnvironment, loadConfig } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import type { AgentOutcome, RunAgentOptions } from '../../model/agent-output.ts';
import { taskTraceLinks } from '../../model/trace-url.ts';
import { readTraceparent } from '../../record/carrier.ts';
import { startTask } from '../../record/task/attempt.ts';
import { AgentFailedError } from '../../record/task/task.ts';
import { amountsText } from '../terminal/line-format.ts';
import { TerminalStream } from '../terminal/terminal-stream.ts';
import { escapeLine } from '../terminal/terminal-text.ts';
import { agentName, commandLine, guessDialect } from './agent-words.ts';
import { Interrupts, signalExitCode } from './interrupts.ts';
import { readPipedMessage } from './piped-message.ts';
import { openRunTrail } from './run-trail.ts';
import { killMarked, runUnrecorded, type UnrecordedEnd } from './unrecorded-run.ts';

export interface RunFlags {
  readonly message?: string;
  readonly dialect?: string;
  readonly name?: string;
  readonly cwd?: string;
  /** Seconds. */
  readonly timeout?: string;
  readonly telemetry?: boolean;
  readonly source?: string;
  readonly dir?: string;
  readonly config?: string;
  readonly verbose?: boolean;
}

/** As of `timeout(1)` and of shells. */
const EXIT_TIMEOUT = 124;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

/** A longer one Node's timers cannot hold, and no agent runs for three weeks. */
const TIMEOUT_S_MAX = 2_000_000;

/** What is to be run, checked. */
interface Order {
  readonly command: readonly string[];
  /** For the agent's standard input; undefined: nothing there. */
  readonly input: string | undefined;
  /** For the records. */
  readonly message: string;
  readonly name: string;
  readonly dialect: string;
  readonly source: string;
  readonly cwd: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly telemetry: boolean;
}

/** How it went, for the exit code and the last line. */
interface RunEnd {
  readonly exitCode: number;
  readonly status: 'completed' | 'failed' | 'cancelled';
  /** Undefined, as what follows, when it was not recorded. */
  readonly taskId?: string;
  readonly traceparent?: string | undefined;
  readonly outcome?: AgentOutcome;
  /** Why it could not be started, or not be recorded. */
  readonly problem?: string;
}

/** Our own standard output and error, for the agent's bytes and our lines. */
interface Terminal {
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  say(line: string): void;
}

/**
 * Runs a command as a task's agent: its output comes out of ours as it is, its exit code is given back. Whatever is
 * wrong with recording is said and stops nothing. Throws `ERR_INPUT_INVALID` and `ERR_CONFIG_INVALID` before it starts anything.
 */
export async function run(command: readonly string[], flags: RunFlags): Promise<number> {
  const stderr = new TerminalStream(2);
  const terminal: Terminal = {
    stdout: new TerminalStream(1),
    stderr,
    say: (line) => void stderr.write(`tasktrail: ${escapeLine(line)}\n`),
  };
  const config = loadConfig({
    // The receiver of one run is for its own agent: it takes no port that a service would want.
    flags: { TASK_LOGS_DIR: flags.dir, TASK_LOGS_OTLP_PORT: '0' },
    recordsOnly: true,
    ...(flags.config !== undefined && { configFile: flags.config }),
  });
  const order = await readOrder(command, flags, { config, say: terminal.say });
  const interrupts = new Interrupts();
  interrupts.stopSignal.addEventListener(
    'abort',
    () => isatty(2) && terminal.say('ending the agent (once more to kill it)'),
  );
  const isVerbose = flags.verbose === true || isatty(2);
  const trail = await openRunTrail(config, (line) => flags.verbose === true && terminal.say(line));
  const parts = { interrupts, terminal };
  const end = trail.isOpen ? await runRecorded(order, parts) : await runBare(order, parts);
  const problems = [end.problem, await trail.close()];
  // What is left is a reader who takes his time.
  interrupts.letThrough();
  for (const problem of problems) if (problem !== undefined) terminal.say(problem);
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
  const { message, dialect = guessDialect(command), cwd, name, source = 'cli' } = flags;
  if ((command[0] ?? '').trim() === '') throw invalid('name a command: tasktrail run -- <command>');
  for (const [flag, value] of Object.entries({ message, name, source }))
    if (value?.trim() === '') throw invalid(`--${flag}: must not be empty`);
  if (!DIALECT_NAMES.includes(dialect))
    throw invalid(
      `--dialect: ${JSON.stringify(dialect)} is not known: use one of ${DIALECT_NAMES.join(', ')}`,
    );
  if (cwd !== undefined && !isDirectory(cwd))
    throw invalid(`--cwd: ${JSON.stringify(cwd)} is not there or not a directory`);
  const timeoutMs = readTimeout(flags.timeout);
  const input = message ?? (await readPipedMessage(say));
  return {
    command,
    input,
    // The newline is the pipe's, not the person's.
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
  readonly interrupts: Interrupts;
  readonly terminal: Terminal;
}

/** Runs the agent as a task, and closes that. Never rejects for what the agent does. */
async function runRecorded(order: Order, parts: RunParts): Promise<RunEnd> {
  const { interrupts } = parts;
  const task = startTask({
    source: order.source,
    message: order.message,
    agent: order.name,
    sourceMetadata: { command: [...order.command], cwd: resolve(order.cwd ?? '.') },
  });
  interrupts.killSignal.addEventListener('abort', () => killMarked(`TASK_LOGS_TASK_ID=${task.id}`));
  try {
    const outcome = await task.runAgent(order.command, agentOptions(order, parts));
    task.end();
    const exitCode = exitCodeOf(outcome, interrupts);
    return { taskId: task.id, traceparent: task.traceparent, exitCode, status: 'completed', outcome };
  } catch (error) {
    if (!(error instanceof AgentFailedError)) {
      task.fail(error);
      throw error;
    }
    const { outcome } = error;
    if (outcome.errorType === 'spawn') {
      // Either it cannot be started at all, or there is no place for the files of its run: trying tells which.
      const end = await runBare(order, parts);
      task.fail(error);
      const reason = outcome.error ?? error.message;
      return { ...end, problem: end.isStarted ? `the agent's output is not recorded: ${reason}` : reason };
    }
    const isCancelled = outcome.errorType === 'cancelled';
    if (isCancelled) task.cancel(`cancelled by ${interrupts.received ?? 'a signal'}`);
    else task.fail(error);
    return {
      taskId: task.id,
      traceparent: task.traceparent,
      exitCode: exitCodeOf(outcome, interrupts),
      status: isCancelled ? 'cancelled' : 'failed',
      outcome,
    };
  }
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
    // Copied: they are written later than they are read, and the reader's buffer is read into again.
    onOutput: (stream, bytes) => terminal[stream].write(Buffer.from(bytes)),
  };
}

async function runBare(order: Order, { interrupts }: RunParts): Promise<RunEnd & { isStarted: boolean }> {
  const { command, cwd, input, timeoutMs } = order;
  const { stopSignal, killSignal } = interrupts;
  const env = inheritedEnvironment();
  const end = await runUnrecorded(command, { cwd, env, input, timeoutMs, stopSignal, killSignal });
  return {
    exitCode: exitCodeOfBare(end, interrupts),
    status: end.stop === 'cancelled' ? 'cancelled' : end.exitCode === 0 ? 'completed' : 'failed',
    isStarted: end.errno === undefined,
    ...(end.errno !== undefined && { problem: startProblem(command[0], end.errno) }),
  };
}

function startProblem(program: string | undefined, errno: string): string {
  const why = errno === 'ENOENT' ? 'not found' : errno === 'EACCES' ? 'not executable for this user' : errno;
  return `cannot start ${JSON.stringify(program)}: ${why}`;
}

function exitCodeOf({ errorType, exitCode, signal }: AgentOutcome, { received }: Interrupts): number {
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

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // ENOENT, ENOTDIR, EACCES: for a command to start in, all the same.
    return false;
  }
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
