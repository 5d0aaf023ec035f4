import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { type AgentConfig, type CommandConfig, SAMPLE_AGENT } from './config-file.ts';
import { type FileSettings, readFiles } from './files.ts';
import { gitRoot, remoteOwner } from './git.ts';
import { METRICS_SETTINGS, type MetricsConfig, resolveMetrics } from './metrics.ts';
import { resolveS3, type S3Config } from './s3.ts';
import { traceUrls } from './trace-urls.ts';
import { type CustomWebhook, resolveWebhooks } from './webhooks.ts';

/** Everything that can be set, resolved: flag, then environment, then file, then default. Frozen. */
export interface Config {
  /** False: tasks run, nothing is recorded. */
  readonly enabled: boolean;
  readonly logDir: string;
  readonly workflowDir: string;
  /** False: this process never holds the log directory, it only sends. */
  readonly store: boolean;
  /** Days after its end when a task goes. */
  readonly retentionDays: number;
  /** Days after its last event when a workflow that is over goes; where S3 is on, not before it is there. */
  readonly workflowRetentionDays: number;
  /** Days after its end when a task's output and trace are gzipped. */
  readonly compressDays: number;
  /** Where documents of workflows go; undefined: nowhere. */
  readonly s3: S3Config | undefined;
  readonly emitWorkflowEvents: boolean;
  readonly host: string;
  readonly port: number;
  readonly otlpHost: string;
  readonly otlpPort: number;
  /** Whether somebody asked for `otlpPort`: then it being taken is an error, otherwise a free one will do. */
  readonly otlpPortIsExplicit: boolean;
  readonly apiToken: string | undefined;
  /** The second destination, from the standard variables; undefined when none is set. */
  readonly otlpEndpoint: string | undefined;
  /** Where metrics go; undefined: nowhere. */
  readonly metrics: MetricsConfig | undefined;
  readonly serviceName: string;
  readonly project: string;
  readonly environment: string;
  /** Several at a time while one replaces the other; empty: none is set. */
  readonly githubSecrets: readonly string[];
  readonly jiraSecrets: readonly string[];
  readonly slackSecrets: readonly string[];
  /** Webhooks of other senders, by the name in their path. */
  readonly webhooks: Readonly<Record<string, CustomWebhook>>;
  /** Where the queue is; undefined: in this process. */
  readonly redisUrl: string | undefined;
  readonly githubToken: string | undefined;
  /** Undefined: `https://api.github.com`. */
  readonly githubApiUrl: string | undefined;
  readonly trigger: string;
  readonly agents: Readonly<Record<string, AgentConfig>>;
  /** Whether agents send their own telemetry, where nothing else is said of one. */
  readonly agentTelemetry: boolean;
  readonly commands: Readonly<Record<string, CommandConfig>>;
  /** Tasks that run at the same time in this process. */
  readonly concurrency: number;
  /** How often a task is tried when its process was killed; an attempt that a clean stop cut short does not count. */
  readonly attemptsMax: number;
  /** Where a trace can be looked at: templates with `{trace_id}`, and perhaps `{task_id}` and `{workflow_id}`. */
  readonly traceUrls: readonly string[];
  /** Where each setting came from. */
  readonly sources: Readonly<Record<string, 'flag' | 'environment' | 'file' | 'default'>>;
}

