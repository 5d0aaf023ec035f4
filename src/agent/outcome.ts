import type { AgentOutcome } from '../model/agent-output.ts';
import { redact } from '../redact/redact.ts';
import type { ChildExit } from './child.ts';
import type { Verdict } from './dialects/dialect.ts';
import { exitOf } from './exit-status.ts';

/** Why the run was ended from outside; it outranks whatever the agent said afterwards. */
export interface Stop {
  readonly errorType: string;
  readonly error: string;
}

export interface RunEnd {
  /** As the child or its shell told it; both null when nobody knows. */
  readonly exit: ChildExit;
  readonly verdict: Verdict;
  readonly model: string | null;
  readonly stop: Stop | undefined;
  /** The last lines of standard error. */
  readonly stderr: string;
  /** The system killed processes for want of memory while the run went on, and we sent no SIGKILL. */
  readonly oomKilled?: boolean;
}

/**
 * Success takes all three: nobody stopped it, exit code 0, and a last word that is good or that this dialect lacks. An
 * exit code that nobody knows is no success, whatever the agent said.
 */
export function judge(end: RunEnd): AgentOutcome {
  const { verdict, stop } = end;
  const { result, usage } = verdict;
  const exit = exitKnown(end.exit);
  const known = { result, exitCode: exit.exitCode, signal: exit.signal, usage, model: end.model };
  if (stop !== undefined) return { ...known, ...stop, success: false };
  if (exit.exitCode === 0 && verdict.success !== false) return { ...known, success: true, error: null };
  return { ...known, success: false, ...reasonOf(end, exit) };
}

function exitKnown(exit: ChildExit): ChildExit {
  return exit.signal === null && exit.exitCode !== null ? exitOf(exit.exitCode) : exit;
}

function reasonOf(end: RunEnd, exit: ChildExit): Stop {
  const words = end.verdict.success === false ? end.verdict.error : null;
  if (exit.exitCode === null && exit.signal === null)
    return { errorType: 'lost', error: explained('its process is gone, and nobody saw how it ended', end) };
  const how = exit.signal === null ? `exited with code ${exit.exitCode}` : `killed by ${exit.signal}`;
  if (ranOutOfMemory(end, exit))
    return { errorType: 'out_of_memory', error: explained(`out of memory, ${how}`, end) };
  if (exit.signal !== null) return { errorType: 'signal', error: explained(how, end) };
  if (words !== null) return { errorType: 'agent_error', error: words };
  if (exit.exitCode === 0)
    return { errorType: 'agent_error', error: explained('ended without a result', end) };
  return { errorType: 'exit_code', error: explained(how, end) };
}

/** With what the agent said about it, or else with the last lines of its standard error. */
function explained(how: string, { verdict, stderr }: RunEnd): string {
  const words = verdict.success === false && verdict.error !== null ? verdict.error : stderr;
  return words === '' ? how : `${how}: ${words}`;
}

/** What runtimes print (V8, Go, Rust, C++) before they give up; some exit with a code, some abort. */
const OUT_OF_MEMORY =
  /heap out of memory|fatal (?:javascript |process |error: (?:runtime: )?)out of memory|memory allocation of \d+ bytes failed|std::bad_alloc|ERR_MEMORY_ALLOCATION_FAILED|array buffer allocation failed|^MemoryError\b|java\.lang\.OutOfMemoryError/im;

function ranOutOfMemory({ oomKilled, verdict, stderr }: RunEnd, exit: ChildExit): boolean {
  if (exit.signal === 'SIGKILL') return oomKilled === true;
  const spoke = verdict.success === false && verdict.error !== null;
  return exit.exitCode !== 0 && !spoke && OUT_OF_MEMORY.test(stderr);
}

/** Enough for a stack trace's message and its first frames, short enough for a field that people read in a list. */
const LINES_MAX = 10;
const LINE_CHARS_MAX = 300;

/** Keeps the last lines that are not blank, and the one that tells of a lack of memory: a long stack follows it. */
export class StderrTail {
  #lines: string[] = [];
  #fatal: string | undefined;

  add(line: string): void {
    const trimmed = line.trimEnd();
    if (trimmed === '') return;
    // Masked before it is cut: the beginning of a token has no look that could be known later.
    const shown =
      trimmed.length > LINE_CHARS_MAX ? `${redact(trimmed).slice(0, LINE_CHARS_MAX)}...` : trimmed;
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
