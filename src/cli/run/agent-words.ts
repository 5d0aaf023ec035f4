import { basename } from 'node:path';
import { DIALECT_NAMES } from '../../agent/dialects/dialects.ts';

/** The options that make a program print its machine-readable dialect. */
const GUESSES: readonly {
  readonly dialect: string;
  readonly program: string;
  fits(args: readonly string[]): boolean;
}[] = [
  {
    dialect: 'claude',
    program: 'claude',
    fits: (args) => hasOption(args, ['--output-format'], 'stream-json'),
  },
  {
    dialect: 'codex',
    program: 'codex',
    fits: (args) => (args.includes('exec') || args.includes('e')) && args.includes('--json'),
  },
  {
    dialect: 'gemini',
    program: 'gemini',
    fits: (args) => hasOption(args, ['--output-format', '-o'], 'stream-json'),
  },
  {
    dialect: 'opencode',
    program: 'opencode',
    fits: (args) => args.includes('run') && hasOption(args, ['--format'], 'json'),
  },
];

/** Programs that run a command of a package. */
const RUNNERS = new Set(['npx', 'bunx', 'pnpx']);

const PACKAGES: Readonly<Record<string, string>> = {
  '@anthropic-ai/claude-code': 'claude',
  '@openai/codex': 'codex',
  '@google/gemini-cli': 'gemini',
  'opencode-ai': 'opencode',
};

/** The dialect that a known agent prints for this command; `text` for every other command. */
export function guessDialect(command: readonly string[]): string {
  const [program, ...args] = withoutRunner(command);
  const guess = GUESSES.find((known) => known.program === program && known.fits(args));
  return guess !== undefined && DIALECT_NAMES.includes(guess.dialect) ? guess.dialect : 'text';
}

/** The agent's name in records: the program's, without its path, its extension and a package runner. */
export function agentName(command: readonly string[]): string {
  return withoutRunner(command)[0] ?? 'agent';
}

/** The command as text, quoted for a POSIX shell. */
export function commandLine(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** The agent's program as a bare name, and its arguments. */
function withoutRunner([program = '', ...args]: readonly string[]): readonly string[] {
  const name = basename(program).replace(/\.(?:exe|cmd|js|mjs)$/, '');
  if (!RUNNERS.has(name)) return [name, ...args];
  const at = args.findIndex((arg) => !arg.startsWith('-'));
  if (at < 0) return [name, ...args];
  const named = (args[at] ?? '').replace(/(?<=.)@[^@/]*$/, '');
  return [PACKAGES[named] ?? basename(named), ...args.slice(at + 1)];
}

function hasOption(args: readonly string[], names: readonly string[], value: string): boolean {
  return args.some((arg, index) =>
    names.some((name) => arg === `${name}=${value}` || (arg === name && args[index + 1] === value)),
  );
}
