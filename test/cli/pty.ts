import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import type { Env } from './run-command.ts';

/** Control-C, as the terminal driver gets it from a keyboard: it signals the whole foreground process group. */
export const CTRL_C = '\x03';

/** Tests on a real terminal need `script` of util-linux; BSD's and macOS's take other arguments. */
export const hasTerminal: boolean = findScript();

/** A command on a terminal of its own. */
export interface TerminalSession {
  readonly child: ChildProcess;
  /** What the terminal shows, line ends as `\n`. */
  text(): string;
  type(keys: string): void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: Env;
  /** Default 80. */
  readonly columns?: number;
}

/** Starts a shell command on a pseudo terminal. It ends with the test. */
export function openTerminal(command: string, { cwd, env, columns = 80 }: TerminalOptions): TerminalSession {
  const child = spawn('script', ['-qec', `stty cols ${columns}; ${command}`, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH ?? '', TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // Without `script` the terminal is gone, and SIGHUP ends what runs on it.
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  // The session may end before the keys arrive.
  child.stdin.on('error', () => {});
  return {
    child,
    text: () => text.replaceAll('\r', ''),
    type: (keys) => void child.stdin.write(keys),
    ended: new Promise((resolve) => child.once('close', (code) => resolve(code))),
  };
}

/** With `CI=true` skipped tests go unnoticed, so a missing `script` is an error there. */
function findScript(): boolean {
  const { stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' });
  if (stdout?.includes('util-linux')) return true;
  const reason = 'tests on a terminal need the program "script" of util-linux';
  if (process.env.CI === 'true') throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return false;
}
