import { TasktrailError } from '../errors.ts';

/** 2: the caller's words or settings are wrong. Everything else is 1. */
const EXIT_CODES: Readonly<Partial<Record<TasktrailError['code'], number>>> = {
  ERR_CONFIG_INVALID: 2,
  ERR_ID_INVALID: 2,
  ERR_INPUT_INVALID: 2,
};

/** A defect of ours (EX_SOFTWARE of sysexits.h). */
const EXIT_DEFECT = 70;

/** What went wrong, what to do, and no stack: it is the user's to mend. A defect of ours keeps its stack. */
export function reportError(error: unknown): number {
  if (!(error instanceof TasktrailError)) {
    process.stderr.write(
      `tasktrail: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EXIT_DEFECT;
  }
  const [first = '', ...rest] = error.message.split('\n');
  process.stderr.write(`tasktrail: ${first}\n${rest.map((line) => `           ${line}\n`).join('')}`);
  return EXIT_CODES[error.code] ?? 1;
}