export interface ConfigOptions {
  /** For a command that only records: what is wrong with S3 is the business of whoever uploads, and stops it not. */
  readonly recordsOnly?: boolean;
  /** By setting name, e.g. `{ PORT: '0' }`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Default `tasktrail.config.json` in the working directory, if it is there. */
  readonly configFile?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_OTLP_PORT = 4318;
const DEFAULT_DIR = '/data/logs/tasks';

const boolean = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'], 'use true or false'))
  .transform((value) => ['true', '1', 'yes', 'on'].includes(value));
const port = z
  .string()
  .trim()
  .regex(/^\d+$/, 'use a port number from 0 to 65535')
  .transform(Number)
  .refine((value) => value <= 65_535, 'use a port number from 0 to 65535');
const count = (unit: string): z.ZodType<number> =>
  z
    .string()
    .trim()
    .regex(/^[1-9]\d{0,8}$/, `use a whole number of ${unit}, at least 1`)
    .transform(Number);
const milliseconds = z
  .string()
  .trim()
  .regex(/^\d{1,9}$/, 'use a number of milliseconds')
  .transform(Number);
const text = z.string().trim().min(1, 'must not be empty');
/** One, or several with commas between them; one that itself holds a comma is taken as it is, too. */
const secrets = z
  .string()
  .min(1)
  .transform((value) => {
    const parts = value.split(',').map((part) => part.trim());
    return [...new Set([value, ...parts])].filter((part) => part !== '');
  });
const url = z.url({ protocol: /^https?$/, error: 'use a URL such as http://localhost:4318' });

/** One row a setting: its name in the environment, how it is read, and its default. */
const SETTINGS = {
  TASK_LOGS_ENABLED: { schema: boolean, fallback: true },
  TASK_LOGS_DIR: { schema: text, fallback: undefined },
  TASK_LOGS_WORKFLOW_DIR: { schema: text, fallback: undefined },
  TASK_LOGS_STORE: { schema: boolean, fallback: true },
  TASK_LOGS_RETENTION_DAYS: { schema: count('days'), fallback: 30 },
  TASK_LOGS_WORKFLOW_RETENTION_DAYS: { schema: count('days'), fallback: undefined },
  TASK_LOGS_COMPRESS_DAYS: { schema: count('days'), fallback: 7 },
  TASK_LOGS_S3_BUCKET: { schema: text, fallback: undefined },
  TASK_LOGS_S3_PREFIX: { schema: text, fallback: undefined },
  TASK_LOGS_S3_ENDPOINT: { schema: url, fallback: undefined },
  TASK_LOGS_S3_PATH_STYLE: { schema: boolean, fallback: undefined },
  TASK_LOGS_EMIT_WORKFLOW_EVENTS: { schema: boolean, fallback: undefined },
  TASK_LOGS_OTLP_PORT: { schema: port, fallback: undefined },
  TASK_LOGS_OTLP_HOST: { schema: text, fallback: undefined },
  TASK_LOGS_API_TOKEN: { schema: z.string().min(16, 'use at least 16 characters'), fallback: undefined },
  TASK_LOGS_AGENT_COMMAND: {
    schema: text.transform(splitWords).refine((words) => words.length > 0, 'close the quote'),
    fallback: undefined,
  },
  TASK_LOGS_AGENT_DIALECT: { schema: text, fallback: undefined },
  TASK_LOGS_CONCURRENCY: { schema: count('tasks'), fallback: 2 },
  TASK_LOGS_ATTEMPTS: { schema: count('attempts'), fallback: 3 },
  TASK_LOGS_TRACE_URL: { schema: traceUrls, fallback: [] },
  HOST: { schema: text, fallback: undefined },
  PORT: { schema: port, fallback: 8000 },
  TASK_LOGS_AGENT_TELEMETRY: { schema: boolean, fallback: false },
  REDIS_URL: {
    schema: z.url({ protocol: /^rediss?$/, error: 'use a URL such as redis://127.0.0.1:6379' }),
    fallback: undefined,
  },
  GITHUB_WEBHOOK_SECRET: { schema: secrets, fallback: [] },
  JIRA_WEBHOOK_SECRET: { schema: secrets, fallback: [] },
  SLACK_SIGNING_SECRET: { schema: secrets, fallback: [] },
  GITHUB_TOKEN: { schema: z.string().min(1), fallback: undefined },
  GITHUB_API_URL: { schema: url, fallback: undefined },
  OTEL_EXPORTER_OTLP_ENDPOINT: { schema: url, fallback: undefined },
  OTEL_EXPORTER_OTLP_PROTOCOL: { schema: text, fallback: undefined },
  OTEL_EXPORTER_OTLP_TIMEOUT: { schema: milliseconds, fallback: undefined },
  OTEL_SERVICE_NAME: { schema: text, fallback: undefined },
  ...METRICS_SETTINGS,
  FRACTARY_ENV: { schema: text, fallback: undefined },
  // Other programs' as well: they are looked at closely only where S3 is on.
  AWS_ENDPOINT_URL_S3: { schema: text, fallback: undefined },
  AWS_ENDPOINT_URL: { schema: text, fallback: undefined },
  AWS_REGION: { schema: text, fallback: undefined },
  AWS_DEFAULT_REGION: { schema: text, fallback: undefined },
  ORG: { schema: text, fallback: undefined },
  PROJECT: { schema: text, fallback: undefined },
} as const;
type SettingName = keyof typeof SETTINGS;
type Settings = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']> | undefined };

/** Throws `ERR_CONFIG_INVALID` listing every problem, each with the setting's name. */
export function loadConfig(options: ConfigOptions = {}): Config {
  const env = options.env ?? process.env;
  const cwd = resolve(options.cwd ?? process.cwd());
  const root = gitRoot(cwd);
  const { settings, sources, problems } = readSettings(options.flags ?? {}, env);
  const files = readFiles({ cwd, root, configFile: options.configFile });
  const { own: file, ownPath: path } = files;
  problems.push(...files.problems);
  const agents = agentsOf(settings, file.agents);
  const commands = file.commands ?? {};
  for (const [name, command] of Object.entries(commands)) {
    const { agent = SAMPLE_AGENT } = command;
    if (agent !== SAMPLE_AGENT && !Object.hasOwn(agents, agent)) {
      problems.push(`${path}: commands.${name}.agent: there is no agent ${JSON.stringify(agent)}`);
    }
  }
  problems.push(...contradictions(settings));
  const project = basename(root ?? cwd) || 'unknown';
  const archive = resolveS3({
    settings,
    file: files.cloudStorage,
    org: () => settings.ORG ?? (root === undefined ? undefined : remoteOwner(root)),
    project: settings.PROJECT ?? project,
  });
  if (options.recordsOnly !== true) problems.push(...archive.problems);
  const webhooks = resolveWebhooks(file.webhooks, path, env);
  if (options.recordsOnly !== true) problems.push(...webhooks.problems);
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
  const host = settings.HOST ?? DEFAULT_HOST;
  const logDir = resolve(cwd, settings.TASK_LOGS_DIR ?? defaultLogDir(env));
  const resource = parseResource(env.OTEL_RESOURCE_ATTRIBUTES);
  return Object.freeze({
    enabled: settings.TASK_LOGS_ENABLED ?? true,
    logDir,
    workflowDir: resolve(cwd, settings.TASK_LOGS_WORKFLOW_DIR ?? join(logDir, '_workflow')),
    store: settings.TASK_LOGS_STORE ?? true,
    retentionDays: settings.TASK_LOGS_RETENTION_DAYS ?? 30,
    workflowRetentionDays: settings.TASK_LOGS_WORKFLOW_RETENTION_DAYS ?? files.workflowRetentionDays ?? 7,
    compressDays: settings.TASK_LOGS_COMPRESS_DAYS ?? 7,
    s3: archive.s3 && Object.freeze(archive.s3),
    emitWorkflowEvents: settings.TASK_LOGS_EMIT_WORKFLOW_EVENTS ?? files.emitWorkflowEvents ?? true,
    host,
    port: settings.PORT ?? 8000,
    otlpHost: settings.TASK_LOGS_OTLP_HOST ?? host,
    otlpPort: settings.TASK_LOGS_OTLP_PORT ?? defaultOtlpPort(settings.PORT),
    otlpPortIsExplicit: sources.TASK_LOGS_OTLP_PORT !== 'default',
    apiToken: settings.TASK_LOGS_API_TOKEN,
    otlpEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    metrics: resolveMetrics(settings),
    serviceName: settings.OTEL_SERVICE_NAME ?? resource.get('service.name') ?? 'tasktrail',
    project,
    environment: settings.FRACTARY_ENV ?? resource.get('deployment.environment.name') ?? 'development',
    githubSecrets: settings.GITHUB_WEBHOOK_SECRET ?? [],
    jiraSecrets: settings.JIRA_WEBHOOK_SECRET ?? [],
    slackSecrets: settings.SLACK_SIGNING_SECRET ?? [],
    webhooks: webhooks.found,
    redisUrl: settings.REDIS_URL,
    githubToken: settings.GITHUB_TOKEN,
    githubApiUrl: settings.GITHUB_API_URL?.replace(/\/+$/, ''),
    trigger: file.trigger ?? '@agent',
    agents,
    agentTelemetry: settings.TASK_LOGS_AGENT_TELEMETRY ?? false,
    commands,
    concurrency: settings.TASK_LOGS_CONCURRENCY ?? 2,
    attemptsMax: settings.TASK_LOGS_ATTEMPTS ?? 3,
    traceUrls: settings.TASK_LOGS_TRACE_URL ?? [],
    sources: { ...sources, ...fileSources(files, archive.fromFile, sources) },
  });
}

/** Whether the environment switches recording off, for a program that has not loaded its settings. */
export function isSwitchedOff(): boolean {
  const parsed = boolean.safeParse(process.env.TASK_LOGS_ENABLED);
  return parsed.success && !parsed.data;
}

/** The environment that a child process starts from. */
export function inheritedEnvironment(): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) out[name] = value;
  return out;
}

