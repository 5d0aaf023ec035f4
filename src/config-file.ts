import { readFileSync } from 'node:fs';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { errnoOf, messageOf } from './errors.ts';

/** The bundled sample, which is always there. */
export const SAMPLE_AGENT = 'sample-agent';

/** An agent as `tasktrail.config.json` describes it. */
export interface AgentConfig {
  readonly type?: string;
  /** Program and arguments; `{message}`, `{phase}` and `{step}` in an argument are replaced. */
  readonly command: readonly string[];
  /** How its output is read: `claude` or `text`. */
  readonly dialect?: string;
  readonly cwd?: string;
  /** After that many seconds it is ended. Default: one hour. */
  readonly timeout_seconds?: number;
}

export interface PhaseConfig {
  readonly name: string;
  readonly steps: readonly string[];
}

/** What `@agent <name>` does. */
export interface CommandConfig {
  readonly agent?: string;
  readonly workflow?: string;
  readonly phases?: readonly PhaseConfig[];
}

/** `tasktrail.config.json`, as written there. */
export interface ConfigFile {
  readonly trigger?: string;
  readonly agents?: Readonly<Record<string, AgentConfig>>;
  readonly commands?: Readonly<Record<string, CommandConfig>>;
  readonly logging?: { readonly emit_workflow_events?: boolean };
  readonly types?: unknown;
}

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'use letters, digits, ".", "_" and "-"');

const agentSchema = z.strictObject({
  type: z.string().optional(),
  command: z.array(z.string()).refine(([program = '']) => program.trim() !== '', 'name a program'),
  dialect: z.string().optional(),
  cwd: z.string().optional(),
  timeout_seconds: z.number().positive().optional(),
});

const commandSchema = z.strictObject({
  agent: name.optional(),
  workflow: name.optional(),
  phases: z
    .array(z.strictObject({ name, steps: z.array(name).min(1) }))
    .min(1)
    .optional(),
});

const fileSchema = z.strictObject({
  trigger: z.string().trim().min(1).optional(),
  agents: z.record(name, agentSchema).optional(),
  commands: z.record(name, commandSchema).optional(),
  logging: z
    .strictObject({
      use_logs_plugin: z.boolean().optional(),
      log_type: z.string().optional(),
      emit_workflow_events: z.boolean().optional(),
    })
    .optional(),
  types: z.unknown().optional(),
});

/** Reads JSON with comments. A missing file is an empty one unless it was asked for; problems name file and key. */
export function readConfigFile(
  path: string,
  options: { readonly required: boolean },
): {
  readonly file: ConfigFile;
  readonly problems: readonly string[];
} {
  let text: string;
  try {
    // Some editors begin a file with a byte order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && !options.required) return { file: {}, problems: [] };
    return { file: {}, problems: [`${path}: cannot be read: ${messageOf(error)}`] };
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    return { file: {}, problems: [`${path}: line ${line}: ${inWords(printParseErrorCode(first.error))}`] };
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return { file: parsed.data as ConfigFile, problems: [] };
  return {
    file: {},
    problems: parsed.error.issues.map(
      (issue) => `${path}: ${issue.path.join('.') || '(top)'}: ${issue.message}`,
    ),
  };
}

/** `CommaExpected`: comma expected. */
function inWords(code: string): string {
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
