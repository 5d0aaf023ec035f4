import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { inheritedEnvironment } from '../../config/environment.ts';
import { errnoOf, messageOf } from '../../errors.ts';
import { say } from '../terminal/say.ts';

/** Exit codes of a shell: command not found, and found but not executable. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_STARTED = 126;

export interface CommandEnd {
  /** As in a shell: 128 plus the number of the signal that ended the command. */
  readonly exitCode: number;
  /** Undefined after a success. */
  readonly error: string | undefined;
}

/**
 * Runs a command with the standard streams of this process and waits for it. Signals are forwarded to the command, so that
 * this process stays to record its end. Never rejects.
 */
export function runCommand(
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<CommandEnd> {
  const forward = (signal: NodeJS.Signals): void => {
    // The terminal sends Ctrl-C to both processes.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  // Before the spawn: a signal during the start must not end this process and orphan the command.
  for (const signal of signals) process.on(signal, forward);
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...inheritedEnvironment(), ...environment },
  });
  return new Promise((resolve) => {
    const end = (result: CommandEnd): void => {
      for (const signal of signals) process.off(signal, forward);
      resolve(result);
    };
    child.once('error', (error) => {
      const exitCode = errnoOf(error) === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
      say(`cannot start ${JSON.stringify(program)}: ${messageOf(error)}`);
      end({ exitCode, error: `cannot be started: ${messageOf(error)}` });
    });
    child.once('exit', (code, signal) => {
      if (signal !== null) end({ exitCode: 128 + constants.signals[signal], error: `ended by ${signal}` });
      else end({ exitCode: code ?? 0, error: code === 0 ? undefined : `exit code ${code}` });
    });
  });
}