/** Some variables of the environment, for a program that must not see the others. */
export function pickEnvironment(names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

function readSettings(
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): { settings: Settings; sources: Record<string, 'flag' | 'environment' | 'default'>; problems: string[] } {
  const values: Record<string, unknown> = {};
  const sources: Record<string, 'flag' | 'environment' | 'default'> = {};
  const problems: string[] = [];
  for (const [name, { schema, fallback }] of Object.entries(SETTINGS)) {
    const flag = flags[name];
    const raw = flag ?? env[name];
    // An empty variable is how shells and compose files write "not set".
    if (raw === undefined || raw === '') {
      values[name] = fallback;
      sources[name] = 'default';
      continue;
    }
    sources[name] = flag === undefined ? 'environment' : 'flag';
    const parsed = schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else
      problems.push(
        `${name}: ${parsed.error.issues[0]?.message ?? 'is not valid'} (it is ${shown(name, raw)})`,
      );
  }
  // Built from the table row by row; its type says the same.
  return { settings: values as unknown as Settings, sources, problems };
}

/** Settings that are fine one by one and cannot be meant together; each line names only what was set. */
function contradictions(settings: Settings): readonly string[] {
  const problems: string[] = [];
  const { HOST, PORT, TASK_LOGS_OTLP_HOST, TASK_LOGS_OTLP_PORT, TASK_LOGS_API_TOKEN } = settings;
  for (const [name, value] of Object.entries({ HOST, TASK_LOGS_OTLP_HOST })) {
    if (value === undefined || isLoopback(value) || TASK_LOGS_API_TOKEN !== undefined) continue;
    problems.push(`${name}=${value} can be reached from outside: set TASK_LOGS_API_TOKEN, or use 127.0.0.1`);
  }
  const host = HOST ?? DEFAULT_HOST;
  const isSameHost = (TASK_LOGS_OTLP_HOST ?? host) === host;
  if (PORT !== undefined && PORT !== 0 && PORT === TASK_LOGS_OTLP_PORT && isSameHost) {
    problems.push(`PORT and TASK_LOGS_OTLP_PORT are both ${PORT}: give each a port of its own`);
  }
  if (settings.TASK_LOGS_AGENT_DIALECT !== undefined && settings.TASK_LOGS_AGENT_COMMAND === undefined) {
    problems.push(
      'TASK_LOGS_AGENT_DIALECT says how the output of TASK_LOGS_AGENT_COMMAND is read, which is not set',
    );
  }
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: protocol } = settings;
  if (endpoint !== undefined && protocol !== undefined && !/^http\/(?:json|protobuf)$/.test(protocol)) {
    const what = protocol === 'grpc' ? 'gRPC' : JSON.stringify(protocol);
    problems.push(
      `OTEL_EXPORTER_OTLP_PROTOCOL: ${what} is not supported: use http/json or http/protobuf, and the HTTP port of the endpoint, usually 4318`,
    );
  }
  return problems;
}

