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

/** Where the documents of workflows go when they have ended. */
export interface CloudStorageConfig {
  readonly enabled?: boolean;
  /** Only `s3`. */
  readonly provider?: string;
  /** `${ORG}` and `${PROJECT}` are replaced, here and in the prefix. */
  readonly bucket?: string;
  /** `{year}`, `{month}` (zero-padded) and `{m}` (unpadded) are those of the workflow. */
  readonly prefix?: string;
  /** Only `json`. */
  readonly format?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly force_path_style?: boolean;
}

/** `tasktrail.config.json`, as written there; of the plugins' own files, the two keys that are read there. */
export interface ConfigFile {
  readonly trigger?: string;
  readonly agents?: Readonly<Record<string, AgentConfig>>;
  readonly commands?: Readonly<Record<string, CommandConfig>>;
  readonly logging?: { readonly emit_workflow_events?: boolean };
  readonly types?: {
    readonly workflow?: {
      readonly local_retention_days?: number;
      readonly cloud_storage?: CloudStorageConfig;
    };
  };
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

const logging = {
  // The plugin's own switches: whoever calls us has chosen already.
  use_logs_plugin: z.boolean().optional(),
  log_type: z.string().optional(),
  emit_workflow_events: z.boolean().optional(),
};

const days = z.int('use a whole number of days, at least 1').min(1, 'use a whole number of days, at least 1');

const cloudStorage = {
  enabled: z.boolean().optional(),
  provider: z.string().optional(),
  bucket: z.string().optional(),
  prefix: z.string().optional(),
  format: z.string().optional(),
  endpoint: z.string().min(1, 'must not be empty').optional(),
  region: z.string().min(1, 'must not be empty').optional(),
  force_path_style: z.boolean().optional(),
};

const fileSchema = z.strictObject({
  trigger: z.string().trim().min(1).optional(),
  agents: z.record(name, agentSchema).optional(),
  commands: z.record(name, commandSchema).optional(),
  logging: z.strictObject(logging).optional(),
  types: z
    .strictObject({
      workflow: z
        .strictObject({
          local_retention_days: days.optional(),
          cloud_storage: z.strictObject(cloudStorage).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** Of the files of the plugins the keys that concern us; the rest there is theirs, and may be anything. */
const PLUGIN_SCHEMAS = {
  faber: z.object({ logging: z.object(logging).optional() }),
  logs: z.object({
    types: z
      .object({
        workflow: z
          .object({
            local_retention_days: days.optional(),
            cloud_storage: z.object(cloudStorage).optional(),
          })
          .optional(),
      })
      .optional(),
  }),
};

interface ReadFile {
  readonly file: ConfigFile;
  readonly problems: readonly string[];
}

/** Reads JSON with comments. A missing file is an empty one unless it was asked for; problems name file and key. */
export function readConfigFile(path: string, options: { readonly required: boolean }): ReadFile {
  return readJson(path, fileSchema, options.required);
}

/** `.fractary/plugins/<plugin>/config.json`: as `readConfigFile`, for the keys that are read there. */
export function readPluginFile(path: string, plugin: 'faber' | 'logs'): ReadFile {
  return readJson(path, PLUGIN_SCHEMAS[plugin], false);
}

function readJson(path: string, schema: z.ZodType, isRequired: boolean): ReadFile {
  let text: string;
  try {
    // Some editors begin a file with a byte order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const isMissing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
    if (isMissing && !isRequired) return { file: {}, problems: [] };
    return { file: {}, problems: [`${path}: cannot be read: ${messageOf(error)}`] };
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    return { file: {}, problems: [`${path}: line ${line}: ${inWords(printParseErrorCode(first.error))}`] };
  }
  const parsed = schema.safeParse(value);
  // Checked by the schema; zod writes optional fields as ones that may hold undefined.
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
