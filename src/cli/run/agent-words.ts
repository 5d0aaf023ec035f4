import { basename } from 'node:path';

/** Programs that run a command of a package. */
const RUNNERS = new Set(['npx', 'bunx', 'pnpx']);

const PACKAGES: Readonly<Record<string, string>> = {
  '@anthropic-ai/claude-code': 'claude',
  '@openai/codex': 'codex',
  '@google/gemini-cli': 'gemini',
  '@qwen-code/qwen-code': 'qwen',
  'opencode-ai': 'opencode',
};

/** The agent's name in records: the program's, without its path, its extension and a package runner. */
export function agentName(command: readonly string[]): string {
  return programName(command) || 'agent';
}

/** The command as text, quoted for a POSIX shell. */
export function commandLine(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** The agent's program as a bare name. */
function programName([program = '', ...args]: readonly string[]): string {
  const name = basename(program).replace(/\.(?:exe|cmd|js|mjs)$/, '');
  if (!RUNNERS.has(name)) return name;
  const started = args.find((arg) => !arg.startsWith('-'));
  if (started === undefined) return name;
  const named = started.replace(/(?<=.)@[^@/]*$/, '');
  return PACKAGES[named] ?? basename(named);
}