/** Not the one that was asked for the webhooks; 0 is a free one. */
function defaultOtlpPort(port: number | undefined): number {
  return port === DEFAULT_OTLP_PORT ? 0 : DEFAULT_OTLP_PORT;
}

function shown(name: string, value: string): string {
  return /SECRET|TOKEN/.test(name) ? `${value.length} characters long` : JSON.stringify(value.slice(0, 80));
}

function agentsOf(
  settings: Settings,
  fromFile: Readonly<Record<string, AgentConfig>> | undefined,
): Readonly<Record<string, AgentConfig>> {
  const command = settings.TASK_LOGS_AGENT_COMMAND;
  if (command === undefined) return fromFile ?? {};
  const dialect = settings.TASK_LOGS_AGENT_DIALECT ?? (command.includes('stream-json') ? 'claude' : 'text');
  // The short form stands for one agent that serves every command.
  const short: AgentConfig = { type: 'coding', command, dialect };
  // First, because the first one serves whatever names no other; and not replaced by the file's own `default`.
  return Object.assign({ default: short }, fromFile, { default: short });
}

/** As a shell splits them: by blanks, except inside quotes. Empty when a quote is left open. */
function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let rest = line.trim();
  while (rest !== '') {
    const piece = /^(?:[^\s"']|"[^"]*"|'[^']*')+/.exec(rest)?.[0];
    if (piece === undefined) return [];
    words.push(piece.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
    const after = rest.slice(piece.length);
    rest = after.trimStart();
    // Nothing but a blank ends a word: this is a quote that is never closed.
    if (rest !== '' && rest === after) return [];
  }
  return words;
}

/** What the files say beside the environment, for `tasktrail config`. */
function fileSources(
  files: FileSettings,
  fromFile: readonly string[],
  sources: Readonly<Record<string, string>>,
): Readonly<Record<string, 'file'>> {
  const names = [...fromFile];
  for (const name of ['trigger', 'agents', 'commands'] as const)
    if (files.own[name] !== undefined) names.push(name);
  const said = {
    TASK_LOGS_EMIT_WORKFLOW_EVENTS: files.emitWorkflowEvents,
    TASK_LOGS_WORKFLOW_RETENTION_DAYS: files.workflowRetentionDays,
  };
  for (const [name, value] of Object.entries(said))
    if (value !== undefined && sources[name] === 'default') names.push(name);
  return Object.fromEntries(names.map((name) => [name, 'file']));
}

function defaultLogDir(env: Readonly<Record<string, string | undefined>>): string {
  try {
    accessSync(DEFAULT_DIR, constants.W_OK | constants.X_OK);
    return DEFAULT_DIR;
  } catch {
    // Not there, or not ours to write: the user's own state directory.
    const state = env.XDG_STATE_HOME ?? '';
    // A relative one is to be ignored (XDG Base Directory Specification): it would differ by working directory.
    return join(isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'tasktrail', 'tasks');
  }
}

function parseResource(value: string | undefined): Map<string, string> {
  const out = new Map<string, string>();
  for (const pair of (value ?? '').split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) out.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
  return out;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
