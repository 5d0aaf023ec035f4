import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { inheritedEnvironment } from '../../config/config.ts';
import { errnoOf, messageOf } from '../../errors.ts';

/** As a shell says them: not there, and not to be run. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_STARTED = 126;

export interface CommandEnd {
  /** What a shell would give: 128 and the signal's number when one ended it. */
  readonly exitCode: number;
  /** Undefined when it went well. */
  readonly error: string | undefined;
}

/**
 * Runs a command in the place of this process, with its input and output, and waits for it: signals are for the command,
 * whose end is recorded afterwards. Never rejects.
 */
export function runCommand(
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<CommandEnd> {
  const pass = (signal: NodeJS.Signals): void => {
    // The terminal gives Ctrl-C to both by itself.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  // Before the command runs: a signal that comes while it is being started must not end this process and leave it alone.
  for (const signal of signals) process.on(signal, pass);
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...inheritedEnvironment(), ...environment },
  });
  return new Promise((resolve) => {
    const end = (result: CommandEnd): void => {
      for (const signal of signals) process.off(signal, pass);
      resolve(result);
    };
    child.once('error', (error) => {
      const exitCode = errnoOf(error) === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
      process.stderr.write(`tasktrail: cannot start ${JSON.stringify(program)}: ${messageOf(error)}\n`);
      end({ exitCode, error: `cannot be started: ${messageOf(error)}` });
    });
    child.once('exit', (code, signal) => {
      if (signal !== null) end({ exitCode: 128 + constants.signals[signal], error: `ended by ${signal}` });
      else end({ exitCode: code ?? 0, error: code === 0 ? undefined : `exit code ${code}` });
    });
  });
}
