import { escapeLine } from './terminal-text.ts';

/** Prints a line on standard error. Foreign text in it (names, reasons, paths) cannot steer the terminal. */
export function say(line: string): void {
  process.stderr.write(`tasktrail: ${escapeLine(line)}\n`);
}
