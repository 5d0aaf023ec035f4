import { TasktrailError } from '../errors.ts';
import { printableText } from '../model/printable.ts';
import { redact } from '../redact/redact.ts';
import { escapeLine } from './terminal/terminal-text.ts';

/** 2: the arguments or the settings are wrong. All others are 1. */
const EXIT_CODES: Readonly<Partial<Record<TasktrailError['code'], number>>> = {
  ERR_CONFIG_INVALID: 2,
  ERR_ID_INVALID: 2,
  ERR_INPUT_INVALID: 2,
};

/** A defect of tasktrail (EX_SOFTWARE of sysexits.h). */
const EXIT_DEFECT = 70;

/** Second and later lines stand below the text of the first, behind `tasktrail: `. */
const INDENT = ' '.repeat('tasktrail: '.length);

/**
 * Prints an error on standard error and returns the exit code. An error that the user can correct is printed without a
 * stack; one in the arguments names `help`, the command that explains them. Any other error is a defect.
 */
export function reportError(error: unknown, help?: string): number {
  if (!(error instanceof TasktrailError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    print('unexpected error, a defect of tasktrail: please report it with these lines', ...text.split('\n'));
    return EXIT_DEFECT;
  }
  const [first = '', ...rest] = error.message.split('\n');
  const areArgumentsWrong = error.code === 'ERR_INPUT_INVALID' || error.code === 'ERR_ID_INVALID';
  print(first, ...rest, ...(areArgumentsWrong && help !== undefined ? [`(see ${help})`] : []));
  return EXIT_CODES[error.code] ?? 1;
}

function print(first: string, ...rest: readonly string[]): void {
  // Errors of other packages quote addresses with their passwords.
  const printed = (line: string): string => escapeLine(redact(printableText(line)));
  const more = rest.map((line) => `${INDENT}${printed(line)}\n`).join('');
  process.stderr.write(`tasktrail: ${printed(first)}\n${more}`);
}
