import type { AgentOutcome } from '../model/agent-output.ts';
import type { Usage } from '../model/documents.ts';
import { firstOfText } from '../model/text.ts';
import { redact } from '../redact/redact.ts';
import type { ChildExit } from './child.ts';
import type { Verdict } from './dialects/dialect.ts';
import { exitOf } from './exit-status.ts';
import { withReason } from './failure-reason.ts';

/** The reason why this process stopped the run. It takes precedence over the agent's own result. */
export interface Stop {
  readonly errorType: string;
  readonly error: string;
}

export interface RunEnd {
  /** Both null when the end was not observed. */
  readonly exit: ChildExit;
  readonly verdict: Verdict;
  readonly model: string | null;
  readonly stop: Stop | undefined;
  /** The last lines of standard error. */
  readonly stderr: string;
  /** The line of plain output on either stream that names an error; empty when there is none. */
  readonly reason?: string;
  /** This process stopped the run because it had said its last word and did not exit. */
  readonly lingered?: boolean;
  /** Whether its output says that the run is over, see `DialectReader.isFinal`. Undefined: not known. */
  readonly isFinal?: boolean;
  /** What the messages of the agent say so far, see `DialectReader.spent`. */
  readonly spent?: Usage | undefined;
  /** The system killed processes for lack of memory during the run, and this process sent no SIGKILL. */
  readonly oomKilled?: boolean;
}

/**
 * A run succeeds when it was not stopped, its exit code is 0, and its output does not report a failure. An unknown exit
 * code is a failure, also when the output reports success. Of a run that lingered the output alone decides.
 */
export function judge(end: RunEnd): AgentOutcome {
  const { verdict, stop } = end;
  const { result } = verdict;
  const usage = usageOf(end);
  const exit = exitKnown(end.exit);
  const known = { result, exitCode: exit.exitCode, signal: exit.signal, usage, model: end.model };
  if (stop !== undefined) return { ...known, ...stop, success: false };
  if (end.lingered === true) {
    const lingered = { ...known, lingered: true };
    if (verdict.success === true) return { ...lingered, success: true, error: null };
    return { ...lingered, success: false, ...reasonOf(end, { exitCode: 0, signal: null }) };
  }
  if (exit.exitCode === 0 && verdict.success !== false) return { ...known, success: true, error: null };
  return { ...known, success: false, ...reasonOf(end, exit) };
}

/** The usage, with a reason where it is a part at most. A dialect without a result line reports none. */
function usageOf({ verdict: { success, usage }, isFinal, spent }: RunEnd): Usage {
  if (success === undefined || isFinal === undefined) return usage;
  const isUnknown = (usage.inputTokens ?? null) === null && (usage.outputTokens ?? null) === null;
  const seen = isUnknown && spent !== undefined && { seen: spent };
  if (!isFinal) return { ...usage, ...seen, incompleteReason: 'the agent ended without its result line' };
  if (success || !isUnknown) return usage;
  return { ...usage, ...seen, incompleteReason: 'the result line of the agent has no usage' };
}

function exitKnown(exit: ChildExit): ChildExit {
  return exit.signal === null && exit.exitCode !== null ? exitOf(exit.exitCode) : exit;
}

function reasonOf(end: RunEnd, exit: ChildExit): Stop {
  const words = end.verdict.success === false ? end.verdict.error : null;
  if (exit.exitCode === null && exit.signal === null)
    return {
      errorType: 'lost',
      error: explained('its process ended unobserved: the exit code is unknown', end),
    };
  const how = exit.signal === null ? `exited with code ${exit.exitCode}` : `killed by ${exit.signal}`;
  if (ranOutOfMemory(end, exit))
    return { errorType: 'out_of_memory', error: explained(`out of memory, ${how}`, end) };
  if (exit.signal !== null) return { errorType: 'signal', error: explained(how, end) };
  if (words !== null) return { errorType: 'agent_error', error: withReason(words, end.reason ?? '') };
  if (exit.exitCode === 0)
    return { errorType: 'agent_error', error: explained('ended without a result', end) };
  return { errorType: 'exit_code', error: explained(how, end) };
}

/** Appends the agent's own error, or the last lines of its standard error. */
function explained(how: string, { verdict, stderr, reason = '' }: RunEnd): string {
  const own = verdict.success === false ? verdict.error : null;
  const words = own === null ? lastWords(stderr, reason) : withReason(own, reason);
  return words === '' ? how : `${how}: ${words}`;
}

/** The tail of standard error, led by the error when a stack trace has pushed it out of the tail. */
function lastWords(stderr: string, reason: string): string {
  if (stderr === '' || reason === '') return stderr || reason;
  return stderr.includes(reason) ? stderr : `${reason}\n...\n${stderr}`;
}

/** Last messages of V8, Go, Rust, C++, Python and Java. Some of them then exit with a code, some abort. */
const OUT_OF_MEMORY =
  /heap out of memory|fatal (?:javascript |process |error: (?:runtime: )?)out of memory|memory allocation of \d+ bytes failed|std::bad_alloc|ERR_MEMORY_ALLOCATION_FAILED|array buffer allocation failed|^MemoryError\b|java\.lang\.OutOfMemoryError/im;

function ranOutOfMemory({ oomKilled, verdict, stderr }: RunEnd, exit: ChildExit): boolean {
  if (exit.signal === 'SIGKILL') return oomKilled === true;
  const spoke = verdict.success === false && verdict.error !== null;
  return exit.exitCode !== 0 && !spoke && OUT_OF_MEMORY.test(stderr);
}

/** The message and the first frames of a stack trace, short enough for a column of a list. */
const LINES_MAX = 10;
const LINE_CHARS_MAX = 300;

/** Keeps the last lines that are not blank, and an out-of-memory message, because a long stack can follow it. */
export class StderrTail {
  #lines: string[] = [];
  #fatal: string | undefined;

  add(line: string): void {
    const trimmed = line.trimEnd();
    if (trimmed === '') return;
    // Redacted before the cut: half a token would no longer match a rule.
    const shown =
      trimmed.length > LINE_CHARS_MAX ? `${firstOfText(redact(trimmed), LINE_CHARS_MAX)}...` : trimmed;
    if (OUT_OF_MEMORY.test(shown)) this.#fatal = shown;
    this.#lines.push(shown);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  text(): string {
    const lines = this.#lines.join('\n');
    if (this.#fatal === undefined || this.#lines.includes(this.#fatal)) return lines;
    return `${this.#fatal}\n...\n${lines}`;
  }
}
