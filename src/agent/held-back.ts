import { basename } from 'node:path';

interface KnownProgram {
  readonly dialect: string;
  /** What the program reads to find its account, its endpoint and its model. */
  readonly variables: readonly string[];
}

const ANTHROPIC = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_BASE_URL', 'ANTHROPIC_MODEL'];
const OPENAI = ['OPENAI_API_KEY', 'OPENAI_BASE_URL'];
const GOOGLE = ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_CLOUD_PROJECT', 'GOOGLE_APPLICATION_CREDENTIALS'];

/** Command line agents by the name of their program. */
const KNOWN: ReadonlyMap<string, KnownProgram> = new Map([
  [
    'claude',
    {
      dialect: 'claude',
      variables: [
        ...ANTHROPIC,
        ...['CLAUDE_CODE_OAUTH_TOKEN', 'CLAUDE_CONFIG_DIR', 'CLAUDE_CODE_USE_BEDROCK'],
        ...['CLAUDE_CODE_USE_VERTEX', 'AWS_BEARER_TOKEN_BEDROCK'],
      ],
    },
  ],
  ['codex', { dialect: 'codex', variables: [...OPENAI, 'CODEX_API_KEY', 'CODEX_HOME'] }],
  ['cursor-agent', { dialect: 'cursor', variables: ['CURSOR_API_KEY'] }],
  ['gemini', { dialect: 'gemini', variables: GOOGLE }],
  [
    'opencode',
    { dialect: 'opencode', variables: [...ANTHROPIC, ...OPENAI, ...GOOGLE, 'OPENROUTER_API_KEY'] },
  ],
  ['qwen', { dialect: 'qwen', variables: [...OPENAI, 'DASHSCOPE_API_KEY'] }],
]);

/** Words of the command that are looked at: `npx -y claude` and `sh -c 'claude -p'` are found, a prompt is not searched. */
const WORDS = 4;

/** Variables that are set in `env`, that this agent reads, and that are not `handed` to it. */
export function heldBack(
  command: readonly string[],
  dialect: string | undefined,
  { env, handed }: Readonly<Record<'env' | 'handed', Readonly<Record<string, string | undefined>>>>,
): readonly string[] {
  const words = command
    .slice(0, WORDS)
    .flatMap((word) => word.split(/\s+/, WORDS).map((part) => basename(part)));
  const used = [...KNOWN].filter(([name, known]) => words.includes(name) || known.dialect === dialect);
  const names = new Set(used.flatMap(([, { variables }]) => variables));
  return [...names].filter((name) => (env[name] ?? '') !== '' && handed[name] === undefined);
}
