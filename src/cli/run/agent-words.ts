import { basename } from 'node:path';
import { DIALECT_NAMES } from '../../agent/dialects/dialects.ts';

/** How each program is told to print what its dialect reads. */
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

/** What starts a program that a package brings. */
const RUNNERS = new Set(['npx', 'bunx', 'pnpx']);

const PACKAGES: Readonly<Record<string, string>> = {
  '@anthropic-ai/claude-code': 'claude',
  '@openai/codex': 'codex',
  '@google/gemini-cli': 'gemini',
  'opencode-ai': 'opencode',
};

/** The dialect that these words make a known agent print; `text` for everything else. */
export function guessDialect(command: readonly string[]): string {
  const [program, ...args] = withoutRunner(command);
  const guess = GUESSES.find((known) => known.program === program && known.fits(args));
  return guess !== undefined && DIALECT_NAMES.includes(guess.dialect) ? guess.dialect : 'text';
}

/** The agent's name for records: its program's. */
export function agentName(command: readonly string[]): string {
  return withoutRunner(command)[0] ?? 'agent';
}

/** The words as one would type them, for people to read. */
export function commandLine(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** The words from the agent's own program on, which comes without its folder. */
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
