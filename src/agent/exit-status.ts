import { constants } from 'node:os';
import type { ChildExit } from './child.ts';

/** A shell's exit code for a killed child is 128 plus the signal's number. */
const SIGNAL_BASE = 128;

/**
 * SIGTERM, the highest number that is read as a signal. Higher signals rarely end a process, but an agent that exits with
 * an HTTP status modulo 256 has such exit codes (400 gives 144, 401 gives 145, 500 gives 244).
 */
const SIGNAL_MAX = 15;

/** Where two names share a number, the first one is the common one (SIGABRT, SIGIOT). */
const SIGNALS: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .filter(([, number]) => number <= SIGNAL_MAX)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/**
 * Splits a shell's exit code into exit code or signal. A program that catches SIGTERM and exits with 143, as Claude Code
 * does, counts as ended by SIGTERM. For a number outside 0 to 255 both are null.
 */
export function exitOf(code: number): ChildExit {
  if (!Number.isInteger(code) || code < 0 || code > 255) return { exitCode: null, signal: null };
  const signal = SIGNALS.get(code - SIGNAL_BASE);
  return signal === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal };
}
