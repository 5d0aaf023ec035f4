import { readFileSync } from 'node:fs';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { errnoOf, messageOf } from '../errors.ts';

/** The bundled sample, which is always there. */
export const SAMPLE_AGENT = 'sample-agent';

/** An agent as `tasktrail.config.json` describes it. */
export interface AgentConfig {
  readonly type?: string;
  /** Program and arguments; `{message}`, `{phase}` and `{step}` in an argument are replaced. */
  readonly command: readonly string[];
  /** How its output is read: `claude`, `codex`, `gemini`, `opencode` or `text`. */
  readonly dialect?: string;
  /** Whether it sends its own telemetry, where its dialect knows how. Default: `TASK_LOGS_AGENT_TELEMETRY`. */
  readonly telemetry?: boolean;
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

/** A sender of webhooks, as `tasktrail.config.json` describes it. Paths name a place in the body: `issue.fields.0.text`. */
interface WebhookConfig {
  /** One, or several while one replaces the other; `${NAME}` in it is the environment's. */
  readonly secret: string | readonly string[];
  /** The header that carries the signature, or, with `token`, the secret itself. */
  readonly header: string;
  /** How the signature is made of the body's bytes. Default `sha256`; `token`: the header holds the secret. */
  readonly algorithm?: 'sha1' | 'sha256' | 'sha512' | 'token';
  /** How the signature is written. Default `hex`. */
  readonly encoding?: 'hex' | 'base64';
  /** What stands before it: `sha256=`. Default nothing. */
  readonly prefix?: string;
  /** Where the person's own text is. */
  readonly message: string;
  /** Where the type of event is; default: `webhook`. */
  readonly event_type?: string;
  readonly event_type_header?: string;
  /** Where the id is by which a repeated delivery is known. */
  readonly delivery_id?: string;
  readonly delivery_id_header?: string;
  /** More for `source_metadata`: a name, and where its value is. */
  readonly source_metadata?: Readonly<Record<string, string>>;
  /** Starts this command with every delivery; default: the command after the trigger in the text. */
  readonly command?: string;
  /** Default 5 MiB. */
  readonly body_bytes_max?: number;
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
  /** Senders beside GitHub, Jira and Slack, by the name in their path: `POST /webhooks/<name>`. */
  readonly webhooks?: Readonly<Record<string, WebhookConfig>>;
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
  telemetry: z.boolean().optional(),
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

const path = z
  .string()
  .regex(/^[^.\s][^.]*(?:\.[^.]+)*$/, 'use names with dots between them: issue.fields.text');
const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'use the name of a header')
  .transform((value) => value.toLowerCase());

/** Of `source_metadata`, what every task has. */
const OWN_FIELDS: readonly string[] = ['provider', 'event_type', 'webhook_id', 'command'];

function problemOfField(name: string): string | undefined {
  if (OWN_FIELDS.includes(name)) return 'this field is set already; choose another name';
  return /^[a-z][a-z0-9_]{0,63}$/.test(name) ? undefined : 'use small letters, digits and "_" in its name';
}

const webhookSchema = z.strictObject({
  secret: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  header,
  algorithm: z.enum(['sha1', 'sha256', 'sha512', 'token']).optional(),
  encoding: z.enum(['hex', 'base64']).optional(),
  prefix: z.string().optional(),
  message: path,
  event_type: path.optional(),
  event_type_header: header.optional(),
  delivery_id: path.optional(),
  delivery_id_header: header.optional(),
  source_metadata: z
    .record(z.string(), path)
    .superRefine((fields, issues) => {
      for (const key of Object.keys(fields)) {
        const problem = problemOfField(key);
        if (problem !== undefined) issues.addIssue({ code: 'custom', path: [key], message: problem });
      }
    })
    .optional(),
  command: z.string().min(1).optional(),
  // More than half a string's length in V8 could not be parsed as one.
  body_bytes_max: z.int().min(1).max(268_435_456).optional(),
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
  webhooks: z.record(name, webhookSchema).optional(),
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
