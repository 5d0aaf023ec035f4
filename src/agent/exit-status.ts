import { constants } from 'node:os';
import type { ChildExit } from './child.ts';

/** A shell tells a child that was killed by a signal as 128 and the signal's number. */
const SIGNAL_BASE = 128;

/**
 * The last number that is read as a signal: SIGTERM. What comes after it are signals that end hardly anything, and exit
 * codes of an agent that exits with an HTTP status modulo 256 (400 gives 144, 401 gives 145, 500 gives 244).
 */
const SIGNAL_MAX = 15;

/** Two names have one number here and there; the first, the usual one, stays. */
const SIGNALS: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .filter(([, number]) => number <= SIGNAL_MAX)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/**
 * How a child ended, from the exit code that its shell passed on. A program that catches SIGTERM and exits with 143, as
 * Claude Code does, counts as ended by it, too. A number that is no exit code says nothing: both are null.
 */
export function exitOf(code: number): ChildExit {
  if (!Number.isInteger(code) || code < 0 || code > 255) return { exitCode: null, signal: null };
  const signal = SIGNALS.get(code - SIGNAL_BASE);
  return signal === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal };
}
