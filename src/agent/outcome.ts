import type { AgentOutcome } from '../model/agent.ts';
import { redact } from '../redact/redact.ts';
import type { ChildExit } from './child.ts';
import type { Verdict } from './dialect.ts';

/** Why the run was ended from outside; it outranks whatever the agent said afterwards. */
export interface Stop {
  readonly errorType: string;
  readonly error: string;
}

export interface RunEnd {
  readonly exit: ChildExit;
  readonly verdict: Verdict;
  readonly model: string | null;
  readonly stop: Stop | undefined;
  /** The last lines of standard error. */
  readonly stderr: string;
}

/** Success takes all three: nobody stopped it, exit code 0, and a last word that is good or that this dialect lacks. */
export function judge(end: RunEnd): AgentOutcome {
  const { exit, verdict, stop } = end;
  const { result, usage } = verdict;
  const known = { result, exitCode: exit.exitCode, signal: exit.signal, usage, model: end.model };
  if (stop !== undefined) return { ...known, ...stop, success: false };
  if (exit.exitCode === 0 && verdict.success !== false) return { ...known, success: true, error: null };
  const spoke = verdict.success === false && verdict.error !== null;
  const error = spoke ? verdict.error : describeExit(exit, end.stderr);
  return { ...known, success: false, error, errorType: errorTypeOf(exit, spoke) };
}

function errorTypeOf(exit: ChildExit, spoke: boolean): string {
  if (exit.signal !== null) return 'signal';
  return spoke || exit.exitCode === 0 ? 'agent_error' : 'exit_code';
}

function describeExit(exit: ChildExit, stderr: string): string {
  const how = howItEnded(exit);
  return stderr === '' ? how : `${how}: ${stderr}`;
}

function howItEnded(exit: ChildExit): string {
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return exit.exitCode === 0 ? 'ended without a result' : `exited with code ${exit.exitCode}`;
}

/** Enough for a stack trace's message and its first frames, short enough for a field that people read in a list. */
const LINES_MAX = 10;
const LINE_CHARS_MAX = 300;

/** Keeps the last lines that are not blank. */
export class StderrTail {
  #lines: string[] = [];

  add(line: string): void {
    const trimmed = line.trimEnd();
    if (trimmed === '') return;
    // Masked before it is cut: the beginning of a token has no look that could be known later.
    const shown =
      trimmed.length > LINE_CHARS_MAX ? `${redact(trimmed).slice(0, LINE_CHARS_MAX)}...` : trimmed;
    this.#lines.push(shown);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  text(): string {
    return this.#lines.join('\n');
  }
}
